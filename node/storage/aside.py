"""Let a database give way to another one without deleting anything: it keeps its log and can be put back."""

import itertools
from collections.abc import Iterator
from pathlib import Path

Moves = list[tuple[Path, Path]]


def plan(database: Path, label: str, others: tuple[Path, ...] = ()) -> Moves:
    """(from, to) for the database, its log, and other files, to names that end in `.label-1`, `.label-2`, …"""
    aside = _free_name(database, label)
    if not database.exists() and (cut_off := _last_name(database, label)) is not None:
        aside = cut_off  # a crash came between the database's rename and its log's: they belong together
    pairs = [
        (database.with_name(database.name + end), aside.with_name(aside.name + end)) for end in ("", "-wal", "-shm")
    ]
    pairs += [(path, _free_name(path, label)) for path in others]
    return [(was, to) for was, to in pairs if was.exists()]


def carry_out(moves: Moves) -> None:
    for was, to in moves:
        was.replace(to)


def undo(moves: Moves) -> None:
    for was, to in moves:
        to.replace(was)


def back_after_crash(database: Path, label: str) -> None:
    """Where a crash left no database, bring the last one that gave way back to its name."""
    aside = None if database.exists() else _last_name(database, label)
    if aside is not None:
        for end in ("-shm", "-wal", ""):  # the database last: as long as it has no name, this is done again
            if (file := aside.with_name(aside.name + end)).exists():
                file.replace(database.with_name(database.name + end))


def _free_name(path: Path, label: str) -> Path:
    return next(each for each in _names(path, label) if not each.exists())


def _last_name(path: Path, label: str) -> Path | None:
    taken = list(itertools.takewhile(Path.exists, _names(path, label)))
    return taken[-1] if taken else None


def _names(path: Path, label: str) -> Iterator[Path]:
    return (path.with_name(f"{path.name}.{label}-{number}") for number in itertools.count(1))
