"""An invitation as a link: `opensesh://join/<relay or host>/<room>?p=<role>#<secret>`.

The place is `lan`, or a relay's address with its scheme as the first segment (`wss/relay.example:443`).
The fragment, which no browser and no link preview sends anywhere, is base32 of 132 bytes: the secret,
the thread's id, the owner's root, the id of the record that made the invite (its past is everything the
owner knew then, so it pins all control tips at once), and a checksum that catches a slip in copying.
"""

import re
from dataclasses import dataclass
from typing import Final

from crdt import ids, keys
from crdt.errors import INVITE_LINK_WRONG, OpenSeshError, PeerFault
from crdt.ids import EnvelopeId, IdentityId, RoomId, ThreadId
from crdt.permissions import Role

SECRET_BYTES: Final = 32
MAX_LINK_CHARACTERS: Final = 1024
_CHECK_BYTES: Final = 4
_ROLES: Final = {"view": Role.VIEWER, "comment": Role.COMMENTER, "edit": Role.EDITOR} | {
    role.name.lower(): role for role in (Role.VIEWER, Role.COMMENTER, Role.EDITOR)
}
_FORM = re.compile(
    r"opensesh://join/(lan|wss?/[A-Za-z0-9\[][A-Za-z0-9.:\[\]_~/-]{0,255})/([a-z2-7]{52})\?p=([a-z]{4,9})#([a-z2-7]{212})"
)


@dataclass(frozen=True, slots=True)
class InviteLink:
    """`relay` is a URL (`ws://…` or `wss://…`), or None for the local network. `repr` has no secret."""

    relay: str | None
    room: RoomId
    role: Role
    secret: bytes
    thread: ThreadId
    owner: IdentityId
    tip: EnvelopeId

    def __str__(self) -> str:
        place = "lan" if self.relay is None else self.relay.rstrip("/").replace("://", "/", 1)
        pinned = b"".join((self.secret, self.thread, self.owner, self.tip))
        check = _checksum(self.room, pinned)
        room, fragment = ids.to_text(self.room), ids.to_text(pinned + check)
        return f"opensesh://join/{place}/{room}?p={self.role.name.lower()}#{fragment}"

    def __repr__(self) -> str:
        return f"InviteLink({self.relay or 'lan'}, {ids.to_text(self.room)[:8]}…, {self.role.name.lower()})"


def parse_invite(text: str) -> InviteLink:
    """Read a link. Raises INVITE_LINK_WRONG, which repeats nothing of it, for anything but one well-formed link."""
    text = text.strip()
    found = _FORM.fullmatch(text) if len(text) <= MAX_LINK_CHARACTERS else None
    if found is None or found[3] not in _ROLES:
        raise INVITE_LINK_WRONG(next="A link looks like opensesh://join/…#…; copy the whole of it, in quotes.")
    place, spelled_room, role, fragment = found.groups()
    room, whole = _bytes(spelled_room), _bytes(fragment)
    pinned, check = whole[:-_CHECK_BYTES], whole[-_CHECK_BYTES:]
    if check != _checksum(room, pinned):
        raise _damaged()
    secret, thread, owner, tip = (pinned[at : at + SECRET_BYTES] for at in range(0, len(pinned), SECRET_BYTES))
    relay = None if place == "lan" else place.replace("/", "://", 1)
    return InviteLink(relay, RoomId(room), _ROLES[role], secret, ThreadId(thread), IdentityId(owner), EnvelopeId(tip))


def _checksum(room: bytes, pinned: bytes) -> bytes:
    return keys.digest("invite-link", room, pinned, size=_CHECK_BYTES)


def _bytes(text: str) -> bytes:
    try:
        return ids.from_text(text)
    except PeerFault:
        raise _damaged() from None


def _damaged() -> OpenSeshError:
    return INVITE_LINK_WRONG("That invitation link was damaged on its way.")
