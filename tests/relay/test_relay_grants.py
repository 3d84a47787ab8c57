"""Proofs that a connection shows, each refused by name when it isn't what it claims."""

import os

import pytest

from crdt import wire
from relay import grants
from relay.grants import Refusal
from tests.relay.conversation import new_key

LOGIN, OTHER, ROOM = new_key(), new_key(), new_key()
NONCE = os.urandom(32)


def login(audience: str = "relay.example:8765", nonce: bytes = NONCE, version: int = 1) -> wire.Login:
    signature = LOGIN.sign("relay-login", wire.login_bytes(nonce, audience))
    return wire.Login(version, LOGIN.public, audience, signature)


def refused(code: str) -> "pytest.RaisesExc[Refusal]":
    return pytest.raises(Refusal, check=lambda refusal: refusal.code == code)


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        ("relay.example:8765", "relay.example:8765"),
        ("Relay.Example:8765", "relay.example:8765"),
        ("relay.example:8765", "RELAY.example:8765"),
        ("relay.example", "relay.example:443"),
        ("relay.example", "relay.example:80"),
        ("relay.example:443", "relay.example"),
        ("[::1]", "[::1]:80"),
        ("[::1]:8765", "[::1]:8765"),
    ],
)
def test_the_name_dialled_is_recognised_with_and_without_its_default_port(host: str, audience: str) -> None:
    grants.check_login(login(audience), NONCE, [host])


@pytest.mark.parametrize("host", ["relay.example", "relay.example:8766", "evil.example:8765", ""])
def test_a_proof_for_another_relay_is_refused(host: str) -> None:
    with refused("bad-login"):
        grants.check_login(login(), NONCE, [host])


def test_a_replayed_proof_is_refused_under_the_next_nonce() -> None:
    with refused("bad-login"):
        grants.check_login(login(), os.urandom(32), ["relay.example:8765"])


def test_a_login_of_another_version_is_refused() -> None:
    with refused("bad-login"):
        grants.check_login(login(version=2), NONCE, ["relay.example:8765"])


def test_a_certificate_carries_its_right_and_generation() -> None:
    grant = grants.check_certificate(wire.certify(ROOM, LOGIN.public, False, 3), LOGIN.public, 2)
    assert grant == grants.Grant(append=False, generation=3)


def test_a_certificate_of_another_login_is_refused() -> None:
    with refused("bad-certificate"):
        grants.check_certificate(wire.certify(ROOM, OTHER.public, True, 0), LOGIN.public, 0)


def test_a_certificate_of_an_old_generation_is_refused() -> None:
    with refused("bad-certificate"):
        grants.check_certificate(wire.certify(ROOM, LOGIN.public, True, 4), LOGIN.public, 5)


@pytest.mark.parametrize("field", ["room", "append", "generation", "signature"])
def test_a_certificate_with_any_field_changed_is_refused(field: str) -> None:
    genuine = wire.certify(ROOM, LOGIN.public, False, 1)
    changed = {"room": OTHER.public, "append": True, "generation": 2, "signature": bytes(64)}
    fields = {name: getattr(genuine, name) for name in ("room", "login", "append", "generation", "signature")}
    with refused("bad-certificate"):
        grants.check_certificate(wire.Certificate(**(fields | {field: changed[field]})), LOGIN.public, 0)


def test_only_the_rooms_key_opens_it_on_this_connection() -> None:
    genuine = wire.OpenRoom(1, ROOM.public, ROOM.sign("room-open", LOGIN.public + NONCE), "")
    grants.check_opening(genuine, LOGIN.public, NONCE)
    with refused("no-right"):
        grants.check_opening(genuine, OTHER.public, NONCE)
    with refused("no-right"):
        grants.check_opening(genuine, LOGIN.public, os.urandom(32))


def test_only_the_rooms_key_raises_its_generation() -> None:
    signature = ROOM.sign("room-generation", (7).to_bytes(8, "big"))
    grants.check_raise(wire.RaiseGeneration(1, ROOM.public, 7, signature))
    with refused("no-right"):
        grants.check_raise(wire.RaiseGeneration(1, ROOM.public, 8, signature))
    with refused("no-right"):
        grants.check_raise(wire.RaiseGeneration(1, OTHER.public, 7, signature))


def test_the_access_key_is_asked_for_only_where_there_is_one() -> None:
    grants.check_access_key("", None)
    grants.check_access_key("open sesame", b"open sesame")
    for wrong in ("", "open", "open sesame!", "ö"):
        with refused("access-key"):
            grants.check_access_key(wrong, b"open sesame")
