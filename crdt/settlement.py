"""The end of a restriction's matter: what is open yet, who hasn't been heard from, and the record that closes it.

Until an owner settles it, whoever has not heard of a restriction carries along in `shared` what they build on,
be it in good faith or as an accomplice. Whoever calls decides when: as soon as nobody is left in
`unheard`, or 30 days after the restriction. To be settled even if nothing was carried: it shuts the door.
"""

from dataclasses import dataclass
from typing import Final

from crdt.ids import DeviceId, EnvelopeId, IdentityId
from crdt.membership import Limit, Membership
from crdt.permissions import LaneKind, may_write
from crdt.records import Action, Settle
from crdt.replica import Replica

SETTLE_AFTER_MS: Final = 30 * 24 * 60 * 60 * 1000  # the proposal for those who are never heard from again


@dataclass(frozen=True, slots=True)
class Matter:
    """A restriction that isn't settled: its record, whom it concerns, and the editors' devices that have yet to write
    something in knowledge of it."""

    restriction: EnvelopeId
    limits: tuple[Limit, ...]
    unheard: frozenset[DeviceId]


def open_matters(replica: Replica) -> list[Matter]:
    """The restrictions that others' work may carry something across, the first ones first."""
    membership = replica.membership
    limits: dict[EnvelopeId, list[Limit]] = {}
    for limit in sorted(membership.limits, key=lambda each: (each.node.depth, each.node.id)):
        if not may_write(limit.cap, LaneKind.SHARED) and not membership.settled(limit):
            limits.setdefault(limit.node.id, []).append(limit)
    editors = set(_editors(membership))
    return [
        Matter(restriction, tuple(each), frozenset(editors - replica.knowing(restriction)))
        for restriction, each in limits.items()
    ]


def _editors(membership: Membership) -> list[DeviceId]:
    def writes(identity: IdentityId) -> bool:
        return may_write(membership.role(identity), LaneKind.SHARED)

    return [d for d, of in membership.identity_of.items() if writes(of) and not membership.is_revoked(d)]


def settlement(replica: Replica, matter: Matter) -> Action:
    """What an owner commits to settle it: of those concerned stays in `shared` what stands here now."""
    identity_of = replica.membership.identity_of
    concerned = {
        device
        for limit in matter.limits
        for device, identity in identity_of.items()
        if limit.concerns(identity, device, LaneKind.SHARED)
    }
    return Settle(matter.restriction, replica.cuts(concerned, [LaneKind.SHARED]))
