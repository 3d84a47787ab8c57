"""Colours by meaning, from the sixteen that every terminal has, none of them a background.

Each terminal's own palette makes them readable on light and on dark. With NO_COLOR only weight and reverse are
left, and what colour said is said by words or marks too.
"""

import os

from prompt_toolkit.styles import Attrs, Style

# Faint, where the library has it: "bright black" is nearly the background in some palettes.
_FAINT = "dim" if "dim" in Attrs._fields else ""
_COLOURS = {
    "header": "reverse",
    "heading": "bold",
    "status": "",
    "warning": "ansired",
    "new": "ansicyan bold",
    "streaming": "ansigreen",
    "role.user": "ansicyan bold",
    "role.assistant": "ansigreen bold",
    "role.system": "bold",
    "role.tool": "ansimagenta bold",
    "reasoning": f"{_FAINT} italic",
    "tool": "ansimagenta",
    "code": "ansicyan",
    "fence": f"{_FAINT} italic",
    "title": "bold underline",
    "bold": "bold",
    "italic": "italic",
    "block": "",
    "block.comment": f"{_FAINT} italic",
    "block.string": "ansigreen",
    "block.number": "ansicyan",
    "block.word": "ansimagenta",
    "block.added": "ansigreen",
    "block.removed": "ansired",
    "mark": "bold",
    "comment": "ansiyellow",
    "person.0": "ansicyan bold",
    "person.1": "ansigreen bold",
    "person.2": "ansimagenta bold",
    "person.3": "ansiyellow bold",
    "person.4": "ansiblue bold",
    "lock": "bold",
    "dim": _FAINT,
    "row": "",
    "row.open": "reverse",
    "row.new": "bold",
    "line": _FAINT,
    "help": _FAINT,
    "prompt": "bold",
}
_PLAIN = {name: " ".join(w for w in style.split() if not w.startswith("ansi")) for name, style in _COLOURS.items()}


def style() -> Style:
    """The style for this terminal."""
    return Style.from_dict(_PLAIN if os.environ.get("NO_COLOR") else _COLOURS)
