"""A page of the people's panel as data (pure): which one, about whom, and what the node answered for it."""

from typing import NamedTuple


class Choice(NamedTuple):
    """Something that can be done on a page. `do` names it; `who` and `value` are what it is done with."""

    do: str
    label: str
    about: str = ""
    who: str = ""
    value: str = ""


class Page(NamedTuple):
    """`kind` is one of `pages.BACK`; what the node told is kept as lines of (style, text)."""

    kind: str = "people"
    who: str = ""  # an identity, a request or a link's id
    name: str = ""
    role: str = ""
    told: tuple[tuple[str, str], ...] = ()
    link: str = ""
    choices: tuple[Choice, ...] = ()  # where they come from the node
    is_risky: bool = False  # something that looks like a secret would be shared


NOWHERE = Page()
