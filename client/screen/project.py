"""The project that a screen was opened in: threads begun there belong to it."""

import contextlib
from pathlib import Path


def current() -> Path | None:
    """The root of the project in the current folder, if there is one that can be looked at."""
    with contextlib.suppress(OSError):
        return root_of(Path.cwd())
    return None


def root_of(folder: Path) -> Path | None:
    """The nearest folder at or above this one that is a repository's root; None outside of any."""
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), None)


def name_of(root: str) -> str:
    """What a project is called: the last part of its root folder, whatever system that is on."""
    return root.rstrip("/\\").replace("\\", "/").rpartition("/")[2]
