"""What tests ask of processes that they did not start themselves."""

import os
from pathlib import Path


def is_there(pid: int) -> bool:
    """Whether it still runs. One that has ended, and that nobody has waited for yet, does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")  # of Linux alone
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
