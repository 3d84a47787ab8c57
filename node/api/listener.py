"""The listening unix socket: private, at a path that only its owner can reach, in place of a dead one only.

Relies on the home's lock (`node/home.py`) to keep two nodes from doing this at the same time.
"""

import errno
import os
import socket
import stat
from pathlib import Path

from crdt.errors import DISK_FULL, HOME_LOCKED, HOME_UNSAFE
from node.api.endpoint import MAX_SOCKET_PATH_BYTES, untrusted

BACKLOG = 128


def listen(path: Path) -> socket.socket:
    """A listening socket at `path`, 0600, in a folder that is 0700 and ours.

    Raises HOME_UNSAFE if the place can't be trusted, and HOME_LOCKED if somebody listens there.
    """
    cause = untrusted(str(path.parent))
    if cause is not None:
        raise HOME_UNSAFE(f"{cause}.", path=str(path.parent))
    if len(os.fsencode(path)) > MAX_SOCKET_PATH_BYTES:
        raise HOME_UNSAFE(f"{path} is too long for a socket.", path=str(path))
    _remove_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.bind(str(path))
        # Between these two lines the folder keeps others out; before `listen` nobody can connect at all.
        path.chmod(0o600)
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DISK_FULL(path=str(path)) from error
        raise HOME_UNSAFE(f"{path} can't be listened on: {error.strerror}.", path=str(path)) from error
    return listening


def remove(path: Path, inode: int) -> None:
    """Remove our own socket, and nothing that took its place."""
    try:
        if path.lstat().st_ino == inode:
            path.unlink()
    except FileNotFoundError:
        pass


def _remove_stale(path: Path) -> None:
    """Remove what a node that died left behind; only a socket of ours on which nobody answers is that."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode) or found.st_uid != os.getuid():
        raise HOME_UNSAFE(f"{path} is in the way: it is no socket of ours.", path=str(path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a listener with a full backlog answers EAGAIN at once, which is an answer too
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            remove(path, found.st_ino)
            return
        except FileNotFoundError:
            return
        except OSError:
            pass
    raise HOME_LOCKED("Another node is listening for this home.", path=str(path))
