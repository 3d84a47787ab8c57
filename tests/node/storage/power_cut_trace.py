"""What a disk may hold after a power cut, derived from the system calls of a real process.

`record` runs a program under strace and reads which files it wrote, renamed and fsynced, and what it said
on stdout, in order. `Disk` plays that back up to any call and makes the images that a power cut could leave
there: what was fsynced is kept; of everything since, any part may be missing, in any order, the last torn.
"""

import random
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SECTOR_BYTES = 512
_CALLS = "openat,close,write,pwrite64,ftruncate,fsync,fdatasync,rename,unlink"
_LINE = re.compile(r"^(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")

_END = re.compile(r"\)\s+= (-?\d+)(?: \S.*)?$")


@dataclass(frozen=True)
class Call:
    """One finished system call: its name, its arguments as strace prints them, what it returned."""

    name: str
    arguments: tuple[str, ...]
    result: int


def record(command: Sequence[str], environment: dict[str, str], trace: Path) -> list[Call]:
    """Run the command under strace. Raises `CalledProcessError` if it fails."""
    strace = ["strace", "-f", "-xx", "-s", "100000", "-e", f"trace={_CALLS}", "-e", "signal=none", "-o", str(trace)]
    subprocess.run([*strace, *command], env=environment, check=True, stdout=subprocess.DEVNULL)
    with trace.open() as lines:
        return list(_parse(lines))


def _parse(lines: Iterator[str]) -> Iterator[Call]:
    begun: dict[str, str] = {}  # by thread: a call that another thread's line interrupted
    for line in lines:
        match = _LINE.match(line.rstrip("\n"))
        if match is None:
            continue
        thread, name, text, resumed, rest = match.groups()
        if name is not None and text.endswith("<unfinished ...>"):
            begun[thread] = text.removesuffix("<unfinished ...>")
            continue
        text = begun.pop(thread) + rest if resumed else text
        if ended := _END.search(text):
            arguments = tuple(part.strip() for part in text[: ended.start()].split(", "))
            yield Call(name or resumed, arguments, int(ended[1]))


def _bytes(quoted: str) -> bytes:
    assert quoted.startswith('"')
    assert quoted.endswith('"'), "strace cut a buffer short"
    return bytes.fromhex(quoted[1:-1].replace("\\x", ""))


@dataclass
class _File:
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, data) or (size, None)


class Disk:
    """Plays calls back. `forget_syncs` plants a fault: it makes every fsync of a file do nothing."""

    def __init__(self, folder: Path, forget_syncs: bool = False) -> None:
        self._folder = str(folder)
        self._forget_syncs = forget_syncs
        self._open: dict[int, _File | None] = {}  # None: the folder itself
        self._offsets: dict[int, int] = {}
        self._names: dict[str, _File] = {}
        self._durable_names: dict[str, _File] = {}
        self._pending_names: list[dict[str, _File]] = []  # the folder after each change since its last fsync
        self.said = b""

    def play(self, call: Call) -> bool:
        """Take one call into account. Returns whether it changed what a power cut could leave."""
        if call.result < 0:
            return False
        handler = getattr(self, f"_{call.name}", None)
        return bool(handler(call)) if handler else False

    def image(self, seed: random.Random, into: Path) -> None:
        """Write one state that a power cut could leave right now into an empty folder."""
        states = [self._durable_names, *self._pending_names]
        for name, file in seed.choice(states).items():
            if not name.endswith("-shm"):  # SQLite makes it anew from the log
                (into / name).write_bytes(_survives(file, seed))
                (into / name).chmod(0o600)  # modes are not part of what is traced

    def _openat(self, call: Call) -> bool:
        path = _bytes(call.arguments[1]).decode()
        if path == self._folder:
            self._open[call.result] = None
            return False
        name = self._name(path)
        if name is None:
            self._open.pop(call.result, None)
            return False
        created = name not in self._names
        if created:
            self._change_names({**self._names, name: _File()})
        self._open[call.result] = self._names[name]
        self._offsets[call.result] = 0
        if "O_TRUNC" in call.arguments[2] and not created:
            self._names[name].pending.append((0, None))
        return created

    def _close(self, call: Call) -> bool:
        self._open.pop(int(call.arguments[0]), None)
        return False

    def _pwrite64(self, call: Call) -> bool:
        file = self._open.get(int(call.arguments[0]))
        if file is None:
            return False
        file.pending.append((int(call.arguments[3]), _bytes(call.arguments[1])[: call.result]))
        return True

    def _write(self, call: Call) -> bool:
        descriptor = int(call.arguments[0])
        if descriptor == 1:
            self.said += _bytes(call.arguments[1])
            return True
        file = self._open.get(descriptor)
        if file is None:
            return False
        file.pending.append((self._offsets[descriptor], _bytes(call.arguments[1])[: call.result]))
        self._offsets[descriptor] += call.result
        return True

    def _ftruncate(self, call: Call) -> bool:
        file = self._open.get(int(call.arguments[0]))
        if file is not None:
            file.pending.append((int(call.arguments[1]), None))
        return file is not None

    def _fsync(self, call: Call) -> bool:
        descriptor = int(call.arguments[0])
        if descriptor not in self._open:
            return False
        file = self._open[descriptor]
        if file is None:
            self._durable_names, self._pending_names = self._names, []
        elif not self._forget_syncs:
            for offset, data in file.pending:
                _apply(file.durable, offset, data)
            file.pending.clear()
        return True

    _fdatasync = _fsync

    def _rename(self, call: Call) -> bool:
        was, to = (self._name(_bytes(argument).decode()) for argument in call.arguments[:2])
        if was is None or to is None:
            return False
        names = {**self._names, to: self._names[was]}
        del names[was]
        self._change_names(names)
        return True

    def _unlink(self, call: Call) -> bool:
        name = self._name(_bytes(call.arguments[0]).decode())
        if name is None or name not in self._names:
            return False
        self._change_names({other: file for other, file in self._names.items() if other != name})
        return True

    def _name(self, path: str) -> str | None:
        folder, _, name = path.rpartition("/")
        return name if folder == self._folder else None

    def _change_names(self, names: dict[str, _File]) -> None:
        # A file system keeps the order of changes to a folder, but may have any number of them on the disk.
        self._names = names
        self._pending_names.append(names)


def _survives(file: _File, seed: random.Random) -> bytes:
    content = bytearray(file.durable)
    kept_share = seed.choice((0.0, 0.3, 0.7, 0.95, 1.0))
    kept = [change for change in file.pending if seed.random() < kept_share]
    if seed.random() < 0.5:
        seed.shuffle(kept)
    for number, (offset, data) in enumerate(kept):
        last = number == len(kept) - 1
        if data is not None and last and len(data) > SECTOR_BYTES and seed.random() < 0.7:
            sectors = range(0, len(data), SECTOR_BYTES)
            for start in sectors:
                if seed.random() < 0.5:
                    _apply(content, offset + start, data[start : start + SECTOR_BYTES])
        else:
            _apply(content, offset, data)
    return bytes(content)


def _apply(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data
