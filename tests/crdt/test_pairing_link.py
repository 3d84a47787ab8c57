"""Pairing links: read back as written, and nothing else is taken for one."""

import pytest

from crdt import pairing_link
from crdt.errors import OpenSeshError
from crdt.pairing_link import PairingLink

SECRET = bytes(range(32))


@pytest.mark.parametrize(
    "relay", [None, "ws://127.0.0.1:8765", "wss://relay.example", "wss://relay.example:8443/team/relay", "ws://[::1]:9"]
)
def test_a_link_is_read_back(relay: str | None) -> None:
    link = PairingLink(relay, "42", SECRET)
    assert pairing_link.parse_link(f" {link}\n") == link
    assert pairing_link.is_link(str(link))


def test_the_secret_stands_in_the_fragment_alone() -> None:
    before, _, fragment = str(PairingLink("wss://relay.example", "7", SECRET)).partition("#")
    assert before == "opensesh://pair/wss/relay.example/7"
    assert len(fragment) * 5 >= 256


def test_the_repr_keeps_the_secret() -> None:
    assert str(PairingLink(None, "7", SECRET)).partition("#")[2] not in repr(PairingLink(None, "7", SECRET))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "7-marble-violin",
        "opensesh://pair/lan/7",
        "opensesh://pair/lan/7#",
        "opensesh://pair/lan/7#aaaa",
        "opensesh://pair/lan/0#" + "a" * 52,
        "opensesh://pair/http/h/7#" + "a" * 52,
        "opensesh://join/lan/7#" + "a" * 52,
        "opensesh://pair/lan/7#" + "A" * 52,
        "opensesh://pair/lan/7#" + "a" * 300,
        "opensesh://pair/wss/h h/7#" + "a" * 52,
        "opensesh://pair/wss/" + "h" * 2000 + "/7#" + "a" * 52,
    ],
)
def test_anything_else_is_refused_without_echoing_it(text: str) -> None:
    with pytest.raises(OpenSeshError) as caught:
        pairing_link.parse_link(text)
    assert caught.value.kind.name == "PAIRING_CODE_WRONG"
    assert "aaaa" not in str(caught.value.to_json())


def test_a_link_and_a_code_are_told_apart() -> None:
    assert not pairing_link.is_link("7-marble-violin")
