"""Colours by meaning, from the sixteen that every terminal has, none of them a background.

Each terminal's own palette makes them readable on light and on dark. With NO_COLOR only weight and reverse are
left, and what colour said is said by words or marks too.
"""

import os

from prompt_toolkit.styles import Style

_COLOURS = {
    "header": "reverse",
    "heading": "bold",
    "status": "ansibrightblack",
    "warning": "ansired",
    "new": "ansicyan bold",
    "streaming": "ansigreen",
    "role.user": "ansicyan bold",
    "role.assistant": "ansigreen bold",
    "role.system": "ansibrightblack bold",
    "role.tool": "ansimagenta bold",
    "reasoning": "ansibrightblack italic",
    "tool": "ansimagenta",
    "code": "ansiblue",
    "fence": "ansibrightblack italic",
    "title": "bold underline",
    "bold": "bold",
    "mark": "bold",
    "dim": "ansibrightblack",
    "row": "",
    "row.open": "reverse",
    "row.new": "bold",
    "line": "ansibrightblack",
    "help": "ansibrightblack",
    "prompt": "bold",
}
_PLAIN = {name: " ".join(w for w in style.split() if not w.startswith("ansi")) for name, style in _COLOURS.items()}


def style() -> Style:
    """The style for this terminal."""
    return Style.from_dict(_PLAIN if os.environ.get("NO_COLOR") else _COLOURS)
