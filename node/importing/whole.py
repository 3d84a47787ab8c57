"""One transcript from beginning to end, as `import FILE` takes it."""

import os
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG

from crdt.errors import FILE_UNREADABLE

from .reader import CHUNK_BYTES, Reader


class Transcript:
    """An open transcript. Makes and reads it in a thread of your own; a context manager.

    Raises FILE_UNREADABLE, or IMPORT_UNRECOGNISED before anything of it was handed out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            # A named pipe would hold us until somebody writes to it.
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except (OSError, ValueError) as error:
            raise self._unreadable(error) from error
        try:
            self._probe()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Transcript":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def chunks(self) -> Iterator[bytes]:
        """The bytes, in order."""
        at = 0
        while data := self._read(at):
            yield data
            at += len(data)

    def _read(self, at: int) -> bytes:
        try:
            return os.pread(self._descriptor, CHUNK_BYTES, at)
        except OSError as error:
            raise self._unreadable(error) from error

    def _probe(self) -> None:
        if not S_ISREG(os.fstat(self._descriptor).st_mode):
            raise FILE_UNREADABLE(f"{self._path} is no file.", path=str(self._path))
        reader = Reader()
        for data in self.chunks():
            reader.feed(data)
            if reader.format is not None:
                return
        reader.finish()

    def _unreadable(self, error: Exception) -> Exception:
        cause = error.strerror if isinstance(error, OSError) else error
        return FILE_UNREADABLE(f"{self._path} can't be read: {cause}.", path=str(self._path))
