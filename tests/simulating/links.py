"""Links in a simulation: an owner's devices hand them out, strangers race for them, each admits by what it knows.

A joiner is a person without a device in the simulation: what they ask for lies with every owner's device at a
time of its own, and in the end it is asked who got in, and who holds a key that they must not hold.
"""

from dataclasses import dataclass, field

from crdt import errors, inviting
from crdt.errors import OpenSeshError
from crdt.invite_link import InviteLink
from crdt.invites import InviteKeys, open_redemption, redeem
from crdt.permissions import Role
from crdt.replica import Commit, Replica
from tests.crdt.people import Person
from tests.simulating.device import Device
from tests.simulating.world import MINUTE, Violation, World

JOINERS = ("Dan", "Eve", "Fay", "Gus")
REFUSALS = (errors.INVITE_EXPIRED, errors.INVITE_USED_UP, errors.INVITE_WITHDRAWN, errors.PERMISSION_DENIED)


@dataclass
class Links:
    """All links of one thread, and those who want in."""

    world: World
    owners: list[Device]  # the owner's devices
    links: list[InviteLink] = field(default_factory=list)
    joiners: list[Person] = field(default_factory=lambda: [Person(name) for name in JOINERS])

    def offer(self, device: Device) -> Commit:
        """Open a link, and let several people have it, who all use it at about the same time."""
        rng, replica = self.world.rng, device.replica
        assert replica.author is not None
        expires = device.clock_ms + 20 * MINUTE if rng.random() < 0.3 else 0
        role = rng.choice((Role.VIEWER, Role.COMMENTER, Role.EDITOR))
        commit, link = inviting.offer_invite(
            replica, replica.author, role, uses=rng.choice((1, 1, 2)), expires_ms=expires
        )
        self.links.append(link)
        return commit

    def withdraw(self, device: Device) -> Commit | None:
        """Close a link that this device knows."""
        known = [link for link in self.links if self._key(link) in device.replica.membership.invites.offered]
        return inviting.withdraw_invite(device.replica, self._key(self.world.rng.choice(known))) if known else None

    def admit(self, device: Device) -> Commit | None:
        """Let somebody in who asks by a link that this device knows, if by what it knows they may."""
        rng, replica = self.world.rng, device.replica
        known = [link for link in self.links if self._key(link) in replica.membership.invites.offered]
        if not known or replica.author is None:
            return None
        link, person = rng.choice(known), rng.choice(self.joiners)
        keys = InviteKeys.from_secret(link.secret)
        asking = open_redemption(
            keys, link.thread, redeem(keys, link.thread, person.author(), person.entries, person.name, bytes(32))
        )
        try:
            commit = inviting.admit(replica, replica.author, asking, device.clock_ms)
        except OpenSeshError as error:
            if error.kind not in REFUSALS:
                raise
            self.world.totals["redemptions refused"] += 1
            return None
        self.world.totals["joiners admitted"] += commit is not None
        return commit

    def check(self, replica: Replica, frames: list[bytes]) -> None:
        """No more got in than a link has uses, and who is out holds no key that anybody writes with."""
        membership = replica.membership
        for link in self.links:
            offered = membership.invites.offered.get(self._key(link))
            standing = membership.invites.standing(self._key(link), membership.everything)
            if offered is not None and len(standing) > offered.action.uses:
                raise Violation("links", f"{len(standing)} got in by a link of {offered.action.uses} uses")
        safe = {epoch.id for epoch in membership.writing_epochs()}
        for person in self.joiners if self.links else ():
            role = membership.role(person.id)
            reader = Replica(replica.thread, [person.identity_key])
            with reader.loading():
                for frame in frames:
                    reader.receive(frame, verify=False)
            if role is Role.NONE and safe & {epoch.id for epoch in reader.keyring}:
                raise Violation("keys", f"{person.name} is out and holds a key that is written with")
            self.world.totals["joiners in at the end"] += role > Role.NONE

    @staticmethod
    def _key(link: InviteLink) -> bytes:
        return InviteKeys.from_secret(link.secret).id


def identity_keys(joiners: list[Person], replica: Replica) -> list[bytes]:
    """Of those joiners who are in."""
    return [each.identity_key.public for each in joiners if replica.membership.role(each.id) > Role.NONE]
