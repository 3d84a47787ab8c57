"""How much is done, whatever the machine: what a test of quadratic time counts instead of seconds."""

import sys
from collections.abc import Callable


def function_calls(run: Callable[[], object]) -> int:
    """How many functions are called: what is done, whatever the machine."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        run()
    finally:
        sys.setprofile(None)
    return counted
