"""What people and devices are called here.

A person chooses their own name, and so may use another's: what somebody is called never decides who they are.
"""

from crdt.identity import DeviceLog
from crdt.ids import DeviceId, IdentityId, to_text
from crdt.membership import Membership
from node.affairs import Affairs


def log_of(affairs: Affairs, membership: Membership, identity: IdentityId) -> DeviceLog | None:
    """Somebody's devices: our own as our account has them, which a thread may not have heard of yet."""
    return affairs.log if identity == affairs.log.identity else membership.logs.get(identity)


def person_name(affairs: Affairs, membership: Membership, identity: IdentityId) -> str:
    """What somebody is called: as we met them, as their link, admission or grant says, or after their first device."""
    met = affairs.met.get(identity)
    links = [each for each in membership.invites.offered.values() if each.identity == identity and each.action.name]
    own = max(links, key=lambda each: each.node.index).action.name if links else ""
    given = own or next((grant.name for grant in reversed(membership.grants) if grant.identity == identity), "")
    log = log_of(affairs, membership, identity)
    devices = log.live() if log else []
    return met or given or (devices[0].name if devices else to_text(identity)[:8])


def device_name(affairs: Affairs, membership: Membership, identity: IdentityId, device: DeviceId) -> str:
    """What the device's owner calls it; "" if nobody has shown it."""
    log = log_of(affairs, membership, identity)
    found = log.devices.get(device) if log is not None else None
    return found.name if found is not None else ""


def author_name(affairs: Affairs, membership: Membership, device: DeviceId) -> str:
    """Who wrote something: of other people the person, for their devices say nothing to us; of ourselves the device."""
    identity = membership.identity_of.get(device)
    if identity is None:
        return "unknown"
    if identity == affairs.log.identity:
        return device_name(affairs, membership, identity, device) or "unknown"
    return person_name(affairs, membership, identity)
