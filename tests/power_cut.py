"""Pull the plug at any moment: build every kind of disk image a power cut may leave, and look into it.

A workload runs real statements against a real SQLite whose file system (an apsw VFS) writes down
each write, truncation, deletion and sync. From that log come images: everything synced is there; of
what was not synced yet, any part may be, in any order, torn at sector boundaries. Each image is then
opened by the code under test, and must hold every change that had been acknowledged before the cut.

    recording = record(tmp_path / "run", workload)      # workload(disk): disk.connect(), disk.acknowledge(x)
    report = try_images(recording, tmp_path / "cut", count=2500, seed=1, lost=lost)
    assert report.lost == 0                             # lost(database path, acknowledged) -> what is missing

The workload's connection is `apsw.Connection`: `execute(sql, parameters)`, `executemany`, `fetchone`,
`fetchall`, `in_transaction`, and iteration are as in `sqlite3`; transactions are begun by hand. WAL runs in
exclusive locking mode, because shared memory is no part of a disk.

Assumed of the disk, as SQLite does by default on Linux and macOS: a write that is cut off leaves
whole 512-byte sectors old or new, and doesn't damage bytes that it was not writing.
"""

import random
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import apsw

DATABASE: Final = "store.db"
SECTOR_BYTES: Final = 512
_KEEPING: Final = ("nothing", "everything", "a prefix", "a subset", "a subset, reordered", "a subset, torn")


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Removal of a name; `synced` if SQLite asked for the folder to be synced with it."""

    file: str
    synced: bool


@dataclass(frozen=True, slots=True)
class Sync:
    file: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The workload told somebody: from here on this may not be lost."""

    what: Any


Operation = Write | Truncate | Delete | Sync | Acknowledged


@dataclass(frozen=True, slots=True)
class Recording:
    """What happened on the disk, in order."""

    operations: tuple[Operation, ...]

    def count(self, kind: type) -> int:
        return sum(isinstance(each, kind) for each in self.operations)


class Disk:
    """What a workload gets: connections whose files are recorded, and a way to say what it promised."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.log: list[Operation] = []
        self._name = f"recorded-{id(self):x}"
        self._vfs = _RecordingVfs(self._name, self.log)

    def connect(self) -> apsw.Connection:
        """Open the database (again). Close it before the next one is opened, and at the workload's end."""
        connection = apsw.Connection(str(self._folder / DATABASE), vfs=self._name)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        return connection

    def acknowledge(self, what: Any) -> None:
        self.log.append(Acknowledged(what))

    def close(self) -> None:
        self._vfs.unregister()


def record(folder: Path, workload: Callable[[Disk], None]) -> Recording:
    """Run the workload once, in `folder` (made if need be)."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = Disk(folder)
    try:
        workload(disk)
    finally:
        disk.close()
    return Recording(tuple(disk.log))


@dataclass(frozen=True, slots=True)
class Image:
    """One state of the disk after a cut: the files as they'd be found, and what had been promised before."""

    cut_after: int
    keeping: str
    files: dict[str, bytes]
    acknowledged: Sequence[Any]


def images(recording: Recording, count: int, seed: int) -> Iterator[Image]:
    """`count` images at random moments, each with its own choice of what survived. Replays from `seed`."""
    rng = random.Random(seed)
    moments = sorted(rng.randrange(len(recording.operations) + 1) for _ in range(count))
    state = _State()
    done = 0
    for moment in moments:
        for operation in recording.operations[done:moment]:
            state.apply(operation)
        done = moment
        keeping = rng.choice(_KEEPING)
        yield Image(moment, keeping, state.after_cut(keeping, rng), tuple(state.acknowledged))


@dataclass(slots=True)
class Report:
    """What came of it. `failures` names the first few images by moment, kind and what was wrong."""

    images: int = 0
    acknowledged: int = 0
    lost: int = 0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        counted = f"{self.images} images, {self.acknowledged} acknowledged changes looked for, {self.lost} lost"
        return "\n".join([counted, *self.failures])


def try_images(
    recording: Recording,
    folder: Path,
    *,
    count: int,
    seed: int,
    lost: Callable[[Path, Sequence[Any]], Iterable[Any]],
) -> Report:
    """Write each image to `folder` and ask `lost` which acknowledged changes it misses.

    An exception out of `lost` (a database that won't open) counts as losing everything acknowledged,
    and at least one.
    """
    report = Report()
    for image in images(recording, count, seed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, data in image.files.items():
            (folder / name).write_bytes(data)
        try:
            missing = list(lost(folder / DATABASE, image.acknowledged))
            trouble = f"{len(missing)} missing"
        except Exception as error:  # any failure to open is what we are here to find
            missing = list(image.acknowledged) or [error]
            trouble = repr(error)
        report.images += 1
        report.acknowledged += len(image.acknowledged)
        report.lost += len(missing)
        if missing and len(report.failures) < 10:
            report.failures.append(f"cut after operation {image.cut_after}, keeping {image.keeping}: {trouble}")
    return report


# ---- the disk's state, synced and not


class _State:
    """Per file: the bytes that are safe, and what was done since its last sync."""

    def __init__(self) -> None:
        self.acknowledged: list[Any] = []
        self._safe: dict[str, bytearray] = {}
        self._pending: list[Write | Truncate | Delete] = []

    def apply(self, operation: Operation) -> None:
        match operation:
            case Acknowledged(what):
                self.acknowledged.append(what)
            case Sync(file):
                for each in self._pending:
                    if each.file == file:
                        _perform(self._safe, each)
                self._pending = [each for each in self._pending if each.file != file]
            case Delete(file, True):
                self._safe.pop(file, None)
                self._pending = [each for each in self._pending if each.file != file]
            case _:
                self._pending.append(operation)

    def after_cut(self, keeping: str, rng: random.Random) -> dict[str, bytes]:
        files = {name: bytearray(data) for name, data in self._safe.items()}
        for operation in _survivors(self._pending, keeping, rng):
            _perform(files, operation)
        return {name: bytes(data) for name, data in files.items()}


def _survivors(
    pending: list[Write | Truncate | Delete], keeping: str, rng: random.Random
) -> list[Write | Truncate | Delete]:
    if keeping == "nothing":
        return []
    if keeping == "everything":
        return pending
    if keeping == "a prefix":
        return pending[: rng.randrange(len(pending) + 1)]
    chance = rng.random()
    pieces = pending if keeping != "a subset, torn" else [piece for each in pending for piece in _sectors(each)]
    kept = [each for each in pieces if rng.random() < chance]
    if keeping == "a subset, reordered":
        rng.shuffle(kept)
    return kept


def _sectors(operation: Write | Truncate | Delete) -> Iterator[Write | Truncate | Delete]:
    if not isinstance(operation, Write):
        yield operation
        return
    offset, data = operation.offset, operation.data
    while data:
        room = SECTOR_BYTES - offset % SECTOR_BYTES
        yield Write(operation.file, offset, data[:room])
        offset, data = offset + room, data[room:]


def _perform(files: dict[str, bytearray], operation: Write | Truncate | Delete) -> None:
    match operation:
        case Write(file, offset, data):
            content = files.setdefault(file, bytearray())
            if len(content) < offset:
                content.extend(bytes(offset - len(content)))
            content[offset : offset + len(data)] = data
        case Truncate(file, size):
            content = files.setdefault(file, bytearray())
            content.extend(bytes(max(0, size - len(content))))
            del content[size:]
        case Delete(file):
            files.pop(file, None)


# ---- SQLite's view of it


class _RecordingVfs(apsw.VFS):
    def __init__(self, name: str, log: list[Operation]) -> None:
        self._log = log
        super().__init__(name, base="")

    def xOpen(self, name: Any, flags: list[int]) -> "_RecordingFile":  # noqa: N802 - SQLite's names
        return _RecordingFile(name, flags, self._log)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(name, sync_folder)
        self._log.append(Delete(Path(name).name, bool(sync_folder)))


class _RecordingFile(apsw.VFSFile):
    def __init__(self, name: Any, flags: list[int], log: list[Operation]) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._file, self._log = Path(path or "temporary").name, log

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._log.append(Write(self._file, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:  # noqa: N802
        super().xTruncate(size)
        self._log.append(Truncate(self._file, size))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._log.append(Sync(self._file))
