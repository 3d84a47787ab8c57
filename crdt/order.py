"""The order in which messages are shown.

Each message stores a key: its author's clock in milliseconds, or one more than the greatest key the
author had seen, whichever is greater; the device breaks ties. So an answer always stands below what it
answers, whatever the clocks say. Keys far ahead of one's own clock are not followed: a forged date
moves only its author's own words.
"""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

AHEAD_MS: Final = 600_000  # how far ahead of our clock a key may be and still be followed


def next_key(now_ms: int, keys: Sequence[int]) -> int:
    """The key of a message written now by somebody who has seen these keys, in ascending order.

    It follows the greatest that is not too far ahead: a forged one beyond hides no nearer one.
    """
    followed = bisect_right(keys, now_ms + AHEAD_MS)
    return max(now_ms, keys[followed - 1] + 1) if followed else now_ms
