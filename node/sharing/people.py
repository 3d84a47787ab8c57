"""The people of a thread as a person names and lists them: by name, by device, by id; and the words of an identity."""

from collections.abc import Callable
from typing import Any

from crdt import errors
from crdt.ids import DeviceId, IdentityId, ThreadId, to_text
from crdt.membership import Membership
from crdt.permissions import Role
from crdt.replica import Replica
from crdt.words import fingerprint
from node.account import Account
from node.names import person_name

MIN_PREFIX = 4  # characters of an id that may stand for it


class People:
    """Who is in a thread, in the API's shape and by name."""

    def __init__(self, account: Account, is_present: Callable[[ThreadId, DeviceId], bool]) -> None:
        self._account = account
        self._is_present = is_present

    def rows(self, replica: Replica) -> list[dict[str, Any]]:
        """Everybody with a role, the owner first."""
        return [self._row(replica, identity, role) for identity, role in replica.membership.members().items()]

    def _row(self, replica: Replica, identity: IdentityId, role: Role) -> dict[str, Any]:
        membership = replica.membership
        log = membership.logs.get(identity)
        live = log.live() if log else []
        me = identity == self._account.identity
        return {
            "identity": to_text(identity),
            "name": self.name(membership, identity),
            "permission": role.name.lower(),
            "devices": [{"id": to_text(device.id), "name": device.name} for device in live],
            "verified": me or identity in self._account.affairs.verified,
            "present": me or any(self._is_present(replica.thread, device.id) for device in live),
            "me": me,
            "warning": None if me else self._warning(identity, self.name(membership, identity)),
        }

    def _warning(self, identity: IdentityId, name: str) -> str | None:
        """What is wrong if somebody whom we know by that name was another identity until now: a changed root."""
        affairs = self._account.affairs
        known_so = {each for each, known in affairs.met.items() if known.casefold() == name.casefold()}
        others = known_so - {identity, self._account.identity}
        if not others or identity in affairs.verified:
            return None
        known = "verified" if any(each in affairs.verified for each in others) else "met"
        return f"This is not the {name} you {known} before: the identity is another one. Compare the words."

    def name(self, membership: Membership, identity: IdentityId) -> str:
        """What somebody is called: as we met them, as their admission or grant says, or after their first device."""
        return person_name(self._account.affairs, membership, identity)

    def find(self, replica: Replica, who: str) -> IdentityId:
        """A member by name, device name, id, or unique prefix of the id. Raises MEMBER_NOT_FOUND."""
        rows = self.rows(replica)
        by_id = [row for row in rows if row["identity"] == who]
        by_prefix = [row for row in rows if len(who) >= MIN_PREFIX and row["identity"].startswith(who.lower())]
        by_name = [row for row in rows if row["name"].casefold() == who.casefold()]
        by_device = [row for row in rows if any(device["name"] == who for device in row["devices"])]
        # Everybody chooses their own name: it may look like the beginning of somebody else's id.
        called = by_name + [row for row in by_prefix if row not in by_name]
        for found in (by_id, called, by_device):
            if len(found) == 1:
                return next(each for each in replica.membership.members() if to_text(each) == found[0]["identity"])
            if found:
                more = "More than one person in this thread has that name; give the id."
                raise errors.MEMBER_NOT_FOUND(more, matches=[row["identity"] for row in found])
        there = [{"name": row["name"], "identity": row["identity"][:8]} for row in rows]
        raise errors.MEMBER_NOT_FOUND(who=who[:200], members=there)

    async def verify(self, replica: Replica, who: str, matches: bool | None) -> dict[str, Any]:
        """A member's words beside our own; with `matches`, remember what came of comparing them."""
        identity = self.find(replica, who)
        name = self.name(replica.membership, identity)
        if matches is not None and identity != self._account.identity:
            text = to_text(identity)
            await self._account.put("people", {f"{text}/verified": "1" if matches else None, f"{text}/name": name})
        return {
            "identity": to_text(identity),
            "name": name,
            "words": self.words(identity),
            "own_words": self.words(self._account.identity),
            "verified": identity == self._account.identity or identity in self._account.affairs.verified,
        }

    def words(self, identity: IdentityId) -> str:
        """An identity's six words, to compare aloud."""
        return " ".join(fingerprint(identity))
