"""Pinned bytes of what travels between machines: node and relay, device and device, and two that pair."""

from typing import Any

import msgspec
import spake2
from spake2.ed25519_group import Ed25519Group
from spake2.parameters.ed25519 import ParamsEd25519

from crdt import codec, keys, link, output, pairing, pairing_link, reconcile, wire
from crdt.ids import DeviceId
from crdt.pairing_messages import ConfirmNeeded, Event, Joined, Received, Send
from tests.vectors.fixed import entropy, fixed, plain, without_chance

ROOM, LOGIN = keys.SigningKey.from_seed(fixed("room key")), keys.SigningKey.from_seed(fixed("login key"))
NONCE, FRAME = fixed("relay nonce"), fixed("frame", 200)


def to_relay() -> list[wire.ToRelay]:
    """Every message of a node, with real signatures."""
    certificate = wire.certify(ROOM, LOGIN.public, True, 3)
    said = wire.login_bytes(NONCE, "relay.example:443")
    return [
        wire.Login(1, LOGIN.public, "relay.example:443", LOGIN.sign("relay-login", said)),
        wire.OpenRoom(1, ROOM.public, ROOM.sign("room-open", LOGIN.public + NONCE), ""),
        wire.Attach(2, certificate, 7, wire.frame_hash(FRAME)),
        wire.Detach(3, ROOM.public),
        wire.Publish(4, ROOM.public, (FRAME,)),
        wire.Whisper(ROOM.public, b"presence"),
        wire.RaiseGeneration(5, ROOM.public, 4, ROOM.sign("room-generation", (4).to_bytes(8, "big"))),
        wire.Drop(6, ROOM.public, b"mail"),
        wire.TakeMail(7, ROOM.public, 2),
        wire.Deposit(9, ROOM.public, LOGIN.public, certificate, b"letter"),
        wire.Deposit(10, ROOM.public, LOGIN.public, None, b""),
        wire.Claim(11, ROOM.public),
        wire.Meet(8, "7"),
        wire.Tell(b"told"),
    ]


def from_relay() -> list[wire.FromRelay]:
    """Every message of a relay."""
    return [
        wire.Challenge(1, NONCE, fixed("store", 16)),
        wire.Welcome(wire.MAX_FRAME_BYTES, 200),
        wire.Done(3),
        wire.Attached(2, 9, False),
        wire.Stored(4, 10),
        wire.Deliver(ROOM.public, 7, 8, fixed("check", 16), (FRAME,)),
        wire.Heard(ROOM.public, b"presence"),
        wire.Mail(7, 2, (b"mail",)),
        wire.Claimed(11, wire.certify(ROOM, LOGIN.public, True, 3), b"letter"),
        wire.Claimed(12, None, b""),
        wire.Called(ROOM.public),
        wire.Rung(ROOM.public),
        wire.Met(8, "7", True),
        wire.Told(b"told"),
        wire.Parted("left"),
        wire.Refused(2, "bad-certificate", "", 0),
    ]


def of_relay() -> dict[str, Any]:
    """Each message's fields and bytes, and what the signatures in them cover."""
    found: dict[str, Any] = plain(
        {
            "room_seed": fixed("room key"),
            "login_seed": fixed("login key"),
            "signed": {
                "relay-login": wire.login_bytes(NONCE, "relay.example:443"),
                "room-open": LOGIN.public + NONCE,
                "room-grant": wire.certificate_bytes(ROOM.public, LOGIN.public, True, 3),
                "room-generation": (4).to_bytes(8, "big"),
            },
            "frame_hash": {"frame": FRAME, "hash": wire.frame_hash(FRAME)},
            "to_relay": [{"fields": each, "bytes": wire.encode(each)} for each in to_relay()],
            "from_relay": [{"fields": each, "bytes": wire.encode(each)} for each in from_relay()],
        }
    )
    return found


# ---- device and device


def _handshake() -> tuple[list[bytes], bytes]:
    """The frames of a link between two devices that know each other, and its session."""
    of = {name: (keys.SigningKey.from_seed(fixed(f"{name} device")), _agreement(name)) for name in ("a", "b")}
    known = {
        mine: link.Contacts(of[mine][1], {DeviceId(of[other][0].public): of[other][1].public})
        for mine, other in (("a", "b"), ("b", "a"))
    }
    initiator = link.Initiator(of["a"][0], known["a"], fixed("certificate"), entropy("initiator"))
    responder = link.Responder(of["b"][0], known["b"], fixed("certificate"), entropy("responder"))
    sent: list[bytes] = []
    session = b""
    waiting: list[tuple[link.Link, link.Event]] = [(responder, event) for event in initiator.start()]
    while waiting:
        to, event = waiting.pop(0)
        if isinstance(event, link.Established):
            session = event.session
            continue
        sent.append(event.frame)
        back: link.Link = initiator if to is responder else responder
        waiting += [(back, answer) for answer in to.receive(event.frame)]
    return sent, session


def _agreement(name: str) -> keys.AgreementKey:
    return keys.AgreementKey.from_secret(fixed(f"{name} agreement"))


def of_neighbours() -> dict[str, Any]:
    """The handshake, and the messages that find out who lacks what."""
    hashes = [wire.frame_hash(fixed(f"frame {number}", 200)) for number in range(40)]
    inventory = reconcile.Inventory(hashes)
    thread, digests = fixed("thread"), b"".join(inventory.digests())
    full = inventory.differing(b"".join(reconcile.Inventory().digests()))
    messages: list[reconcile.PeerMessage] = [
        reconcile.Overview(((thread, inventory.digest),)),
        reconcile.Buckets(thread, digests),
        *inventory.listings(thread, full),
        reconcile.Frames(thread, (FRAME,)),
        reconcile.Holds(thread, inventory.digest),
        reconcile.Whisper(thread, fixed("a presence message", 100)),
    ]
    sent, session = _handshake()
    found: dict[str, Any] = plain(
        {
            "seeds": {name: [fixed(f"{name} device"), fixed(f"{name} agreement")] for name in ("a", "b")},
            "certificate_hash": fixed("certificate"),
            "handshake": sent,
            "session": session,
            "hashes": hashes,
            "digest": inventory.digest,
            "messages": [{"fields": each, "bytes": reconcile.encode(each)} for each in messages],
        }
    )
    return found


# ---- pairing

PASSWORD, BUNDLE, HANDED = b"code:marble-violin", b"identity and relays", b"offers"


def sides() -> tuple[pairing.Shower, pairing.Joiner]:
    """Both machines of one pairing."""
    venue = pairing.relay_venue(fixed("store", 16))
    shower = pairing.Offer(PASSWORD, "7", entropy("shower")).shower(venue)
    joiner = pairing.Joiner(
        PASSWORD,
        "7",
        venue,
        entropy("joiner"),
        device=keys.SigningKey.from_seed(fixed("new device")),
        agreement=keys.AgreementKey.from_secret(fixed("new agreement")),
        name="desktop",
        platform="linux",
        owns_threads=True,
        payload=b"transfers",
    )
    return shower, joiner


def _conversation() -> list[dict[str, Any]]:
    """Who sends which frame."""
    shower, joiner = sides()
    sent = []
    waiting: list[tuple[str, Event]] = [("joiner", event) for event in joiner.start()]
    while waiting:
        side, event = waiting.pop(0)
        more: list[tuple[str, Event]] = []
        if isinstance(event, Send):
            sent.append({"from": side, "frame": event.frame})
            other = "shower" if side == "joiner" else "joiner"
            more = [(other, answer) for answer in (shower if side == "joiner" else joiner).receive(event.frame)]
        elif isinstance(event, ConfirmNeeded):
            more = [(side, answer) for answer in shower.confirm(BUNDLE)]
        elif isinstance(event, Received):
            more = [(side, answer) for answer in joiner.accept(HANDED)]
        elif isinstance(event, Joined):
            more = [(side, answer) for answer in shower.finish()]
        waiting += more
    return sent


def _exchange(shares: tuple[bytes, bytes], venue: str) -> dict[str, Any]:
    """What SPAKE2 computes on the way, and everything that is derived from its secret."""
    place = (b"7", venue.encode())
    of = {side: keys.digest("pairing-side", side.encode(), *place) for side in ("A", "B")}
    joiner = spake2.SPAKE2_A(PASSWORD, idA=of["A"], idB=of["B"], entropy_f=entropy("joiner"))
    assert joiner.start() == shares[0]
    shared = joiner.finish(shares[1])
    transcript = keys.digest("pairing-transcript", b"\0\1", *place, *shares)
    secret = keys.derive(shared, "pairing-secret", transcript)
    return {
        "sides": of,
        "M": ParamsEd25519.M.to_bytes(),
        "N": ParamsEd25519.N.to_bytes(),
        "password_scalar": Ed25519Group.scalar_to_bytes(joiner.pw_scalar),
        "joiner_scalar": Ed25519Group.scalar_to_bytes(joiner.xy_scalar),
        "shared": shared,
        "transcript": transcript,
        "secret": secret,
        "proofs": {side: keys.derive(secret, "pairing-proof", side.encode()) for side in ("joiner", "shower")},
        "seals": {side: keys.derive(secret, "pairing-seal", side.encode()) for side in ("joiner", "shower")},
    }


def of_pairing() -> dict[str, Any]:
    """Everything that goes in, each frame, and what both sides derive."""
    with without_chance():
        sent = _conversation()
    venue = pairing.relay_venue(fixed("store", 16))
    links = [
        pairing_link.PairingLink(None, "7", fixed("link")),
        pairing_link.PairingLink("wss://relay.example:443", "12", fixed("link")),
    ]
    hello, answer = (msgspec.msgpack.decode(sent[index]["frame"]) for index in (0, 1))
    found: dict[str, Any] = plain(
        {
            "password": PASSWORD,
            "nameplate": "7",
            "venue": venue,
            "lan_venue": {"certificate_hash": fixed("certificate"), "venue": pairing.lan_venue(fixed("certificate"))},
            "new_device": {"seed": fixed("new device"), "agreement": fixed("new agreement")},
            "bundle": BUNDLE,
            "accepted": HANDED,
            "frames": sent,
            "exchange": _exchange((hello[2], answer[1]), venue),
            "links": [{"link": str(each), "password": each.password} for each in links],
        }
    )
    return found


def of_terminals() -> dict[str, Any]:
    """Every chunk of a terminal, and bodies that are none."""
    chunks: list[output.Chunk] = [
        output.Opened(("sh", "-c", "ls"), 80, 24, "a title", 1_700_000_000_000),
        output.Data(b"\x1b[1mbold\r\n"),
        output.Resized(output.MAX_COLUMNS, output.MAX_ROWS),
        output.Ended(0, ""),
        output.Ended(None, "the node stopped"),
    ]
    said = [{"fields": plain(each), "bytes": output.encode_chunk(each).hex()} for each in chunks]
    refused = [
        codec.encode(("data", b"")),
        codec.encode(("resize", 0, 24)),
        codec.encode(("exit", 256, "")),
        b"",
        b"\xc0",
    ]
    return {"chunks": said, "refused": [each.hex() for each in refused]}
