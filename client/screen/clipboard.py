"""Putting text on the terminal's clipboard, also over ssh (OSC 52)."""

import base64

from client.cli.text import clean

MOST_BYTES = 74_994  # what xterm and others take in one sequence (100,000 characters of base64 with its frame)


def osc_52(text: str) -> str | None:
    """The sequence that asks the terminal to keep this text; None if it is too long for terminals to take.

    The text is made harmless first: what is pasted into a shell must not end the paste and press Enter.
    """
    raw = clean(text).encode()
    return f"\x1b]52;c;{base64.b64encode(raw).decode()}\x07" if len(raw) <= MOST_BYTES else None
