"""Pinned bytes of what devices sign: the device log, envelopes in their frames, records, and a small thread of them."""

from typing import Any

import msgspec

from crdt import codec, frames, keys, stewardship
from crdt.envelope import Envelope, Header, seal_envelope
from crdt.epochs import Epoch
from crdt.identity import ADD, KEY, RENAME, REVOKE, DeviceKeys, Entry, Root, SignedEntry, consent_bytes, fold_log
from crdt.identity import sign_entry as sign
from crdt.ids import EnvelopeId, RoomId, ThreadId
from crdt.invite_link import InviteLink
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.lane import client_id
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import (
    Accept,
    Action,
    Admit,
    Cut,
    Devices,
    Genesis,
    Grant,
    Invite,
    NewEpoch,
    Offer,
    Record,
    Relays,
    Restrict,
    RevokeDevice,
    Settle,
    Withdraw,
    offer_bytes,
    thread_id,
)
from tests.crdt.fuzz_updates import ANY, STRING, TYPE, block, string, uint, update
from tests.crdt.fuzz_updates import state as clocks
from tests.crdt.people import Desk, Person
from tests.crdt.world import SHARED, forged, invite, pass_round, rebuilt, restrict, settle
from tests.vectors.fixed import fixed, plain, without_chance

ROOT = Root.from_seed(fixed("root"))
LAPTOP, PHONE = DeviceKeys.from_seed(fixed("laptop")), DeviceKeys.from_seed(fixed("phone"))
IDENTITY_KEY = keys.AgreementKey.from_secret(fixed("identity key"))


def log() -> list[SignedEntry]:
    """Two devices, an identity key, a rename, and the end of the second device."""
    signed: list[SignedEntry] = []

    def add(kind: int, signer: keys.SigningKey, device: DeviceKeys | None, name: str = "") -> None:
        subject = device.id if device else b""
        agreement = {ADD: device.agreement.public if device else b"", KEY: IDENTITY_KEY.public}.get(kind, b"")
        parents = (signed[-1].hash,) if signed else ()
        generation = 1 if kind == KEY else 0
        at = 1_700_000_000_000 + len(signed)
        entry = Entry(1, ROOT.identity, kind, subject, agreement, generation, name, "linux", at, parents, signer.public)
        agreed = consent_bytes(ROOT.identity, agreement)
        consent = device.signing.sign("device-consent", agreed) if kind == ADD and device else b""
        signed.append(sign(entry, signer, consent))

    add(ADD, ROOT.signing, LAPTOP, "laptop")
    add(KEY, ROOT.signing, None)
    add(ADD, LAPTOP.signing, PHONE, "phone")
    add(RENAME, PHONE.signing, LAPTOP, "old laptop")
    add(REVOKE, LAPTOP.signing, PHONE)
    return signed


def of_devices() -> dict[str, Any]:
    """Each entry's fields and bytes, and what the log comes to."""
    entries = log()
    folded = fold_log(ROOT.identity, entries)
    shown = {
        "identity": ROOT.identity,
        "entries": [
            {
                "fields": msgspec.msgpack.decode(each.entry, type=Entry),
                "entry": each.entry,
                "signature": each.signature,
                "consent": each.consent,
                "hash": each.hash,
            }
            for each in entries
        ],
        "log": {
            "devices": [
                [d.id, d.name, d.rank, d.revoked] for d in sorted(folded.devices.values(), key=lambda d: d.rank)
            ],
            "identity_keys": [[generation, key] for generation, key in sorted(folded.identity_keys.items())],
            "tips": folded.tips,
        },
    }
    found: dict[str, Any] = plain(shown)
    return found


# ---- one envelope after the other


def _envelope(kind: LaneKind, epoch: Epoch, thread: ThreadId, text: bytes, previous: bytes, outside: bytes) -> Envelope:
    header = Header(
        version=1,
        thread=thread,
        kind=kind,
        scope=b"tty1" if kind is LaneKind.OUTPUT else b"",
        device=LAPTOP.id,
        session=fixed("session", 16),
        sequence=1 if previous else 0,
        previous=previous,
        heads=(fixed("head"),),
        epoch=epoch.id,
        seen=() if previous else (fixed("earlier session"),),
        outside=keys.digest("outside", outside) if outside else b"",
        body_hash=b"",
    )
    return seal_envelope(header, epoch.body_key, text, fixed(f"nonce/{kind}", keys.NONCE_BYTES), LAPTOP.signing)


def of_envelopes() -> dict[str, Any]:
    """An epoch with all that follows from its key, and envelopes of several lanes in their frames."""
    thread = ThreadId(fixed("thread"))
    epoch, earlier = Epoch.from_key(fixed("epoch"), thread), Epoch.from_key(fixed("earlier epoch"), thread)
    with without_chance():
        nonces = [fixed("back", keys.NONCE_BYTES)]
        outside = frames.make_outside(epoch, [IDENTITY_KEY.public, ROOT.recovery.public], [earlier], nonces)
    cases = [
        (LaneKind.TIMELINE, b"first", b"", b""),
        (LaneKind.SHARED, b"text " * 500, fixed("previous"), b""),
        (LaneKind.OUTPUT, b"", b"", b""),
        (LaneKind.CONTROL, b"record", b"", outside),
    ]
    shown = []
    for kind, text, previous, beside in cases:
        made = _envelope(kind, epoch, thread, text, previous, beside)
        shown.append(
            {
                "header": made.header,
                "header_bytes": made.header_bytes,
                "id": made.id,
                "signature": made.signature,
                "plaintext": text,
                "body": made.body,
                "lane_label": made.header.lane.label(),
                "lane_tag": epoch.lane_tag(made.header.lane),
                "outside": beside,
                "frame": frames.seal_frame(made, epoch, beside),
            }
        )
    found: dict[str, Any] = plain(
        {
            "thread": thread,
            "device_seed": fixed("laptop"),
            "epoch": {name: getattr(epoch, name) for name in Epoch.__slots__},
            "earlier": {"id": earlier.id, "key": earlier.key},
            "readers": [fixed("identity key"), ROOT.recovery.secret],
            "envelopes": shown,
        }
    )
    return found


# ---- records


def actions() -> list[Action]:
    """One of each kind."""
    genesis = Genesis(ROOT.identity, "thread", fixed("room"), fixed("salt"), 1_700_000_000_000)
    cut = Cut(int(LaneKind.TIMELINE), b"", PHONE.id, (fixed("tip"),))
    offered = offer_bytes(thread_id(genesis), fixed("heir"), b"")
    return [
        genesis,
        Devices(tuple(log())),
        Grant(fixed("ben"), Role.EDITOR, "Ben"),
        Restrict(fixed("ben"), Role.COMMENTER, (cut,)),
        RevokeDevice(PHONE.id, (cut,)),
        NewEpoch(fixed("epoch id"), 3, (fixed("earlier epoch id"),)),
        Relays(("wss://relay.example", "ws://10.0.0.1:8765")),
        Offer(fixed("heir"), ROOT.signing.sign("transfer", offered), b"", 0, b""),
        Accept(fixed("offer"), (cut,)),
    ]


def of_later() -> list[Action]:
    """Those that came after the others, one of each."""
    key = InviteKeys.from_secret(fixed("invite")).id
    return [
        Invite(key, Role.COMMENTER, 1_700_000_000_000, 3, True, "for Ben"),
        Withdraw(key),
        Admit(key, fixed("redemption"), fixed("ben"), fixed("login"), "Ben"),
        Settle(fixed("restriction"), (Cut(int(LaneKind.SHARED), b"", PHONE.id, (fixed("tip"),)),)),
    ]


def of_records() -> dict[str, Any]:
    """A record of each action, one of all, and the ids of a thread and of an account."""
    every = actions()
    account = stewardship.genesis_of(ROOT.identity, stewardship.account_birth(ROOT, (), []))
    records = [Record((action,)) for action in every] + [Record(tuple(every))]
    records += [Record((action,)) for action in of_later()]
    genesis = every[0]
    assert isinstance(genesis, Genesis)
    found: dict[str, Any] = plain(
        {
            "records": [{"actions": record.actions, "bytes": codec.encode(record)} for record in records],
            "threads": [{"genesis": each, "id": thread_id(each)} for each in (genesis, account)],
        }
    )
    return found


# ---- invites


def of_invites() -> dict[str, Any]:
    """A link with what follows from its secret, and a redemption of it."""
    secret, thread = fixed("invite"), ThreadId(fixed("thread"))
    invite = InviteKeys.from_secret(secret)
    ben = Person("Ben")
    sealed = redeem(invite, thread, ben.author(), ben.entries, "Ben", fixed("login"))
    asking = open_redemption(invite, thread, sealed)
    relay, room = "wss://relay.example:443", RoomId(fixed("room"))
    links = [
        InviteLink(place, room, role, secret, thread, ROOT.identity, EnvelopeId(fixed("tip")))
        for place, role in ((relay, Role.EDITOR), (None, Role.VIEWER))
    ]
    found: dict[str, Any] = plain(
        {
            "secret": secret,
            "invite": invite.id,
            "sealing": invite.sealing,
            "thread": thread,
            "owner": ROOT.identity,
            "room": room,
            "tip": fixed("tip"),
            "links": [{"link": str(each), "relay": each.relay, "role": int(each.role)} for each in links],
            "redemption": {"sealed": sealed, "id": asking.id, "fields": asking.statement},
        }
    )
    return found


# ---- a thread


def _message(client: int, clock: int, name: str, text: str) -> bytes:
    """A message of one part, as Yjs writes it: fields in a map, parts in an array."""
    values = {
        "role": string_value("user"),
        "at": number_value(1),
        "key": number_value(1),
        "state": string_value("final"),
    }
    made = [block(TYPE, bytes([1]), root="messages", key=name)]
    made += [block(ANY, b"\1" + value, parent=(client, clock), key=field) for field, value in values.items()]
    made.append(block(TYPE, bytes([0]), parent=(client, clock), key="parts"))
    parts = clock + len(made) - 1
    made.append(block(TYPE, bytes([1]), parent=(client, parts)))
    made.append(block(ANY, b"\1" + string_value("text"), parent=(client, parts + 1), key="type"))
    made.append(block(ANY, b"\1" + string_value(text), parent=(client, parts + 1), key="text"))
    return update([(client, clock, made)])


def string_value(text: str) -> bytes:
    return bytes([119]) + string(text)


def number_value(number: int) -> bytes:
    return bytes([125]) + uint(number)


def thread() -> tuple[Desk, list[Person]]:
    """Ana lets Ben in, both write, she puts him out; he goes on writing, which counts nowhere."""
    ana_, ben_ = Person("Ana"), Person("Ben")
    ana = ana_.found()
    invite(ana, ben_)
    ben = ben_.desk(ana.replica.thread)
    pass_round(ana, ben)

    def write(desk: Desk, lane: Lane, clock: int, name: str) -> None:
        author = desk.replica.author
        assert author
        client = client_id(desk.replica.thread, lane, author.device.id, author.session)
        if lane == SHARED:
            body = update([(client, clock, [block(STRING, string(name), root="draft")])])
        else:
            body = _message(client, clock, name, f"{name}, in words")
        frame = forged(desk, lane, body)
        desk.read([frame])

    write(ana, ana.timeline, 0, "hello")
    write(ben, ben.timeline, 0, "hi")
    pass_round(ana, ben)
    write(ben, SHARED, 0, "a draft")
    pass_round(ana, ben)
    restrict(ana, ben_)
    write(ben, ben.timeline, 9, "too late")
    pass_round(ana, ben)
    return ana, [ana_, ben_]


def of_thread() -> dict[str, Any]:
    """Its frames, who can open them, and all that two peers must agree on."""
    with without_chance():
        ana, people = thread()
    replica, membership = ana.replica, ana.replica.membership
    timelines = sorted(lane for lane in replica.lanes if list(replica.accepted(lane)))
    found: dict[str, Any] = plain(
        {
            "thread": replica.thread,
            "readers": [{"name": each.name, "secret": each.identity_key.secret, "id": each.id} for each in people],
            "frames": ana.frames,
            "records": [node.id for node in replica.graph.nodes],
            "members": {identity: int(role) for identity, role in membership.members().items()},
            "accepted": [[int(lane.kind), lane.owner, list(replica.accepted(lane))] for lane in timelines],
            "clients": {lane.label(): sorted(clocks(replica.document(lane).doc)) for lane in timelines},
            "writing_epoch": replica.writing_epoch().id,
            "messages": sorted(ana.shown()),
            "draft": "a draft",
        }
    )
    return found


def of_endorsement() -> dict[str, Any]:
    """Ben is removed while Carl goes on from his words, unknowing; then Ana settles it, and Dora goes on too late."""
    with without_chance():
        ana_, ben_, carl_, dora_ = people = [Person(name) for name in ("Ana", "Ben", "Carl", "Dora")]
        ana = ana_.found()
        invite(ana, ben_, carl_, dora_)
        ben, carl, dora = (each.desk(ana.replica.thread) for each in (ben_, carl_, dora_))
        for desk in (ben, carl, dora):
            desk.read(ana.frames)

        def write(desk: Desk, clock: int, text: str) -> None:
            author = desk.replica.author
            assert author
            client = client_id(desk.replica.thread, SHARED, author.device.id, author.session)
            body = update([(client, clock, [block(STRING, string(text), root="draft")])])
            desk.read([forged(desk, SHARED, body)])

        write(ben, 0, "kept ")
        carl.read(ben.frames[-1:])
        write(carl, 0, "and kept ")
        write(ben, 5, "lost ")
        dora.read(ben.frames[-2:])
        write(dora, 0, "and lost")
        restrict(ana, ben_)
        ana.read([*ben.frames[-2:], carl.frames[-1]])
        before = rebuilt(ana.replica, ana.frames)
        open_until = len(ana.frames)
        settle(ana)
        ana.read(dora.frames[-1:])
    after = rebuilt(ana.replica, ana.frames)
    found: dict[str, Any] = plain(
        {
            "thread": ana.replica.thread,
            "readers": [{"name": each.name, "secret": each.identity_key.secret, "id": each.id} for each in people],
            "frames": ana.frames,
            "open_until": open_until,
            "accepted": [sorted(each.accepted(SHARED)) for each in (before, after)],
            "carried": [
                {link: sorted(keepers) for link, keepers in sorted(each.carried().items())} for each in (before, after)
            ],
        }
    )
    return found
