"""What stands in the governance lanes: the actions that decide who may do what.

An envelope in `control` or in an identity's lane holds a list of actions that count or fail together,
so that a grant, the key that goes with it and the use of an invite can be one record. Their meaning
is in `membership.py`; here are their forms and bounds alone.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from crdt import codec, keys
from crdt.identity import SignedEntry
from crdt.ids import ThreadId

MAX_ACTIONS: Final = 64
MAX_CUTS: Final = 1024
MAX_TIPS: Final = 16
MAX_USES: Final = 256

Bytes32 = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64 = Annotated[bytes, Meta(min_length=64, max_length=64)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
RoleNumber = Annotated[int, Meta(ge=0, le=3)]


class Genesis(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="genesis"):
    """The thread's birth. Its labelled hash is the thread's id, so owner and room can't be swapped later."""

    owner: Bytes32
    purpose: Annotated[str, Meta(pattern=r"\A(thread|account)\Z")]
    room: Bytes32
    salt: Bytes32
    created_ms: Count


class Devices(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="devices"):
    """Device log entries, carried along so that members can check signatures. They prove themselves."""

    entries: Annotated[tuple[SignedEntry, ...], Meta(max_length=64)]


class Grant(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="grant"):
    """The owner gives an identity a role. `name` is what the owner calls them."""

    identity: Bytes32
    role: RoleNumber
    name: Annotated[str, Meta(max_length=64)]


class Cut(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The tips accepted of one device in one lane. What is no ancestor of a tip is cut off."""

    kind: Annotated[int, Meta(ge=0, le=6)]
    scope: Annotated[bytes, Meta(max_length=16)]
    device: Bytes32
    tips: Annotated[tuple[Bytes32, ...], Meta(max_length=MAX_TIPS)]


Cuts = Annotated[tuple[Cut, ...], Meta(max_length=MAX_CUTS)]


class Restrict(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="restrict"):
    """An identity keeps at most `role` (0: none). In lanes that role lacks only what `cuts` names stays."""

    identity: Bytes32
    role: RoleNumber
    cuts: Cuts


class RevokeDevice(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="revoke"):
    """Where a device that its identity's log revokes ends in this thread. Void without that log entry."""

    device: Bytes32
    cuts: Cuts


class NewEpoch(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="epoch"):
    """A new content key, by its commitment. The wraps travel outside the seal of the same frame."""

    epoch: Bytes32
    depth: Count
    parents: Annotated[tuple[Bytes32, ...], Meta(max_length=64)]


class Relays(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="relays"):
    """Where the thread's room is kept."""

    urls: Annotated[tuple[Annotated[str, Meta(max_length=256)], ...], Meta(max_length=8)]


class Offer(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="offer"):
    """The owner hands the thread over. Signed by the owner's *root*, label "transfer", over `offer_bytes`.

    `room` is the room key's seed, wrapped to the heir's identity key, or empty if it is handed over otherwise;
    `generation` that of the members' certificates; `login` what the owner until now proves to the relay.
    """

    to: Bytes32
    signature: Bytes64
    room: Annotated[bytes, Meta(max_length=keys.WRAP_BYTES)]
    generation: Count
    login: Annotated[bytes, Meta(max_length=32)]


class Accept(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="accept"):
    """The new owner's first record: names the offer, and cuts the old owner's devices where it stood."""

    offer: Bytes32
    cuts: Cuts


class Invite(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="invite"):
    """A link is open. `key` is the public half of its signing key, and its id; `expires_ms` 0 is never."""

    key: Bytes32
    role: Annotated[int, Meta(ge=1, le=3)]
    expires_ms: Count
    uses: Annotated[int, Meta(ge=1, le=MAX_USES)]
    approve: bool
    name: Annotated[str, Meta(max_length=64)]


class Withdraw(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="withdraw"):
    """The link of that key lets nobody in any more, for ever."""

    invite: Bytes32


class Admit(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="admit"):
    """Somebody is let in by a link: a use of it and the grant of its role in one. `redemption` is an id, `login` what
    they prove to the relay: whoever owns the thread later can go on letting them into its room."""

    invite: Bytes32
    redemption: Bytes32
    identity: Bytes32
    login: Bytes32
    name: Annotated[str, Meta(max_length=64)]


class Settle(Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="settle"):
    """The matter of a restriction is closed: in `shared` what `cuts` names stays as well, by whomever it was kept until
    now, and nobody carries along any more. `restriction` is the id of its record."""

    restriction: Bytes32
    cuts: Cuts


Action = (
    Genesis
    | Devices
    | Grant
    | Restrict
    | RevokeDevice
    | NewEpoch
    | Relays
    | Offer
    | Accept
    | Invite
    | Withdraw
    | Admit
    | Settle
)


class Record(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The body of one governance envelope."""

    actions: Annotated[tuple[Action, ...], Meta(min_length=1, max_length=MAX_ACTIONS)]


_record_decoder = msgspec.msgpack.Decoder(Record)


def decode_record(data: bytes) -> Record:
    """Raises `PeerFault("bad record")` for anything but one well-formed, bounded record."""
    return codec.decode(_record_decoder, data, "record")


def thread_id(genesis: Genesis) -> ThreadId:
    """The id of the thread that this genesis founds."""
    return ThreadId(keys.digest("thread", codec.encode(genesis)))


def offer_bytes(thread: bytes, to: bytes, since: bytes) -> bytes:
    """What the owner's root signs, label "transfer", to hand `thread` to the identity `to`.

    `since` is the id of the record by which the owner became owner, empty for the first: a signature is good
    for that one tenure, or whoever once had the thread could show it again after giving it back.
    """
    return thread + to + since
