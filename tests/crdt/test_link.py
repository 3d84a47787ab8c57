"""The link handshake: two that know each other, and everybody else on the network."""

import random
from collections.abc import Callable, Iterable

import pytest

from crdt import keys, link
from crdt.errors import PeerFault
from crdt.ids import DeviceId
from crdt.link import Contacts, Established, Event, Hello, Initiator, Recognised, Responder, Send, Signed, Tags, encode

CERTIFICATE = b"c" * 32


def entropy(seed: int) -> Callable[[int], bytes]:
    return random.Random(seed).randbytes


class Person:
    """A device: its keys, and the link sides it can take."""

    def __init__(self, seed: int) -> None:
        self.signing = keys.SigningKey.from_seed(bytes([seed]) * 32)
        self.agreement = keys.AgreementKey.from_secret(bytes([seed + 100]) * 32)
        self.seed = seed

    @property
    def id(self) -> DeviceId:
        return DeviceId(self.signing.public)

    def contacts(self, known: "Iterable[Person]") -> Contacts:
        return Contacts(self.agreement, {other.id: other.agreement.public for other in known})

    def dial(self, *known: "Person", certificate: bytes = CERTIFICATE, expected: DeviceId | None = None) -> Initiator:
        return Initiator(self.signing, self.contacts(known), certificate, entropy(self.seed), expected)

    def answer(self, *known: "Person", certificate: bytes = CERTIFICATE) -> Responder:
        return Responder(self.signing, self.contacts(known), certificate, entropy(self.seed + 50))


ANA, BEN, CARL, EVE = (Person(seed) for seed in (1, 2, 3, 4))


def shake(initiator: Initiator, responder: Responder) -> tuple[list[Established], list[bytes]]:
    """Run both sides. Who established (initiator first), and every frame that passed."""
    established: list[Established] = []
    frames: list[bytes] = []
    waiting: list[tuple[link.Link, Event]] = [(initiator, event) for event in initiator.start()]
    while waiting:
        side, event = waiting.pop(0)
        if isinstance(event, Established):
            established.append(event)
            continue
        frames.append(event.frame)
        other: link.Link = responder if side is initiator else initiator
        waiting += [(other, more) for more in other.receive(event.frame)]
    return established, frames


def refused(initiator: Initiator, responder: Responder) -> str:
    with pytest.raises(PeerFault) as caught:
        shake(initiator, responder)
    return caught.value.reason


def frame(events: list[Event]) -> bytes:
    return next(event.frame for event in events if isinstance(event, Send))


# ---- two that know each other


def test_two_that_know_each_other_establish_one_session() -> None:
    (at_ana, at_ben), frames = shake(ANA.dial(BEN, CARL), BEN.answer(CARL, ANA))
    assert (at_ana.peer, at_ben.peer) == (BEN.id, ANA.id)
    assert at_ana.session == at_ben.session
    assert len(frames) == 5
    assert all(len(passed) <= link.MAX_FRAME_BYTES for passed in frames)


def test_each_link_is_another_session() -> None:
    ben = BEN.contacts([ANA])
    sessions = {
        shake(ANA.dial(BEN), Responder(BEN.signing, ben, CERTIFICATE, entropy(seed)))[0][0].session for seed in range(5)
    }
    assert len(sessions) == 5


def test_the_expected_device_is_accepted() -> None:
    assert len(shake(ANA.dial(BEN, expected=BEN.id), BEN.answer(ANA))[0]) == 2


def test_the_frames_hold_no_id_and_no_public_key() -> None:
    _, frames = shake(ANA.dial(BEN), BEN.answer(ANA))
    for person in (ANA, BEN):
        for secret in (person.id, person.agreement.public):
            assert not any(secret in passed for passed in frames)


# ---- strangers


def test_a_stranger_who_dials_learns_only_that_something_listens() -> None:
    responder = BEN.answer(ANA, CARL)
    stranger = EVE.dial(BEN)  # she knows Ben's public keys, he doesn't know hers
    hello = frame(responder.receive(frame(stranger.start())))
    with pytest.raises(PeerFault, match="stranger"):
        responder.receive(frame(stranger.receive(hello)))
    # All she got is a version and a random nonce, the same for everybody.
    somebody_else = Responder(CARL.signing, CARL.contacts([BEN]), CERTIFICATE, entropy(BEN.seed + 50))
    assert hello == frame(somebody_else.receive(frame(EVE.dial().start())))


def test_one_sided_acquaintance_is_no_link() -> None:
    assert refused(ANA.dial(BEN), BEN.answer()) == "stranger"
    assert refused(ANA.dial(), BEN.answer(ANA)) == "stranger"


def test_a_stranger_who_is_dialled_sees_only_padded_random_tags() -> None:
    counts = set()
    seen: list[set[bytes]] = []
    for known in ([], [BEN], [Person(seed) for seed in range(20, 36)]):
        initiator = Initiator(ANA.signing, ANA.contacts(known), CERTIFICATE, entropy(len(known)))
        initiator.start()
        sent = frame(initiator.receive(encode(Hello(1, b"n" * 32))))
        tags = Responder._decode(sent).tags
        counts.add(len(tags))
        assert list(tags) == sorted(tags)
        seen.append(set(tags))
    assert counts == {16}
    assert not seen[0] & seen[1]


@pytest.mark.parametrize(("known", "sent"), [(0, 16), (16, 16), (17, 64), (65, 256), (300, 1024)])
def test_how_many_are_known_is_told_only_coarsely(known: int, sent: int) -> None:
    made = {}
    for number in range(known):
        secret = keys.digest("test", number.to_bytes(4, "big"))
        made[DeviceId(secret)] = keys.AgreementKey.from_secret(secret).public
    initiator = Initiator(ANA.signing, Contacts(ANA.agreement, made), CERTIFICATE, entropy(9))
    initiator.start()
    assert len(Responder._decode(frame(initiator.receive(encode(Hello(1, b"n" * 32))))).tags) == sent


def test_tags_of_one_link_say_nothing_in_another() -> None:
    def tags(nonce: bytes) -> set[bytes]:
        initiator = ANA.dial(BEN, CARL)
        initiator.start()
        return set(Responder._decode(frame(initiator.receive(encode(Hello(1, nonce))))).tags)

    # The padding is the same (same entropy); the two real tags are not.
    assert len(tags(b"1" * 32) & tags(b"2" * 32)) == 14


# ---- in between


def test_tls_ended_in_between_is_refused() -> None:
    dialled, answering = ANA.dial(BEN, certificate=b"m" * 32), BEN.answer(ANA, certificate=b"c" * 32)
    assert refused(dialled, answering) == "stranger"


def test_a_recorded_initiator_replayed_is_a_stranger() -> None:
    _, recorded = shake(ANA.dial(BEN), BEN.answer(ANA))
    responder = Responder(BEN.signing, BEN.contacts([ANA]), CERTIFICATE, entropy(77))
    responder.receive(recorded[0])
    with pytest.raises(PeerFault, match="stranger"):
        responder.receive(recorded[2])


def test_a_recorded_responder_replayed_is_a_stranger() -> None:
    _, recorded = shake(ANA.dial(BEN), BEN.answer(ANA))
    initiator = Initiator(ANA.signing, ANA.contacts([BEN]), CERTIFICATE, entropy(77))
    initiator.start()
    initiator.receive(recorded[1])
    with pytest.raises(PeerFault, match="stranger"):
        initiator.receive(recorded[3])


def test_an_initiators_own_tags_reflected_are_refused() -> None:
    initiator = ANA.dial(BEN)
    hello = frame(initiator.start())
    tags = Responder._decode(frame(initiator.receive(hello))).tags
    for tag in tags:
        again = ANA.dial(BEN)
        again.start()
        again.receive(hello)
        with pytest.raises(PeerFault, match="stranger"):
            again.receive(encode(Recognised(tag, bytes(64))))


def test_a_responders_signature_reflected_is_refused() -> None:
    initiator, responder = ANA.dial(BEN), BEN.answer(ANA)
    tags = frame(initiator.receive(frame(responder.receive(frame(initiator.start())))))
    recognised = Responder._decode(frame(responder.receive(tags)))
    with pytest.raises(PeerFault, match="bad signature"):
        responder.receive(encode(Signed(recognised.signature)))


def test_a_device_that_dials_itself_is_refused() -> None:
    # Her own tags fit, for both ends hold the same key; the signature is not Ben's.
    assert refused(ANA.dial(BEN), ANA.answer(BEN)) == "bad signature"


# ---- the wrong one


def test_a_known_device_at_anothers_address_is_refused() -> None:
    assert refused(ANA.dial(BEN, CARL, expected=BEN.id), CARL.answer(ANA)) == "wrong peer"


def test_an_agreement_key_alone_does_not_prove_a_device() -> None:
    thief = Responder(EVE.signing, BEN.contacts([ANA]), CERTIFICATE, entropy(5))  # Ben's X25519, Eve's Ed25519
    assert refused(ANA.dial(BEN), thief) == "bad signature"
    thief_dials = Initiator(EVE.signing, BEN.contacts([ANA]), CERTIFICATE, entropy(5))
    assert refused(thief_dials, ANA.answer(BEN)) == "bad signature"


def test_a_signature_made_for_another_peer_is_refused() -> None:
    initiator, responder = ANA.dial(BEN, CARL), BEN.answer(ANA)
    tags = frame(initiator.receive(frame(responder.receive(frame(initiator.start())))))
    honest = Responder._decode(frame(responder.receive(tags)))
    for_carl = BEN.signing.sign("link-responder", responder._session + BEN.id + CARL.id)
    with pytest.raises(PeerFault, match="bad signature"):
        initiator.receive(encode(Recognised(honest.tag, for_carl)))


def test_tags_that_fit_twice_are_refused() -> None:
    initiator, responder = ANA.dial(BEN), BEN.answer(ANA)
    tags = Responder._decode(frame(initiator.receive(frame(responder.receive(frame(initiator.start())))))).tags
    with pytest.raises(PeerFault, match="stranger"):
        responder.receive(encode(Tags(tags * 2)))


# ---- garbage


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "bad message"),
        (b"\xff" * 30, "bad message"),
        (bytes(link.MAX_FRAME_BYTES + 1), "bad message"),
        (b"\x92\xa5h\xe9llo\x01", "bad message"),
        (encode(Hello(2, b"n" * 32)), "bad version"),
        (encode(Tags(())), "out of turn"),
        (encode(Signed(bytes(64))), "out of turn"),
        (encode(["hello", 1, b"short"]), "bad message"),
    ],
)
def test_garbage_is_refused_by_name_by_both_sides(sent: bytes, reason: str) -> None:
    initiator = ANA.dial(BEN)
    initiator.start()
    for side in (initiator, BEN.answer(ANA)):
        with pytest.raises(PeerFault) as caught:
            side.receive(sent)
        assert caught.value.reason == reason


def test_after_a_refusal_nothing_is_accepted() -> None:
    initiator, responder = ANA.dial(BEN), BEN.answer(ANA)
    with pytest.raises(PeerFault):
        responder.receive(b"\xff")
    with pytest.raises(PeerFault, match="out of turn"):
        responder.receive(frame(initiator.start()))


def test_altering_any_byte_of_any_frame_establishes_nothing_for_its_receiver() -> None:
    _, honest = shake(ANA.dial(BEN), BEN.answer(ANA))
    for index, original in enumerate(honest):
        for place in range(len(original)):
            initiator, responder = ANA.dial(BEN), BEN.answer(ANA)
            sides: tuple[link.Link, link.Link] = (responder, initiator)
            events = initiator.start()
            with pytest.raises(PeerFault):
                for step in range(5):
                    passed = bytearray(frame(events))
                    if step == index:
                        passed[place] ^= 1
                    events = sides[step % 2].receive(bytes(passed))
                    if index == 2 and step == 2 and isinstance(events[0], Send):
                        raise PeerFault("padding")  # a changed padding tag changes nothing; it is not authenticated


def test_contacts_with_keys_of_nobody_are_left_out() -> None:
    contacts = Contacts(ANA.agreement, {BEN.id: bytes(32), CARL.id: b"short", EVE.id: EVE.agreement.public})
    assert list(contacts.tags("initiator", b"t").values()) == [EVE.id]
