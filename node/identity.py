"""What makes this installation somebody: its device keys, whose device it is, and the root until confirmed.

Kept sealed in the store as one secret. The root's seed is there from the birth of the identity until the
person has confirmed the 24 words, and never on a device that was paired.
"""

import os
import platform
import socket

import msgspec

from crdt import keys
from crdt.identity import ADD, KEY, RECOVERY, DeviceKeys, Entry, Root, SignedEntry, consent_bytes, fold_log, sign_entry
from crdt.ids import IdentityId
from crdt.pairing import presentable
from node.store import Store

NAME = "identity"


class Installation(msgspec.Struct, frozen=True):
    """The secret as it is stored. `account` is the id of the identity's account thread.

    `former` are X25519 secrets of the identity this device had before it was paired: what its threads'
    earlier keys were wrapped to.
    """

    device_seed: bytes
    identity: bytes
    account: bytes
    root_seed: bytes | None = None
    former: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Installation(identity={self.identity.hex()[:16]}…)"

    @property
    def device(self) -> DeviceKeys:
        return DeviceKeys.from_seed(self.device_seed)

    @property
    def root(self) -> Root | None:
        """The root, while the words are not confirmed."""
        return Root.from_seed(self.root_seed) if self.root_seed else None

    def encode(self) -> bytes:
        """For the store."""
        return msgspec.msgpack.encode(self)


async def load(store: Store) -> Installation | None:
    """The installation's identity; None before its first thread or pairing."""
    sealed = await store.secret(NAME)
    return msgspec.msgpack.decode(sealed, type=Installation) if sealed else None


class Log:
    """A device log that is being written: each entry stands on what was there before."""

    def __init__(self, identity: IdentityId, entries: list[SignedEntry]) -> None:
        self.identity = identity
        self.entries = entries

    def add(
        self,
        kind: int,
        signer: keys.SigningKey,
        *,
        at_ms: int,
        subject: bytes = b"",
        agreement: bytes = b"",
        generation: int = 0,
        name: str = "",
        platform_name: str = "",
        consent: bytes = b"",
    ) -> SignedEntry:
        """Sign one more entry."""
        parents = fold_log(self.identity, self.entries).tips
        entry = Entry(
            1, self.identity, kind, subject, agreement, generation, name, platform_name, at_ms, parents, signer.public
        )
        signed = sign_entry(entry, signer, consent)
        self.entries.append(signed)
        return signed

    def add_device(
        self, device: DeviceKeys, signer: keys.SigningKey, name: str, platform_name: str, at_ms: int
    ) -> None:
        """Enter a device whose keys we hold."""
        consent = device.signing.sign("device-consent", consent_bytes(self.identity, device.agreement.public))
        self.add(
            ADD,
            signer,
            at_ms=at_ms,
            subject=device.id,
            agreement=device.agreement.public,
            name=name,
            platform_name=platform_name,
            consent=consent,
        )

    def add_identity_key(self, public: bytes, generation: int, signer: keys.SigningKey, at_ms: int) -> None:
        """Enter a new identity key."""
        self.add(KEY, signer, at_ms=at_ms, agreement=public, generation=generation)

    def add_recovery_key(self, root: Root, at_ms: int) -> bool:
        """Enter the recovery key, which the root alone can. False if the log has it."""
        if fold_log(self.identity, self.entries).recovery is not None:
            return False
        self.add(KEY, root.signing, at_ms=at_ms, agreement=root.recovery.public, generation=RECOVERY)
        return True


def new_seed() -> bytes:
    """32 bytes from the operating system."""
    return os.urandom(keys.KEY_BYTES)


def device_name(configured: str) -> str:
    """What other devices are shown: the configured name, else the host's."""
    return presentable(configured) or presentable(socket.gethostname().split(".")[0]) or "this device"


def platform_name() -> str:
    """`linux` or `macos`, as it is shown."""
    return {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
