"""The pinned bytes of the protocol, read back from their files; and made anew, to the same bytes.

What reads them here knows only what stands in the files and the public functions of the core.
"""

import json
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from crdt import codec, frames, ids, invite_link, invites, keys, link, pairing_link, reconcile, wire, words
from crdt import pairing_messages as pairing
from crdt.envelope import envelope_id, open_body
from crdt.epochs import Epoch, Keyring
from crdt.errors import OpenSeshError, PeerFault
from crdt.identity import DeviceKeys, Root, SignedEntry, fold_log, open_entry
from crdt.ids import IdentityId, ThreadId
from crdt.output import Chunk, decode_chunk, encode_chunk
from crdt.permissions import Lane, LaneKind
from crdt.records import Action, Genesis, decode_record, thread_id
from crdt.replica import Replica
from tests.crdt.people import Desk
from tests.crdt.world import rebuilt, shuffled
from tests.vectors import make
from tests.vectors.fixed import plain


def pinned(name: str) -> dict[str, Any]:
    text = (Path(make.HERE) / f"{name}.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


@pytest.mark.parametrize("name", make.FILES)
def test_made_anew_the_bytes_are_the_same(name: str) -> None:
    """A difference is a change of the protocol: two versions that have it can't work together."""
    assert make.text(name) == (make.HERE / f"{name}.json").read_text(encoding="utf-8")


def test_ids_are_spelled_and_read_back() -> None:
    found = pinned("ids")
    for case in found["spelled"]:
        assert ids.to_text(raw(case["raw"])) == case["text"]
        assert ids.from_text(case["text"]) == raw(case["raw"])
    for text in found["refused"]:
        with pytest.raises(PeerFault, match="bad id"):
            ids.from_text(text)


# ---- keys


def test_hashes_and_derived_keys_are_the_pinned_ones() -> None:
    found = pinned("keys")
    for case in found["digest"]:
        made = keys.digest(case["label"], *map(raw, case["parts"]), size=case["size"])
        assert made == raw(case["digest"])
    for case in found["derive"]:
        assert keys.derive(raw(case["secret"]), case["label"], *map(raw, case["parts"])) == raw(case["key"])
    assert len({case["digest"] for case in found["digest"]}) == len(found["digest"])


def test_signatures_verify_and_are_made_alike() -> None:
    for case in pinned("keys")["sign"]:
        assert keys.verify(raw(case["public"]), case["label"], raw(case["message"]), raw(case["signature"]))
        assert not keys.verify(raw(case["public"]), "device-entry", raw(case["message"]), raw(case["signature"]))
        signer = keys.SigningKey.from_seed(raw(case["seed"]))
        assert signer.public == raw(case["public"])
        assert signer.sign(case["label"], raw(case["message"])) == raw(case["signature"])


def test_sealed_and_wrapped_bytes_open() -> None:
    found = pinned("keys")
    seal, wrap = ({name: raw(value) for name, value in found[part].items()} for part in ("seal", "wrap"))
    assert keys.unseal(seal["key"], seal["nonce"], seal["sealed"], seal["bound"]) == seal["plaintext"]
    holder = keys.AgreementKey.from_secret(wrap["secret"])
    assert holder.public == wrap["public"]
    assert holder.unwrap(wrap["wrapped"]) == wrap["key"]


def test_a_roots_and_a_devices_keys_follow_from_their_seeds() -> None:
    found = pinned("keys")
    root = Root.from_seed(raw(found["root"]["seed"]))
    shown = [root.identity, root.recovery.public, root.account_room.public, root.login.public]
    assert [each.hex() for each in shown] == [
        found["root"][n] for n in ("identity", "recovery", "account_room", "login")
    ]
    device = DeviceKeys.from_seed(raw(found["device"]["seed"]))
    assert (device.id.hex(), device.agreement.public.hex()) == (found["device"]["id"], found["device"]["agreement"])


def test_words_and_codes_are_read_back() -> None:
    found = pinned("words")
    for case in found["phrases"]:
        assert words.seed_from_phrase(case["words"]) == raw(case["seed"])
    for phrase in found["refused"]:
        with pytest.raises(OpenSeshError):
            words.seed_from_phrase(phrase)
    for case in found["codes"]:
        code = words.parse_code(case["code"])
        assert code.nameplate == case["nameplate"] and code.password == raw(case["password"])


# ---- what devices sign


def test_a_device_log_is_read_and_folds_to_the_pinned_devices() -> None:
    found = pinned("devices")
    entries = [
        SignedEntry(raw(each["entry"]), raw(each["signature"]), raw(each["consent"])) for each in found["entries"]
    ]
    for signed, case in zip(entries, found["entries"], strict=True):
        assert plain(open_entry(signed)) == case["fields"] and signed.hash == raw(case["hash"])
    log = fold_log(IdentityId(raw(found["identity"])), entries)
    shown = [[d.id.hex(), d.name, d.rank, d.revoked] for d in sorted(log.devices.values(), key=lambda d: d.rank)]
    assert shown == found["log"]["devices"]
    assert plain(log.tips) == found["log"]["tips"]


def test_envelopes_open_out_of_their_frames() -> None:
    found = pinned("envelopes")
    thread = ThreadId(raw(found["thread"]))
    epoch = Epoch.from_key(raw(found["epoch"]["key"]), thread)
    assert {name: getattr(epoch, name).hex() for name in Epoch.__slots__} == found["epoch"]
    for case in found["envelopes"]:
        frame = raw(case["frame"])
        outer = frames.parse_frame(frame)
        envelope = frames.open_frame(outer, epoch, thread)
        assert plain(envelope.header) == case["header"] and envelope.header_bytes == raw(case["header_bytes"])
        assert envelope.id == envelope_id(envelope.header_bytes) == raw(case["id"])
        assert envelope.signature == raw(case["signature"])
        assert open_body(envelope, epoch.body_key) == raw(case["plaintext"])
        assert (outer.epoch_tag, outer.lane_tag) == (epoch.tag, raw(case["lane_tag"]))
        assert frames.seal_frame(envelope, epoch, raw(case["outside"])) == frame


def test_the_keys_outside_a_frame_reach_their_readers() -> None:
    found = pinned("envelopes")
    (outside,) = {raw(case["outside"]) for case in found["envelopes"] if case["outside"]}
    thread = ThreadId(raw(found["thread"]))
    for secret in found["readers"]:
        (key,) = frames.unwrap_keys(outside, [keys.AgreementKey.from_secret(raw(secret))])
        assert key.hex() == found["epoch"]["key"]
        keyring = Keyring(thread)
        keyring.learn(key)
        earlier = frames.earlier_keys(outside, keyring.tagged, list)
        assert [each.hex() for each in earlier] == [found["earlier"]["key"]]


def test_records_are_read_back_and_there_is_one_of_each_action() -> None:
    found = pinned("records")
    tags = set()
    for case in found["records"]:
        record = decode_record(raw(case["bytes"]))
        assert plain(record.actions) == case["actions"]
        assert codec.encode(record) == raw(case["bytes"])
        tags |= {action["tag"] for action in case["actions"]}
    assert tags == {each.__struct_config__.tag for each in typing.get_args(Action)}


def test_a_threads_id_is_the_hash_of_its_genesis() -> None:
    for case in pinned("records")["threads"]:
        fields = case["genesis"]
        binary = {name: raw(fields[name]) for name in ("owner", "room", "salt")}
        genesis = Genesis(purpose=fields["purpose"], created_ms=fields["created_ms"], **binary)
        assert thread_id(genesis) == raw(case["id"])


@pytest.mark.parametrize("seed", range(4))
def test_the_pinned_thread_comes_out_alike_in_any_order(seed: int) -> None:
    found = pinned("thread")
    own = keys.AgreementKey.from_secret(raw(found["readers"][0]["secret"]))
    given = [raw(frame) for frame in found["frames"]]
    replica = Replica(ThreadId(raw(found["thread"])), [own])
    for frame in shuffled(given, seed):
        replica.receive(frame)
    replica = rebuilt(replica, given)
    assert {node.id.hex() for node in replica.graph.nodes} == set(found["records"])
    assert {i.hex(): int(role) for i, role in replica.membership.members().items()} == found["members"]
    lanes = sorted(lane for lane in replica.lanes if list(replica.accepted(lane)))
    assert [[int(lane.kind), lane.owner.hex(), plain(list(replica.accepted(lane)))] for lane in lanes] == found[
        "accepted"
    ]
    assert next(replica.membership.writing_epochs()).id.hex() == found["writing_epoch"]
    assert sorted(Desk(replica).shown()) == found["messages"]


def test_whom_the_pinned_thread_puts_out_opens_nothing_that_follows() -> None:
    found = pinned("thread")
    removed = Replica(
        ThreadId(raw(found["thread"])), [keys.AgreementKey.from_secret(raw(found["readers"][1]["secret"]))]
    )
    for frame in found["frames"]:
        removed.receive(raw(frame))
    assert not removed.unopened  # nothing was written after the removal but by himself
    assert removed.keyring.get(raw(found["writing_epoch"])) is None


# ---- what machines say


@pytest.mark.parametrize(
    "direction, decode, union",
    [
        ("to_relay", wire.decode_to_relay, wire.ToRelay),
        ("from_relay", wire.decode_from_relay, wire.FromRelay),
    ],
)
def test_every_message_of_node_and_relay_is_read_and_written(direction: str, decode: Any, union: Any) -> None:
    found = pinned("relay")
    for case in found[direction]:
        message = decode(raw(case["bytes"]))
        assert plain(message) == case["fields"]
        assert wire.encode(message) == raw(case["bytes"])
    assert {case["fields"]["tag"] for case in found[direction]} == {
        each.__struct_config__.tag for each in typing.get_args(union)
    }


@pytest.mark.parametrize("decode", [wire.decode_to_relay, wire.decode_from_relay])
@pytest.mark.parametrize(
    "data", [b"", b"\x91", b"\x92\xa5login\x01", b"\xc1", bytes(wire.MAX_MESSAGE_BYTES + 1), b"\x92\xa4told\xa1\xff"]
)
def test_what_is_no_message_is_refused_by_name(decode: Any, data: bytes) -> None:
    with pytest.raises(PeerFault, match="bad message"):
        decode(data)


def test_the_signatures_for_a_relay_cover_the_pinned_bytes() -> None:
    found = pinned("relay")
    said = {case["fields"]["tag"]: case["fields"] for case in found["to_relay"]}
    room, login = (keys.SigningKey.from_seed(raw(found[name])).public for name in ("room_seed", "login_seed"))
    certificate = said["attach"]["certificate"]
    signatures = {
        "relay-login": (login, said["login"]["signature"]),
        "room-open": (room, said["open"]["signature"]),
        "room-grant": (room, certificate["signature"]),
        "room-generation": (room, said["raise"]["signature"]),
    }
    assert signatures.keys() == found["signed"].keys()
    for label, (public, signature) in signatures.items():
        assert keys.verify(public, label, raw(found["signed"][label]), raw(signature)), label
    assert wire.frame_hash(raw(found["frame_hash"]["frame"])) == raw(found["frame_hash"]["hash"])


def test_a_terminals_chunks_are_read_and_spelled_again() -> None:
    found = pinned("terminals")
    read = [decode_chunk(raw(case["bytes"])) for case in found["chunks"]]
    assert [plain(chunk) for chunk in read] == [case["fields"] for case in found["chunks"]]
    assert [encode_chunk(chunk).hex() for chunk in read] == [case["bytes"] for case in found["chunks"]]
    assert {type(chunk) for chunk in read} == set(typing.get_args(Chunk))
    for body in found["refused"]:
        with pytest.raises(PeerFault, match="bad chunk"):
            decode_chunk(raw(body))


def test_neighbours_messages_are_read_and_their_digest_follows_from_the_hashes() -> None:
    found = pinned("neighbours")
    inventory = reconcile.Inventory(map(raw, found["hashes"]))
    assert inventory.digest == raw(found["digest"])
    listed = set()
    for case in found["messages"]:
        message = reconcile.decode(raw(case["bytes"]))
        assert plain(message) == case["fields"] and reconcile.encode(message) == raw(case["bytes"])
        if isinstance(message, reconcile.Listing):
            assert not inventory.lacking(message)
            listed |= {message.hashes[at : at + 16].hex() for at in range(0, len(message.hashes), 16)}
    assert listed == set(found["hashes"])


def test_the_handshakes_session_and_signatures_follow_from_what_was_said() -> None:
    """As a third party computes them who has both sides' keys."""
    found = pinned("neighbours")
    ask, answer, _, recognised, signed = (msgspec.msgpack.decode(raw(frame)) for frame in found["handshake"])
    version = link.LINK_VERSION.to_bytes(2, "big")
    session = keys.digest("link", version, raw(found["certificate_hash"]), ask[2], answer[2])
    assert session == raw(found["session"])
    a, b = (keys.SigningKey.from_seed(raw(found["seeds"][name][0])).public for name in ("a", "b"))
    assert keys.verify(b, "link-responder", session + b + a, recognised[2])
    assert keys.verify(a, "link-initiator", session + a + b, signed[1])


def test_a_pairings_frames_are_the_pinned_ones_and_open_with_what_is_derived() -> None:
    """As a third party reads them who knows the secret of the exchange."""
    found = pinned("pairing")
    exchange = found["exchange"]
    secret = keys.derive(raw(exchange["shared"]), "pairing-secret", raw(exchange["transcript"]))
    assert secret == raw(exchange["secret"])
    said = [(each["from"], pairing.frames.decode(raw(each["frame"]))) for each in found["frames"]]
    kinds = [type(message).__name__ for _, message in said]
    assert kinds == ["Hello", "Answer", "Proof", "Verified", "Part", "Part", "Part", "Part"]
    for side, message in said[2:4]:
        assert message.mac == keys.derive(secret, "pairing-proof", side.encode()) == raw(exchange["proofs"][side])
    numbers = {"joiner": 0, "shower": 0}
    opened: list[Any] = []
    for side, part in said[4:]:
        key, nonce = keys.derive(secret, "pairing-seal", side.encode()), numbers[side].to_bytes(24, "big")
        opened.append(pairing.messages.decode(keys.unseal(key, nonce, part.box, bytes([part.last]))))
        numbers[side] += 1
    device, bundle, accepted, done = opened
    unsigned = msgspec.structs.replace(device, signature=bytes(64))
    proven = keys.digest("pairing-device", raw(exchange["transcript"]), pairing.encode(unsigned))
    assert keys.verify(device.device, "pairing-device", proven, device.signature)
    holder = keys.AgreementKey.from_secret(raw(found["new_device"]["agreement"]))
    key_of_bundle = holder.unwrap(bundle.wrapped)
    assert key_of_bundle is not None
    assert keys.unseal(key_of_bundle, bytes(24), bundle.box, raw(exchange["transcript"])) == raw(found["bundle"])
    assert accepted.payload == raw(found["accepted"]) and isinstance(done, pairing.Done)


def test_pairing_links_are_read_back() -> None:
    for case in pinned("pairing")["links"]:
        read = pairing_link.parse_link(case["link"])
        assert str(read) == case["link"] and read.password == raw(case["password"])


def test_invitation_links_and_redemptions_are_read_back() -> None:
    found = pinned("invites")
    for case in found["links"]:
        read = invite_link.parse_invite(case["link"])
        assert str(read) == case["link"] and (read.relay, int(read.role)) == (case["relay"], case["role"])
        assert {name: getattr(read, name).hex() for name in ("secret", "thread", "owner", "room", "tip")}.items() <= (
            found.items()
        )
    keys_of = invites.InviteKeys.from_secret(raw(found["secret"]))
    assert (keys_of.id.hex(), keys_of.sealing.hex()) == (found["invite"], found["sealing"])
    asking = invites.open_redemption(keys_of, raw(found["thread"]), raw(found["redemption"]["sealed"]))
    assert asking.id.hex() == found["redemption"]["id"] and plain(asking.statement) == found["redemption"]["fields"]


@pytest.mark.parametrize("seed", range(4))
def test_the_pinned_endorsement_comes_out_alike_in_any_order_before_and_after_its_settlement(seed: int) -> None:
    found = pinned("endorsement")
    own = keys.AgreementKey.from_secret(raw(found["readers"][0]["secret"]))
    given = [raw(frame) for frame in found["frames"]]
    for stage, upto in enumerate((found["open_until"], len(given))):
        replica = Replica(ThreadId(raw(found["thread"])), [own])
        for frame in shuffled(given[:upto], seed):
            replica.receive(frame)
        replica = rebuilt(replica, given[:upto]) if replica.stale else replica
        assert plain(sorted(replica.accepted(Lane(LaneKind.SHARED)))) == found["accepted"][stage]
        carried = {link: sorted(keepers) for link, keepers in replica.carried().items()}
        assert plain(carried) == found["carried"][stage]


def test_presence_messages_open_with_the_epochs_key_and_are_signed_by_the_device() -> None:
    """As a member reads them who has the thread's content key, and nothing of the code but its ciphers."""
    found = pinned("presence")
    key = keys.derive(raw(found["epoch_key"]), "epoch-presence", raw(found["thread"]))
    assert key == raw(found["presence_key"])
    device = DeviceKeys.from_seed(raw(found["device_seed"])).id
    kinds = []
    for case in found["messages"]:
        message = raw(case["message"])
        head, nonce, sealed = message[:9], message[9:33], message[33:]
        assert head[0] == 1 and nonce == raw(case["nonce"]) and len(sealed) % 128 == keys.TAG_BYTES
        text = keys.unseal(key, nonce, sealed, head)
        statement, signature = msgspec.msgpack.decode(text[4 : 4 + int.from_bytes(text[:4], "big")])
        assert keys.verify(device, "presence", statement, signature)
        fields = msgspec.msgpack.decode(statement)
        assert plain(fields) == list(case["statement"].values())
        kinds.append((fields[7], fields[8]))
    here, beat = found["here"], found["heartbeat"]
    payloads = dict(kinds)
    assert plain(msgspec.msgpack.decode(payloads["here"])) == list(here.values())
    proofs = [list(proof.values()) for proof in beat["proofs"]]
    assert plain(msgspec.msgpack.decode(payloads["heartbeat"])) == [1, beat["own"], beat["heads"], proofs]
