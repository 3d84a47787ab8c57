"""What conversations among people need besides `people`: sharing a thread, and comparing replicas."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
import pycrdt

from crdt import frames as wire
from crdt import stewardship
from crdt.content import messages
from crdt.envelope import Envelope, Header, seal_envelope
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Action, Grant
from crdt.replica import Commit, Replica
from crdt.settlement import open_matters, settlement
from tests.crdt.fuzz_updates import state as clocks
from tests.crdt.people import Desk, Person

SHARED = Lane(LaneKind.SHARED)


def invite(owner: Desk, *people: Person, role: Role = Role.EDITOR) -> bytes:
    """Grant people a role, show their devices, and hand out a content key that they can open."""
    replica = owner.replica
    assert replica.author
    grants: list[Action] = [Grant(person.id, role, person.name) for person in people]
    shown = [action for person in people for action in stewardship.introduction(person.entries)]
    readers = stewardship.readers(replica.membership) + [person.identity_key.public for person in people]
    return owner.kept(stewardship.rotate(replica, replica.author, readers, [*grants, *shown]))


def gather(owner: Person, *others: Person, role: Role = Role.EDITOR) -> list[Desk]:
    """A thread of the owner's, the others in it with that role: everybody's desks, and all have read everything."""
    founder = owner.found()
    invite(founder, *others, role=role)
    desks = [founder, *(person.desk(founder.replica.thread) for person in others)]
    pass_round(*desks)
    return desks


def at_two_devices(*others: Person) -> tuple[Person, list[Desk]]:
    """An owner, and the desks in a thread of theirs: their laptop's, their phone's, and those of editors."""
    owner = Person("Owner")
    owner.add("phone")
    laptop = owner.found()
    if others:
        invite(laptop, *others)
    thread = laptop.replica.thread
    desks = [laptop, owner.desk(thread, "phone"), *(person.desk(thread) for person in others)]
    pass_round(*desks)
    return owner, desks


def restrict(owner: Desk, person: Person, role: Role = Role.NONE) -> bytes:
    """Lower somebody's role to what stands now, and hand out a fresh key to those who remain."""
    replica = owner.replica
    assert replica.author
    without = [person.id] if role is Role.NONE else []
    readers = stewardship.readers(replica.membership, without)
    return owner.kept(
        stewardship.rotate(replica, replica.author, readers, stewardship.restriction(replica, person.id, role))
    )


def settle(owner: Desk) -> bytes:
    """Settle whatever restriction isn't settled yet: what stands now stays, and nothing more is carried along."""
    actions = [settlement(owner.replica, matter) for matter in open_matters(owner.replica)]
    return owner.kept(owner.replica.commit_record(LaneKind.CONTROL, actions))


def pass_round(*desks: Desk) -> None:
    """Everybody reads everything that anybody has."""
    everything = list(dict.fromkeys(frame for desk in desks for frame in desk.frames))
    for desk in desks:
        have = set(desk.frames)
        desk.read([frame for frame in everything if frame not in have])


def type_text(desk: Desk, change: Callable[[pycrdt.Text], Any]) -> bytes:
    """Edit the draft that everybody types into."""
    return desk.kept(desk.replica.commit(SHARED, lambda doc: change(doc.get("draft", type=pycrdt.Text))))


def draft(replica: Replica) -> str:
    assert not replica.stale, "what it shows is not what counts"
    return str(replica.document(SHARED).doc.get("draft", type=pycrdt.Text))


def settled(desk: Desk, frames: Sequence[bytes] | None = None) -> Replica:
    """A replica of the desk's author-less reader that has all the frames, rebuilt if something was taken back."""
    replica = Replica(desk.replica.thread, desk.replica.own_keys)
    given = list(desk.frames if frames is None else frames)
    for frame in given:
        replica.receive(frame)
    return rebuilt(replica, given) if replica.stale else replica


def rebuilt(replica: Replica, frames: Iterable[bytes]) -> Replica:
    """A new replica from all the frames, as a node makes when one is stale."""
    again = Replica(replica.thread, replica.own_keys)
    with again.loading():
        for frame in frames:
            again.receive(frame)
    assert not again.stale
    return again


def state(replica: Replica) -> dict[str, Any]:
    """Everything of a replica on which all peers have to agree."""
    membership = replica.membership
    lanes = {lane: document for lane, document in replica.lanes.items() if any(replica.accepted(lane))}
    return {
        "accepted": {lane: frozenset(replica.accepted(lane)) for lane in lanes},
        "documents": {lane: _contents(document.doc, lane) for lane, document in lanes.items()},
        "members": membership.members(),
        "owners": [each.identity for each in membership.owners],
        "limits": sorted((limit.node.id, limit.identity, limit.cap) for limit in membership.limits),
        "settled": sorted((each.node.id, each.restriction) for each in membership.settlements),
        "carried": replica.carried(),
        "epochs": [each.id for each in membership.writing_epochs()],
        "records": frozenset(node.id for node in replica.graph.nodes),
    }


def _contents(doc: "pycrdt.Doc[Any]", lane: Lane) -> Any:
    if lane.kind is LaneKind.SHARED:
        return doc.get("meta", type=pycrdt.Map).to_py(), str(doc.get("draft", type=pycrdt.Text))
    return messages(doc).to_py(), clocks(doc)


def shuffled(frames: Sequence[bytes], seed: int, repeat: float = 0.2) -> list[bytes]:
    """The frames in another order, some of them twice."""
    source = random.Random(seed)
    order = [*frames, *(frame for frame in frames if source.random() < repeat)]
    source.shuffle(order)
    return order


def assert_order_plays_no_part(desk: Desk, seeds: Iterable[int] = range(12)) -> dict[str, Any]:
    """Any order, duplication, and subset-then-rest of the desk's frames gives one state, which is returned."""
    expected = state(rebuilt(desk.replica, desk.frames))
    for seed in seeds:
        order = shuffled(desk.frames, seed)
        replica = Replica(desk.replica.thread, desk.replica.own_keys)
        for frame in order:
            replica.receive(frame)
        if replica.stale:
            replica = rebuilt(replica, order)
        assert state(replica) == expected, f"seed {seed}"
    return expected


def forged(desk: Desk, lane: Lane, update: bytes, **changes: Any) -> bytes:
    """A frame that the desk's patched software signs: the next header with these fields changed, without any check."""
    replica = desk.replica
    assert replica.author
    header = replica.next_header(lane)
    return frame_of(desk, msgspec.structs.replace(header, **changes), update)


def frame_of(desk: Desk, header: Header, plaintext: bytes, outside: bytes = b"") -> bytes:
    """Seal and sign any header at all with the desk's device key."""
    replica = desk.replica
    assert replica.author
    epoch = replica.keyring.get(header.epoch)
    assert epoch is not None
    envelope = seal_envelope(
        header, epoch.body_key, plaintext, replica.author.random(24), replica.author.device.signing
    )
    return wire.seal_frame(envelope, epoch, outside)


def envelope_of(desk: Desk, frame: bytes) -> Envelope:
    """Open a frame with the desk's keys."""
    outer = wire.parse_frame(frame)
    (epoch,) = desk.replica.keyring.tagged(outer.epoch_tag)
    return wire.open_frame(outer, epoch, desk.replica.thread)


def of(commit: Commit) -> Envelope:
    assert commit.receipt.envelope is not None
    return commit.receipt.envelope
