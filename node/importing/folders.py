"""Which transcript files there are, and how they stand, at a bounded cost per look.

A tool that resumes a session from last month appends to a file from last month, and no folder's time
tells. So the files written last are looked at in every tick and all others in turns, `stat_budget` of
them per tick; new ones at once. Folders are listed again only when their time says that something came
or went.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from heapq import nlargest
from pathlib import Path
from stat import S_ISDIR

STAT_BUDGET = 1500
"""Files looked at per tick besides the recent ones: some 4 ms."""

RECENT = 256
"""Files written last, which are looked at in every tick, however many others there are."""

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
    files: frozenset[str] = field(default_factory=frozenset)


class Scan:
    """Looks at the files of some places; each `tick` gives those whose turn it is, as (path, status)."""

    def __init__(self, places: Sequence[Place], stat_budget: int = STAT_BUDGET, recent: int = RECENT) -> None:
        self._places = places
        self._stat_budget = stat_budget
        self._recent_limit = recent
        self._folders: dict[str, _Folder] = {}
        self._single: set[str] = set()
        self._known: frozenset[str] = frozenset()
        self._times: dict[str, int] = {}  # when each file looked at in this round was written
        self._recent: set[str] = set()
        self._turn: list[str] = []

    def tick(self) -> Iterator[tuple[str, os.stat_result]]:
        """Files that are new, those written last, and the next others in turn. One that vanished isn't given."""
        before, self._known = self._known, self._find()
        if not self._turn:
            latest = nlargest(self._recent_limit, self._times.items(), key=lambda each: each[1])
            self._recent = {path for path, _ in latest}
            self._times = {}
            self._turn = sorted(self._known - self._recent)
        turn, self._turn = self._turn[: self._stat_budget], self._turn[self._stat_budget :]
        due = self._recent.union(turn)
        if self._known is not before:
            due |= self._known - before
        for path in sorted(due):
            try:
                status = os.stat(path)  # noqa: PTH116 - making a Path costs thrice the call itself
            except OSError:
                continue
            self._times[path] = status.st_mtime_ns
            yield path, status

    def _find(self) -> frozenset[str]:
        """All files there are; the very same set as the last time if no folder changed."""
        changed = self._look_for_places()
        due = list(self._folders)
        while due:
            path = due.pop()
            files = self._folders[path].files
            due += self._look(path)
            changed |= path not in self._folders or self._folders[path].files is not files
        if not changed:
            return self._known
        found = frozenset(self._single.union(*(folder.files for folder in self._folders.values())))
        return found if len(found) <= _FILES_LIMIT else frozenset(sorted(found)[-_FILES_LIMIT:])

    def _look_for_places(self) -> bool:
        """Take up the places that exist; whether there was a new one."""
        new = False
        for place in self._places:
            root = str(place.root)
            if root in self._folders or root in self._single:
                continue
            try:
                is_folder = S_ISDIR(place.root.stat().st_mode)
            except OSError:
                continue  # it may come yet
            new = True
            if is_folder:
                self._folders[root] = _Folder(0, place.pattern)
            else:
                self._single.add(root)
        return new

    def _look(self, path: str) -> list[str]:
        """List a folder if need be; the folders found in it that weren't known."""
        folder = self._folders[path]
        try:
            time_ns = os.stat(path).st_mtime_ns  # noqa: PTH116 - see above
            if time_ns != folder.time_ns:
                folder.time_ns, folder.listings_due = time_ns, _TICKS_LISTED_AGAIN
            elif folder.listings_due == 0:
                return []
            folder.listings_due -= 1
            with os.scandir(path) as entries:
                listed = list(entries)
        except PermissionError:
            folder.time_ns = -1  # a right that is given later shows in no time
            return []
        except OSError:
            del self._folders[path]
            return []
        files = frozenset(entry.path for entry in listed if fnmatch(entry.name, folder.pattern) and entry.is_file())
        if files != folder.files:
            folder.files = files
        if folder.depth >= _DEPTH_LIMIT:
            return []
        inner = [entry.path for entry in listed if entry.is_dir(follow_symlinks=False)]
        new = [name for name in inner if name not in self._folders]
        self._folders.update((name, _Folder(folder.depth + 1, folder.pattern)) for name in new)
        return new
