"""The long form of a pairing code: `opensesh://pair/<venue>/<nameplate>#<secret>`, for a QR code or a click.

The venue is `lan`, or a relay's address with its scheme as the first segment (`wss/relay.example:443`).
The secret, 256 bits, stands in the fragment, which no browser and no link preview sends anywhere. It
goes through the same exchange as a spoken code (`pairing.py`), with the secret as its password.
"""

import re
from dataclasses import dataclass
from typing import Final

from crdt import ids
from crdt.errors import PAIRING_CODE_WRONG, OpenSeshError, PeerFault

SECRET_BYTES: Final = 32
_MINIMUM_SECRET_BYTES: Final = 16
_MAX_CHARACTERS: Final = 1024
_FORM = re.compile(r"opensesh://pair/(lan|wss?/[\x21-\x22\x24-\x7e]+)/([1-9][0-9]{0,8})#([a-z2-7]+)")


@dataclass(frozen=True, slots=True)
class PairingLink:
    """`relay` is the relay's URL (`ws://…` or `wss://…`), or None to meet on the local network only."""

    relay: str | None
    nameplate: str
    secret: bytes

    def __str__(self) -> str:
        venue = "lan" if self.relay is None else self.relay.rstrip("/").replace("://", "/", 1)
        return f"opensesh://pair/{venue}/{self.nameplate}#{ids.to_text(self.secret)}"

    def __repr__(self) -> str:
        return f"PairingLink({self.relay or 'lan'}, {self.nameplate})"

    @property
    def password(self) -> bytes:
        """What both sides put into the key exchange. Never equal to a spoken code's password."""
        return b"link:" + self.secret


def is_link(text: str) -> bool:
    """Whether this is meant as a link rather than as a spoken code."""
    return text.strip().lower().startswith("opensesh:")


def parse_link(text: str) -> PairingLink:
    """Read a link. Raises PAIRING_CODE_WRONG for anything but one well-formed pairing link."""
    text = text.strip()
    found = _FORM.fullmatch(text) if len(text) <= _MAX_CHARACTERS else None
    if found is None:
        raise _malformed()
    venue, nameplate, spelled = found.groups()
    try:
        secret = ids.from_text(spelled)
    except PeerFault:
        raise _malformed() from None
    if not _MINIMUM_SECRET_BYTES <= len(secret) <= SECRET_BYTES:
        raise _malformed()
    return PairingLink(None if venue == "lan" else venue.replace("/", "://", 1), nameplate, secret)


def _malformed() -> OpenSeshError:
    return PAIRING_CODE_WRONG(
        "That isn't a complete pairing link. A link looks like opensesh://pair/…#….",
        next="Copy the whole link, in quotes, as the first device shows it.",
    )
