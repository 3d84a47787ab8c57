"""The device log: who may add and revoke whom, whatever the order in which the entries arrive."""

import itertools
import tracemalloc

import pytest

from crdt import identity, keys
from crdt.errors import PeerFault
from crdt.identity import DeviceKeys, DeviceLog, Entry, Root, SignedEntry, fold_log
from tests.crdt.steps import function_calls

ROOT = Root.from_seed(b"r" * 32)
LAPTOP, DESKTOP, PHONE, THIEF, TABLET = (DeviceKeys.from_seed(bytes([n]) * 32) for n in range(1, 6))


def entry(kind: int, subject: bytes, signer: keys.SigningKey, *parents: SignedEntry, **extra: object) -> SignedEntry:
    """One signed entry that knows of `parents`."""
    made = Entry(
        1,
        ROOT.identity,
        kind,
        subject,
        extra.get("agreement", b""),
        extra.get("generation", 0),
        str(extra.get("name", "")),
        "linux",
        1000,
        tuple(sorted(parent.hash for parent in parents)),
        signer.public,
    )
    return identity.sign_entry(made, signer, extra.get("consent", b""))


def add(device: DeviceKeys, signer: keys.SigningKey, *parents: SignedEntry) -> SignedEntry:
    agreement = device.agreement.public
    consent = device.signing.sign("device-consent", identity.consent_bytes(ROOT.identity, agreement))
    return entry(identity.ADD, device.id, signer, *parents, agreement=agreement, consent=consent)


def revoke(device: DeviceKeys, signer: keys.SigningKey, *parents: SignedEntry) -> SignedEntry:
    return entry(identity.REVOKE, device.id, signer, *parents)


def live(log: DeviceLog) -> list[bytes]:
    return [device.id for device in log.live()]


FIRST = add(LAPTOP, ROOT.signing)
SECOND = add(DESKTOP, LAPTOP.signing, FIRST)
THIRD = add(PHONE, DESKTOP.signing, SECOND)


def test_devices_stand_in_the_order_in_which_authority_reached_them() -> None:
    assert live(fold_log(ROOT.identity, [THIRD, FIRST, SECOND])) == [LAPTOP.id, DESKTOP.id, PHONE.id]


def test_any_order_of_arrival_gives_the_same_log() -> None:
    entries = [FIRST, SECOND, THIRD, revoke(PHONE, LAPTOP.signing, THIRD)]
    logs = [fold_log(ROOT.identity, order) for order in itertools.permutations(entries)]
    assert all(log == logs[0] for log in logs)
    assert live(logs[0]) == [LAPTOP.id, DESKTOP.id]


def test_a_junior_device_cannot_revoke_its_seniors() -> None:
    assert live(fold_log(ROOT.identity, [FIRST, SECOND, THIRD, revoke(LAPTOP, PHONE.signing, THIRD)]))[0] == LAPTOP.id


def test_the_root_revokes_the_most_senior_device() -> None:
    assert live(fold_log(ROOT.identity, [FIRST, SECOND, revoke(LAPTOP, ROOT.signing, SECOND)])) == [DESKTOP.id]


def test_what_a_revoked_device_added_without_knowing_of_its_revocation_does_not_count() -> None:
    revocation = revoke(DESKTOP, LAPTOP.signing, SECOND)
    backdated = add(THIEF, DESKTOP.signing, SECOND)
    assert live(fold_log(ROOT.identity, [FIRST, SECOND, revocation, backdated])) == [LAPTOP.id]


def test_two_devices_that_revoke_each_other_leave_the_senior() -> None:
    both = [revoke(DESKTOP, LAPTOP.signing, SECOND), revoke(LAPTOP, DESKTOP.signing, SECOND)]
    assert live(fold_log(ROOT.identity, [FIRST, SECOND, *both])) == [LAPTOP.id]


def test_a_device_that_nobody_with_authority_added_does_not_count() -> None:
    assert live(fold_log(ROOT.identity, [FIRST, add(THIEF, THIEF.signing, FIRST)])) == [LAPTOP.id]


def test_an_entry_whose_past_is_missing_waits() -> None:
    assert live(fold_log(ROOT.identity, [FIRST, THIRD])) == [LAPTOP.id]


def test_a_key_cannot_be_entered_without_its_holders_consent() -> None:
    forged = entry(identity.ADD, THIEF.id, ROOT.signing, agreement=THIEF.agreement.public, consent=b"\0" * 64)
    with pytest.raises(PeerFault, match="consent"):
        fold_log(ROOT.identity, [forged])


def test_an_entry_with_a_broken_signature_is_refused() -> None:
    with pytest.raises(PeerFault, match="bad signature"):
        fold_log(ROOT.identity, [SignedEntry(FIRST.entry, b"\0" * 64, FIRST.consent)])


def test_the_newest_identity_key_is_the_one_epochs_are_wrapped_to() -> None:
    public = keys.AgreementKey.from_secret(b"k" * 32).public
    key = entry(identity.KEY, b"", LAPTOP.signing, FIRST, agreement=public, generation=1)
    assert fold_log(ROOT.identity, [FIRST, key]).identity_key == (1, public)


# ---- entries that anybody can make up


def junk(subject: bytes, number: int) -> SignedEntry:
    """An entry in our log by a key that nobody entered, which knows of nothing."""
    return entry(identity.RENAME, subject, keys.SigningKey.from_seed(number.to_bytes(32, "big")), name="x")


def add_again(device: DeviceKeys, number: int) -> SignedEntry:
    """A device's own consent, used once more by a key that nobody entered."""
    return add(device, keys.SigningKey.from_seed(number.to_bytes(32, "big")))


@pytest.mark.parametrize("made_up", [junk(THIEF.id, n) for n in range(8)] + [add_again(THIEF, n) for n in range(8)])
def test_no_made_up_entry_makes_a_thief_senior_to_those_who_revoke_it(made_up: SignedEntry) -> None:
    """It stands at the root of the graph, below the laptop's own entry by its hash in half of all cases."""
    stolen = add(THIEF, LAPTOP.signing, FIRST)
    revocation = revoke(THIEF, LAPTOP.signing, stolen, made_up)
    assert live(fold_log(ROOT.identity, [FIRST, stolen, made_up, revocation])) == [LAPTOP.id]


@pytest.mark.parametrize("by_whom", ["anybody", "the thief"])
def test_a_flood_of_entries_leaves_a_new_one_its_own_past(by_whom: str) -> None:
    """An entry can name eight others: whoever makes up many must not crowd out what counts."""
    stolen = add(THIEF, LAPTOP.signing, FIRST)
    flood = [junk(PHONE.id, number) for number in range(300)]
    if by_whom == "the thief":
        flood = [entry(identity.RENAME, THIEF.id, THIEF.signing, stolen, name=f"{n}") for n in range(300)]
    known = [FIRST, SECOND, THIRD, stolen, *flood]
    tips = fold_log(ROOT.identity, known).tips
    assert len(tips) == identity.MAX_PARENTS
    named = [each for each in known if each.hash in tips]
    revocation, joined = revoke(THIEF, LAPTOP.signing, *named), add(TABLET, PHONE.signing, *named)
    after = fold_log(ROOT.identity, [*known, revocation, joined])
    assert live(after) == [LAPTOP.id, DESKTOP.id, PHONE.id, TABLET.id]


def test_a_long_log_takes_memory_and_steps_in_proportion() -> None:
    """A chain of entries, in the order that is worst for linking it."""
    chain = [FIRST]
    for number in range(1_500):
        chain.append(entry(identity.RENAME, LAPTOP.id, LAPTOP.signing, chain[-1], name=f"{number}"))
    fold_log(ROOT.identity, chain)  # the signatures are checked once
    tracemalloc.start()
    try:
        log = fold_log(ROOT.identity, reversed(chain))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert log.devices[LAPTOP.id].name == "1499" and log.tips == (chain[-1].hash,)
    assert peak_bytes < 16 * 1024 * 1024


def test_a_thiefs_newest_identity_key_falls_with_the_device_and_its_number_serves_no_more() -> None:
    """Else everything that is written in the time to come would be wrapped to the thief, for ever."""
    honest, evil, fresh = (keys.AgreementKey.from_secret(bytes([n]) * 32).public for n in (1, 2, 3))
    first = entry(identity.KEY, b"", LAPTOP.signing, THIRD, agreement=honest, generation=1)
    stolen = entry(identity.KEY, b"", PHONE.signing, first, agreement=evil, generation=4)
    ended = revoke(PHONE, LAPTOP.signing, stolen)
    known = [FIRST, SECOND, THIRD, first, stolen]
    assert fold_log(ROOT.identity, known).identity_key == (4, evil)
    assert fold_log(ROOT.identity, [*known, ended]).identity_key == (1, honest)
    generation = fold_log(ROOT.identity, [*known, ended]).next_generation
    renewed = entry(identity.KEY, b"", LAPTOP.signing, ended, agreement=fresh, generation=generation)
    assert fold_log(ROOT.identity, [*known, ended, renewed]).identity_key == (5, fresh)


@pytest.mark.parametrize("generation", [5, 2**53])
def test_an_identity_key_that_claims_to_be_newer_than_the_log_is_deep_is_passed_over(generation: int) -> None:
    honest, evil = (keys.AgreementKey.from_secret(bytes([n]) * 32).public for n in (1, 2))
    first = entry(identity.KEY, b"", LAPTOP.signing, THIRD, agreement=honest, generation=1)
    absurd = entry(identity.KEY, b"", PHONE.signing, first, agreement=evil, generation=generation)
    log = fold_log(ROOT.identity, [FIRST, SECOND, THIRD, first, absurd])
    assert log.identity_key == (1, honest) and log.next_generation == 2


def test_nobody_but_the_root_names_the_recovery_key_and_nobody_takes_it_back() -> None:
    evil = keys.AgreementKey.from_secret(bytes([2]) * 32).public
    stolen = entry(identity.KEY, b"", PHONE.signing, THIRD, agreement=evil, generation=identity.RECOVERY)
    log = fold_log(ROOT.identity, [FIRST, SECOND, THIRD, stolen])
    assert log.recovery is None and not log.identity_keys
    honest = entry(identity.KEY, b"", ROOT.signing, FIRST, agreement=ROOT.recovery.public, generation=identity.RECOVERY)
    entries = [FIRST, SECOND, THIRD, stolen, honest]
    for order in itertools.permutations(entries):
        log = fold_log(ROOT.identity, order)
        assert log.recovery == ROOT.recovery.public and not log.identity_keys


def test_the_key_of_a_revoked_device_serves_as_long_as_there_is_no_other() -> None:
    honest = keys.AgreementKey.from_secret(bytes([1]) * 32).public
    minted = entry(identity.KEY, b"", PHONE.signing, THIRD, agreement=honest, generation=1)
    ended = revoke(PHONE, LAPTOP.signing, minted)
    assert fold_log(ROOT.identity, [FIRST, SECOND, THIRD, minted, ended]).identity_key == (1, honest)


@pytest.mark.parametrize("key", [bytes(32), bytes([1]) + bytes(31), (2**255 - 18).to_bytes(32, "little")])
def test_a_key_of_small_order_enters_no_log(key: bytes) -> None:
    """Wrapping to it fails: whoever had it as their identity key would keep an owner from handing out any key."""
    with pytest.raises(PeerFault, match="no key in it"):
        identity.open_entry(entry(identity.KEY, b"", LAPTOP.signing, FIRST, agreement=key, generation=1))
    consent = PHONE.signing.sign("device-consent", identity.consent_bytes(ROOT.identity, key))
    added = entry(identity.ADD, PHONE.id, LAPTOP.signing, FIRST, agreement=key, consent=consent)
    with pytest.raises(PeerFault, match="no key in it"):
        identity.open_entry(added)


def test_a_forged_entry_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread may hold thousands, and folds them with every record that comes."""
    forged = SignedEntry(SECOND.entry, bytes(64))
    looked: list[bytes] = []
    really = keys.verify

    def verify(public: bytes, *rest: object) -> bool:
        looked.append(public)
        return bool(really(public, *rest))

    monkeypatch.setattr(keys, "verify", verify)
    for _ in range(3):
        with pytest.raises(PeerFault, match="bad signature"):
            identity.open_entry(forged)
    assert len(looked) == 1


def test_many_revocations_of_one_device_cost_no_look_at_each_for_each_of_its_entries() -> None:
    def calls(count: int) -> int:
        said = [THIRD]
        for number in range(count):
            said.append(entry(identity.RENAME, PHONE.id, PHONE.signing, said[-1], name=str(number)))
        ended = [entry(identity.REVOKE, PHONE.id, LAPTOP.signing, said[-1], name=str(n)) for n in range(count)]
        return function_calls(lambda: fold_log(ROOT.identity, [FIRST, SECOND, *said, *ended]))

    calls(160)  # signatures are looked at once
    assert calls(160) < 3 * calls(80)
