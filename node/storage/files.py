"""Write files that hold or guard secrets: private from the first byte, and there entirely or not at all."""

import os
from collections.abc import Callable
from pathlib import Path

PRIVATE = 0o600


def create_private(path: Path) -> int:
    """A descriptor of a new, empty file that nobody else may read. Raises FileExistsError."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in this folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(path: Path, make: Callable[[Path], None]) -> None:
    """Let `make` fill a private neighbour of `path`, fsync it, and rename it to `path`.

    After a failure or a crash `path` is what it was before.
    """
    neighbour = path.with_name(path.name + ".new")
    neighbour.unlink(missing_ok=True)
    os.close(create_private(neighbour))
    try:
        make(neighbour)
        neighbour.chmod(PRIVATE)
        sync_file(neighbour)
        neighbour.replace(path)
    finally:
        neighbour.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_private(path: Path, data: bytes) -> None:
    """Replace `path` by these bytes, mode 0600, in one step."""
    put_in_place(path, lambda neighbour: _fill(neighbour, data))


def _fill(path: Path, data: bytes) -> None:
    path.write_bytes(data)
