"""Who is at the other end of a unix socket, by the kernel's word."""

import socket
import struct
import sys


def peer_uid(connection: socket.socket) -> int:
    """The user id of the process that connected. Raises `OSError` if the kernel doesn't say."""
    if sys.platform == "darwin":
        # <sys/ucred.h>: struct xucred { u_int cr_version; uid_t cr_uid; short cr_ngroups; gid_t cr_groups[16]; },
        # asked for at level SOL_LOCAL (0) under LOCAL_PEERCRED (1); neither has a name in Python.
        raw = connection.getsockopt(0, 1, struct.calcsize("IIh2x16I"))
        version, uid = struct.unpack_from("II", raw)
        if version != 0:
            raise OSError(f"unknown version {version} of peer credentials")
        return int(uid)
    # struct ucred { pid_t pid; uid_t uid; gid_t gid; }
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("iII"))
    return int(struct.unpack("iII", raw)[1])
