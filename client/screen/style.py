"""Colours by meaning, from the sixteen that every terminal has; with NO_COLOR only weight and reverse are left."""

import os

from prompt_toolkit.styles import Style

_COLOURS = {
    "header": "reverse",
    "heading": "bold",
    "status": "ansibrightblack",
    "warning": "ansiyellow",
    "new": "ansicyan bold",
    "streaming": "ansigreen",
    "role.user": "ansicyan bold",
    "role.assistant": "ansigreen bold",
    "role.system": "ansibrightblack bold",
    "role.tool": "ansimagenta bold",
    "reasoning": "ansibrightblack italic",
    "tool": "ansimagenta",
    "code": "ansiyellow",
    "fence": "ansibrightblack",
    "title": "bold",
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
