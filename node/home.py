"""One installation's folders: made private, refused when unsafe, held by one node at a time.

Where they are is `node/api/endpoint.py`'s to say; this file makes them, and keeps them to one node
through a lock that the kernel releases when the node dies, however it dies.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from crdt.errors import DISK_FULL, HOME_LOCKED, HOME_UNSAFE, OpenSeshError
from node.api.endpoint import Places, places, untrusted
from node.mounts import network_file_system


class Home:
    """The folders of one installation. Use as a context manager to hold it: `with Home.of(environ) as home:`."""

    def __init__(self, where: Places) -> None:
        self.places = where
        self.config = Path(where.config)
        self.data = Path(where.data)
        self.state = Path(where.state)
        self.run = Path(where.run)
        self._lock: int | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str] | None = None) -> "Home":
        """The home that an environment names; this process's own if none is given."""
        return cls(places(environ))

    @property
    def config_file(self) -> Path:
        """The settings, TOML."""
        return self.config / "config.toml"

    @property
    def database(self) -> Path:
        """The node's SQLite database."""
        return self.data / "opensesh.db"

    @property
    def key_file(self) -> Path:
        """Where keys are kept with `OPENSESH_KEYRING=file`."""
        return self.data / "keys"

    @property
    def socket(self) -> Path:
        """The unix socket of the local API."""
        return Path(self.places.socket)

    @property
    def pid_file(self) -> Path:
        """Process id and socket path of the node that holds this home."""
        return Path(self.places.pid_file)

    @property
    def log_file(self) -> Path:
        """The node's log."""
        return Path(self.places.log_file)

    @property
    def lock_file(self) -> Path:
        """Locked while a node holds this home. Never removed: a lock on a removed file excludes nobody."""
        return self.state / "node.lock"

    def prepare(self) -> None:
        """Make the folders, 0700, and refuse what can't be made safe.

        Raises HOME_UNSAFE with the cause, or DISK_FULL.
        """
        if self.places.home is not None:
            _make_safe(Path(self.places.home))
        for folder in (self.config, self.data, self.state, self.run):
            _make_safe(folder)
            # What is above may be a folder of the person's own, open to readers; these are ours alone.
            folder.chmod(0o700)
        cause = untrusted(self.places.run)
        if cause is not None:  # a link, which clients will refuse as well: see there
            raise HOME_UNSAFE(f"{cause}.", path=self.places.run)
        for folder in (self.data, self.state):
            # SQLite's and our own locks are not kept reliably over a network, and two nodes would then
            # write one database.
            kind = network_file_system(folder)
            if kind is not None:
                raise HOME_UNSAFE(f"{folder} is on a network file system ({kind}).", path=str(folder), kind=kind)

    def acquire(self) -> None:
        """Prepare the folders and take the lock. Raises HOME_LOCKED if another node holds it, else as `prepare`."""
        self.prepare()
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise _refusal(self.lock_file, error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _replace(self.pid_file, os.fsencode(f"{os.getpid()}\n{self.places.socket}\n"))
        except BlockingIOError as error:
            os.close(descriptor)
            raise HOME_LOCKED(path=str(self.state), pid=self.running_pid()) from error
        except OSError as error:
            os.close(descriptor)
            raise _refusal(self.pid_file, error) from error
        self._lock = descriptor

    def release(self) -> None:
        """Give the home back. Harmless if it isn't held."""
        if self._lock is not None:
            self.pid_file.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def running_pid(self) -> int | None:
        """The process id that the pid file names, if any; it may be of a node that has died."""
        try:
            return int(self.pid_file.read_text("utf-8", "replace").split("\n", 1)[0])
        except (OSError, ValueError):
            return None

    def __enter__(self) -> "Home":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _make_safe(folder: Path) -> None:
    """Make a folder if it isn't there; refuse one in which others can plant or replace what we rely on."""
    try:
        # One by one: what `parents=True` makes on the way is open to whom the umask leaves it open.
        for missing in (*reversed(folder.parents), folder):
            if not missing.exists():
                missing.mkdir(mode=0o700, exist_ok=True)
        # A folder may be kept elsewhere by its owner; where it leads is what must be safe.
        folder = folder.resolve()
        found = folder.stat()
        if found.st_uid != os.getuid():
            raise _unsafe(folder, f"belongs to user {found.st_uid}")
        if found.st_mode & 0o022:
            if any(folder.iterdir()):
                cause = f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
                raise _unsafe(folder, cause, next=f"Look at what is in it, then run: chmod 700 {folder}")
            folder.chmod(0o700)  # new and still empty, as a loose umask leaves it: nothing was planted
        for parent in folder.parents:
            mode = parent.stat().st_mode
            if mode & 0o002 and not mode & stat.S_ISVTX:
                raise _unsafe(folder, f"is below {parent}, in which anybody can replace it")
    except OSError as error:
        raise _refusal(folder, error) from error


def _replace(path: Path, content: bytes) -> None:
    """Write a small file so that a reader sees all of it or none. Raises `OSError`."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    beside.replace(path)


def _refusal(path: Path, error: OSError) -> OpenSeshError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL(path=str(path))
    return _unsafe(path, f"can't be used: {error.strerror}")


def _unsafe(path: Path, cause: str, **details: str) -> OpenSeshError:
    return HOME_UNSAFE(f"{path} {cause}.", path=str(path), **details)
