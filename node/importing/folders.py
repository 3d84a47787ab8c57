"""Which transcript files there are, and how they stand, at a bounded cost per look.

A tool that resumes a session from last month appends to a file from last month, and no folder's time
tells. So all files are looked at in turns, `stat_budget` of them per tick; new ones at once. Folders are
listed again only when their time says that something came or went.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from stat import S_ISDIR

STAT_BUDGET = 2000
"""Files looked at per tick: some milliseconds. With more files than that, one long asleep is noticed ticks later."""

_DEPTH_LIMIT = 8
_FILES_LIMIT = 100_000
# A folder's time has the grain of its file system's clock, so what comes right after a listing may not show in it.
# Listing again for some ticks covers a grain of two seconds.
_TICKS_LISTED_AGAIN = 6


@dataclass(frozen=True, slots=True)
class Place:
    """A folder whose files that match `pattern` are transcripts, at any depth; or one file."""

    root: Path
    pattern: str = "*.jsonl"


def standard_place(tool: str, home: Path, environ: Mapping[str, str]) -> Place | None:
    """Where `claude` or `codex` keeps its sessions, or None for another word. Both let their folder be moved."""
    if tool == "claude":
        return Place(Path(environ.get("CLAUDE_CONFIG_DIR") or home / ".claude") / "projects")
    if tool == "codex":
        return Place(Path(environ.get("CODEX_HOME") or home / ".codex") / "sessions", "rollout-*.jsonl")
    return None


@dataclass(slots=True)
class _Folder:
    depth: int
    pattern: str
    time_ns: int = -1
    listings_due: int = 0
    files: set[str] = field(default_factory=set)


class Scan:
    """Looks at the files of some places; each `tick` gives those whose turn it is, as (path, status)."""

    def __init__(self, places: Sequence[Place], stat_budget: int = STAT_BUDGET) -> None:
        self._places = places
        self._stat_budget = stat_budget
        self._folders: dict[str, _Folder] = {}
        self._single: set[str] = set()
        self._known: set[str] = set()
        self._turn: list[str] = []

    def tick(self) -> Iterator[tuple[str, os.stat_result]]:
        """Files that are new, and the next ones in turn. A file that vanished is simply not given."""
        found = self._find()
        fresh = found - self._known
        self._known = found
        if not self._turn:
            self._turn = sorted(found)
        turn, self._turn = self._turn[: self._stat_budget], self._turn[self._stat_budget :]
        for path in sorted(fresh.union(turn)):
            try:
                yield path, Path(path).stat()
            except OSError:
                continue

    def _find(self) -> set[str]:
        for place in self._places:
            root = str(place.root)
            if root in self._folders or root in self._single:
                continue
            try:
                is_folder = S_ISDIR(place.root.stat().st_mode)
            except OSError:
                continue  # it may come yet
            if is_folder:
                self._folders[root] = _Folder(0, place.pattern)
            else:
                self._single.add(root)
        due = list(self._folders)
        while due:
            due += self._look(due.pop())
        found = self._single.union(*(folder.files for folder in self._folders.values()))
        return found if len(found) <= _FILES_LIMIT else set(sorted(found)[-_FILES_LIMIT:])

    def _look(self, path: str) -> list[str]:
        """List a folder if need be; the folders found in it that weren't known."""
        folder = self._folders[path]
        try:
            time_ns = Path(path).stat().st_mtime_ns
            if time_ns != folder.time_ns:
                folder.time_ns, folder.listings_due = time_ns, _TICKS_LISTED_AGAIN
            elif folder.listings_due == 0:
                return []
            folder.listings_due -= 1
            with os.scandir(path) as entries:
                listed = list(entries)
        except OSError:
            del self._folders[path]
            return []
        folder.files = {entry.path for entry in listed if fnmatch(entry.name, folder.pattern) and entry.is_file()}
        if folder.depth >= _DEPTH_LIMIT:
            return []
        inner = [entry.path for entry in listed if entry.is_dir(follow_symlinks=False)]
        new = [name for name in inner if name not in self._folders]
        self._folders.update((name, _Folder(folder.depth + 1, folder.pattern)) for name in new)
        return new
