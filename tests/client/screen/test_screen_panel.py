"""The people's panel at every size: what is picked is seen, every line fits, and what is left out is said."""

from dataclasses import replace

import pytest

from client.screen.choosing import items
from client.screen.page import NOWHERE, Page
from client.screen.pages import BACK, heading
from client.screen.panel import panel
from client.screen.people import Company, gathered, told
from client.screen.state import State
from client.screen.text import width
from tests.client.screen.team import LINK, member, present
from tests.client.screen.told import conversation, event, message

CONTROL = {"driver": {"identity": "id-Me", "name": "Me", "me": True}, "requests": []}
SIZES = [(20, 6), (58, 11), (80, 20), (160, 50)]


def crowd(count: int = 30) -> Company:
    """Ourselves, the owner, and that many others, every third of them here."""
    others = [
        member(f"Person {number} 日本", warning="Not who you met." if number == 7 else None) for number in range(count)
    ]
    rows = [
        present(f"Person {number} 日本", looking_at={"kind": "message", "id": "m1"}) for number in range(0, count, 3)
    ]
    return gathered(State().known, "t1", [member("Me", "owner"), *others], rows, CONTROL)


def opened(known: Company, page: Page = NOWHERE, picked: int = 0) -> State:
    return replace(conversation(message("m1", "hello " * 30)), mode="people", known=known, page=page, picked=picked)


def text(state: State, columns: int, height: int) -> list[str]:
    return ["".join(piece for _, piece in line) for line in panel(state, columns, height, 1000.0)]


@pytest.mark.parametrize(("columns", "height"), SIZES)
def test_every_line_fits_and_what_is_picked_is_among_them(columns: int, height: int) -> None:
    known = crowd()
    for picked in range(len(items(opened(known)))):
        lines = text(opened(known, picked=picked), columns, height)
        assert len(lines) <= height and all(width(line) <= columns for line in lines)
        assert sum(line.startswith("▸") for line in lines) == 1


@pytest.mark.parametrize("kind", sorted(BACK))
@pytest.mark.parametrize(("columns", "height"), SIZES)
def test_every_page_fits_and_offers_something(kind: str, columns: int, height: int) -> None:
    page = Page(kind, "id-Person 1 日本", "Person 1 日本", "viewer", (("", "what one reads " * 20),) * 9, LINK)
    state = opened(crowd(2), page)
    lines = text(state, columns, height)
    assert len(lines) <= height and all(width(line) <= columns for line in lines)
    assert sum(line.startswith("▸") for line in lines) == 1 and heading(state)
    assert height > 40 or any("…" in line for line in lines), "that not all of it is seen is said"


def test_the_pages_of_somebody_who_is_gone_meanwhile_say_so() -> None:
    state = opened(crowd(2), Page("person", "id-Eve", "Eve"))
    assert text(state, 80, 20)[0] == "Eve · no longer in this thread" and [each.id for each in items(state)] == ["back"]


def test_when_somebody_was_here_last_grows_old() -> None:
    gone = event("presence.changed", people=[], gone=["Person 0 日本-device"])
    state = opened(told(crowd(1), gone, 1000.0))
    assert any("left just now" in line for line in text(state, 80, 20))
    lines = ["".join(piece for _, piece in line) for line in panel(state, 80, 20, 1000.0 + 185)]
    assert any("last seen 3 min ago" in line for line in lines)
