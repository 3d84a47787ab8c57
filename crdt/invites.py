"""An invite's secret and what follows from it; and the redemption, by which a joiner asks to be let in.

The redemption is signed by the invite's key, which shows that the joiner holds the link, and by the
joiner's device over who they are, so that nobody can take another's redemption for themselves. It is
sealed under a key of the link: who has the secret (the owner's devices do) reads it, a relay does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.author import Author, Randomness
from crdt.errors import TOO_LARGE, PeerFault
from crdt.identity import DeviceLog, SignedEntry, fold_log
from crdt.ids import DeviceId, IdentityId
from crdt.records import Bytes32, Bytes64
from crdt.wire import MAX_MAIL_BYTES, FrameBytes

MAX_REDEMPTION_BYTES: Final = MAX_MAIL_BYTES  # sealed: it lies in a mailbox
MAX_RECORDS: Final = 64  # frames in an answer
MAX_RECORDS_BYTES: Final = 31 * 1024  # so that a letter holds them


class Statement(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Who asks to be let into which thread by which invite. `key` is the joiner's identity key (X25519), `login` their
    login at the thread's relay, which the owner lets into the room."""

    version: Annotated[int, Meta(ge=1, le=1)]
    thread: Bytes32
    invite: Bytes32
    identity: Bytes32
    device: Bytes32
    key: Bytes32
    login: Bytes32
    entries: Annotated[tuple[SignedEntry, ...], Meta(min_length=1, max_length=64)]
    name: Annotated[str, Meta(max_length=64)]


class Redemption(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A statement's bytes, signed under one label by the invite's key and under another by the device."""

    statement: Annotated[bytes, Meta(max_length=MAX_REDEMPTION_BYTES)]
    by_invite: Bytes64
    by_device: Bytes64


@dataclass(frozen=True, slots=True)
class InviteKeys:
    """What follows from a link's secret. `repr` shows the public half alone."""

    signing: keys.SigningKey
    sealing: bytes
    answering: bytes

    @classmethod
    def from_secret(cls, secret: bytes) -> "InviteKeys":
        """Each key by its own label, from 32 bytes."""
        signing = keys.SigningKey.from_seed(keys.derive(secret, "invite-signing"))
        return cls(signing, keys.derive(secret, "invite-sealing"), keys.derive(secret, "invite-answering"))

    @property
    def id(self) -> bytes:
        """The invite's id: the public half of its signing key."""
        return self.signing.public

    def __repr__(self) -> str:
        return f"InviteKeys({self.id.hex()[:16]}…)"


@dataclass(frozen=True, slots=True)
class Asking:
    """A redemption that has been checked: who asks, with which log, and its id."""

    id: bytes
    statement: Statement
    log: DeviceLog

    @property
    def identity(self) -> IdentityId:
        return IdentityId(self.statement.identity)


def redeem(
    invite: InviteKeys, thread: bytes, author: Author, entries: Sequence[SignedEntry], name: str, login: bytes
) -> bytes:
    """The author asks to be let in: the sealed bytes for the room's mailbox.

    Somebody who is in asks in the same way for their present `login` to be let into the room. `entries` is the
    author's device log with an identity key. Raises TOO_LARGE if it doesn't fit the mailbox.
    """
    log = fold_log(author.identity, entries)
    if log.identity_key is None or author.device.id not in log.devices:
        raise ValueError("a joiner needs a device log with this device and an identity key")
    statement = codec.encode(
        Statement(
            version=1,
            thread=thread,
            invite=invite.id,
            identity=author.identity,
            device=author.device.id,
            key=log.identity_key[1],
            login=login,
            entries=tuple(entries),
            name=name,
        )
    )
    signed = Redemption(
        statement, invite.signing.sign("redemption", statement), author.device.signing.sign("redeemer", statement)
    )
    nonce = author.random(keys.NONCE_BYTES)
    sealed = nonce + keys.seal(invite.sealing, nonce, codec.encode(signed), thread + invite.id)
    if len(sealed) > MAX_REDEMPTION_BYTES:
        raise TOO_LARGE("This identity's device log doesn't fit an answer to an invitation.")
    return sealed


_redemption_decoder = msgspec.msgpack.Decoder(Redemption)
_statement_decoder = msgspec.msgpack.Decoder(Statement)


def open_redemption(invite: InviteKeys, thread: bytes, sealed: bytes) -> Asking:
    """Open and check what lay in the mailbox. Raises `PeerFault`: it is of another link or thread, or forged."""
    if len(sealed) > MAX_REDEMPTION_BYTES:
        raise PeerFault("too large", "redemption")
    nonce, text = sealed[: keys.NONCE_BYTES], sealed[keys.NONCE_BYTES :]
    signed = codec.decode(
        _redemption_decoder, keys.unseal(invite.sealing, nonce, text, thread + invite.id), "redemption"
    )
    statement = codec.decode(_statement_decoder, signed.statement, "redemption")
    if (statement.thread, statement.invite) != (thread, invite.id):
        raise PeerFault("bad redemption", "of another thread or invite")
    if not keys.verify(invite.id, "redemption", signed.statement, signed.by_invite):
        raise PeerFault("bad signature", "of the invite")
    if not keys.verify(statement.device, "redeemer", signed.statement, signed.by_device):
        raise PeerFault("bad signature", "of the joiner's device")
    log = fold_log(IdentityId(statement.identity), statement.entries)
    device = log.devices.get(DeviceId(statement.device))
    if device is None or device.revoked:
        raise PeerFault("bad redemption", "not a device of that identity")
    if log.identity_key is None or log.identity_key[1] != statement.key:
        raise PeerFault("bad redemption", "not that identity's key")
    return Asking(keys.digest("redemption-id", signed.statement), statement, log)


class Answer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What an owner's device answers somebody who asked: a word of `inviting.State`, or `asked` while a person of the
    owner's is to agree first. That they are in, a joiner believes the thread alone; that they were put out, too:
    `records` are the governance frames that say so, for the room is closed to them."""

    version: Annotated[int, Meta(ge=1, le=1)]
    state: Annotated[str, Meta(max_length=16)]
    records: Annotated[tuple[FrameBytes, ...], Meta(max_length=MAX_RECORDS)]


_answer_decoder = msgspec.msgpack.Decoder(Answer)


def seal_answer(
    invite: InviteKeys, thread: bytes, identity: bytes, state: str, random: Randomness, records: Sequence[bytes] = ()
) -> bytes:
    """An answer for one joiner, sealed so that whoever holds the link can read and make it, and no relay can.

    Of `records`, oldest first, those that fit are taken from the end.
    """
    chosen: list[bytes] = []
    for record in reversed(records):
        if sum(map(len, chosen)) + len(record) > MAX_RECORDS_BYTES or len(chosen) == MAX_RECORDS:
            break
        chosen.insert(0, record)
    nonce = random(keys.NONCE_BYTES)
    answer = codec.encode(Answer(1, state, tuple(chosen)))
    return nonce + keys.seal(invite.answering, nonce, answer, thread + invite.id + identity)


def open_answer(invite: InviteKeys, thread: bytes, identity: bytes, sealed: bytes) -> Answer:
    """An answer to that joiner. Raises `PeerFault`: it is another's, or forged."""
    nonce, text = sealed[: keys.NONCE_BYTES], sealed[keys.NONCE_BYTES :]
    plain = keys.unseal(invite.answering, nonce, text, thread + invite.id + identity)
    return codec.decode(_answer_decoder, plain, "answer")
