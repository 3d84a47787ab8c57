"""Becomes a shared terminal's program: `python launcher.py NODE_PID WORD…`, with the terminal as its streams.

A process of its own, for between fork and exec a process with threads may do next to nothing. It takes the
terminal as the controlling one of its (new) session, asks the system to end it with the node, and is
replaced by the program. Standard library only, run without the site's packages.
"""

import contextlib
import fcntl
import os
import signal
import sys
import termios

_PR_SET_PDEATHSIG = 1
NOT_FOUND, NOT_STARTED = 127, 126  # as shells say it


def main(node: int, words: list[str]) -> int:
    """Returns only if the program could not be started."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    if sys.platform == "linux":
        _end_with_parent()
    if os.getppid() != node:
        return NOT_STARTED  # the node has gone while we began
    # Python ignores these, and what is ignored stays so across exec.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(words[0], words)  # noqa: S606  (no shell: the words are the program's as they are)
    except OSError as error:
        sys.stderr.write(f"{words[0]}: {error.strerror}\r\n")
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_STARTED


def _end_with_parent() -> None:
    """Be killed when the node's thread that started us ends, however that comes."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
