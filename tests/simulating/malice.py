"""What a member with patched software does in a simulation: everything that their keys can sign.

Its content counts or not by the same account as everybody's: whoever backdates while they still have the right
has done nothing wrong. Its records never count, and what is signed in another's name nobody may ever take.
"""

from dataclasses import dataclass, field

from crdt.ids import EpochId
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Action, Admit, Cut, Grant, NewEpoch, Restrict, Settle
from crdt.wire import frame_hash
from tests.adversary import Mallory
from tests.crdt.fuzz_updates import ANY, TYPE, block, string, update
from tests.crdt.people import Person
from tests.simulating.device import Device
from tests.simulating.ledger import Ledger
from tests.simulating.network import Network
from tests.simulating.world import World


@dataclass
class Malice:
    """One villain, on all their devices, the owner's never."""

    world: World
    ledger: Ledger
    network: Network
    people: list[Person]
    person: Person
    signers: dict[str, Mallory] = field(default_factory=dict)

    def step(self, device: Device) -> None:
        """Do one bad thing, once there is a key to do it with."""
        if not len(device.replica.keyring) or not len(device.replica.graph):
            return
        if device.name not in self.signers:
            self.signers[device.name] = Mallory(self.person, device, device.key)
        mallory = self.signers[device.name]
        does = self.world.rng.choice(
            (self._backdate, self._backdate, self._endorse, self._govern, self._in_anothers_name)
        )
        self.world.totals["malice"] += 1
        does(device, mallory)

    def _backdate(self, device: Device, mallory: Mallory) -> None:
        """Write in a fresh session, with heads and a key of any time."""
        rng, graph = self.world.rng, device.replica.graph
        kind = rng.choice((LaneKind.TIMELINE, LaneKind.SHARED))
        head = rng.choice(graph.nodes[-12:]).id
        self._write(device, mallory, kind, (head,), ())

    def _endorse(self, device: Device, mallory: Mallory) -> None:
        """Go on from what counts nowhere, as if one had not heard."""
        rng, replica = self.world.rng, device.replica
        left_out = [link.id for link in replica.chains if link.lane.kind is LaneKind.SHARED and link.update is not None]
        if left_out:
            node = rng.choice(replica.graph.nodes[-8:])
            self.world.totals["endorsements by an accomplice"] += 1
            self._write(
                device, mallory, LaneKind.SHARED, (node.id,), tuple(rng.sample(left_out, min(3, len(left_out))))
            )

    def _write(
        self, device: Device, mallory: Mallory, kind: LaneKind, heads: tuple[bytes, ...], seen: tuple[bytes, ...]
    ) -> None:
        replica = device.replica
        closure = replica.graph.closure(heads) or 0
        # Under a key that isn't open by the heads nothing counts; what else doesn't is what the ledger has to tell.
        keys = [epoch for epoch in replica.keyring if replica.membership.is_open(epoch.id, closure)]
        if not keys:
            return
        name = f"x{self.world.totals['malice']}"
        epoch = self.world.rng.choice(keys[-3:])

        def body(client: int) -> bytes:
            if kind is LaneKind.SHARED:
                return update([(client, 0, [block(ANY, b"\1\x77" + string("bad"), root="meta", key=name)])])
            return update([(client, 0, [block(TYPE, b"\1", root="messages", key=name)])])

        frame = mallory.write(kind, body, heads=heads, seen=seen, epoch=epoch.id)
        self.ledger.patched(replica, mallory.read(frame), frame, name)
        device.take((frame,))

    def _govern(self, device: Device, mallory: Mallory) -> None:
        """Sign what only an owner may say."""
        rng, replica = self.world.rng, device.replica
        other = rng.choice(self.people)
        limits = replica.membership.limits
        links = [link for link in replica.chains if link.lane.kind is LaneKind.SHARED]
        tips = tuple(link.id for link in links[-1:])
        choices: list[Action] = [
            Grant(self.person.id, Role.EDITOR, "me"),
            Restrict(other.id, Role.NONE, ()),
            NewEpoch(EpochId(mallory.chance(32)), 1, ()),
            *(Settle(limit.node.id, (Cut(LaneKind.SHARED, b"", device.id, tips),)) for limit in limits[-1:]),
            *(
                Admit(key, mallory.chance(32), self.person.id, bytes(32), "me")
                for key in replica.membership.invites.offered
            ),
        ]
        frame = mallory.record(LaneKind.CONTROL, rng.choice(choices))
        self.ledger.void.add(mallory.read(frame).id)
        device.take((frame,))

    def _in_anothers_name(self, device: Device, mallory: Mallory) -> None:
        """Signed with the own key, in a header that names somebody else's device; sent to everybody at once, so that it
        comes to some before the key that opens it."""
        victim = self.world.rng.choice([peer for peer in device.peers if peer.person is not self.person])
        kind = self.world.rng.choice((LaneKind.TIMELINE, LaneKind.SHARED, LaneKind.CONTROL))
        if kind is LaneKind.CONTROL:
            frame = mallory.record(kind, Grant(self.person.id, Role.EDITOR, "me"), device=victim.id)
        else:
            lane = Lane(kind)
            body = update([(1, 0, [block(ANY, b"\1\x77" + string("bad"), root=lane.kind.name, key="bad")])])
            frame = mallory.write(kind, body, device=victim.id)
        self.network.false.add(frame_hash(frame))
        for peer in device.peers:
            peer.take_unasked(frame)
