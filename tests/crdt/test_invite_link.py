"""Invitation links: written, read back, refused by name, and silent about their secret."""

import base64

import pytest

from crdt import errors, ids
from crdt.errors import OpenSeshError
from crdt.ids import EnvelopeId, IdentityId, RoomId, ThreadId
from crdt.invite_link import InviteLink, parse_invite
from crdt.permissions import Role

SECRET = bytes(range(32))
ROOM = RoomId(bytes([1]) * 32)


def link(relay: str | None = "wss://relay.example:443", role: Role = Role.EDITOR) -> InviteLink:
    thread, owner, tip = ThreadId(bytes([2]) * 32), IdentityId(bytes([3]) * 32), EnvelopeId(bytes([4]) * 32)
    return InviteLink(relay, ROOM, role, SECRET, thread, owner, tip)


@pytest.mark.parametrize("relay", [None, "ws://127.0.0.1:8765", "wss://relay.example:443/opensesh", "ws://[::1]:80"])
@pytest.mark.parametrize("role", [Role.VIEWER, Role.COMMENTER, Role.EDITOR])
def test_a_link_is_read_back(relay: str | None, role: Role) -> None:
    made = link(relay, role)
    assert parse_invite(f" {made}\n") == made
    assert len(str(made)) < 400


def test_both_spellings_of_a_role_are_read() -> None:
    assert parse_invite(str(link()).replace("?p=editor", "?p=edit")).role is Role.EDITOR
    assert parse_invite(str(link()).replace("?p=editor", "?p=view")).role is Role.VIEWER


def test_the_secret_stands_in_the_fragment_alone_and_never_in_repr() -> None:
    before, _, fragment = str(link()).partition("#")
    spelled = ids.to_text(SECRET)[:50]
    assert fragment.startswith(spelled)
    assert spelled not in before and spelled not in repr(link()) and repr(SECRET) not in repr(link())


def test_no_spelling_of_the_secret_stands_in_repr() -> None:
    shown = repr(link()).lower()
    assert SECRET.hex()[:16] not in shown and base64.b64encode(SECRET).decode().lower()[:16] not in shown


GOOD = str(link())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.com",
        GOOD[:-1],
        GOOD + "a",
        GOOD[:-20] + ("a" if GOOD[-20] != "a" else "b") + GOOD[-19:],
        GOOD.upper(),
        GOOD.replace("editor", "owner"),
        GOOD.replace("editor", "none"),
        GOOD.replace("#", "?"),
        GOOD.replace("wss/", "file/"),
        GOOD.replace("relay.example", "re lay"),
        GOOD.replace("relay.example", "user@relay"),
        GOOD.replace("relay.example", "x" * 2000),
        GOOD.replace(ids.to_text(ROOM), ids.to_text(bytes(32))),
        GOOD.replace("join", "pair"),
    ],
)
def test_hostile_links_are_refused_by_name_and_not_repeated(text: str) -> None:
    with pytest.raises(OpenSeshError) as raised:
        parse_invite(text)
    assert raised.value.kind is errors.INVITE_LINK_WRONG
    assert ids.to_text(SECRET)[:20] not in str(raised.value.to_json())
    assert raised.value.__cause__ is None
