"""What the recovery words open: their key is named by the root alone, and nobody else's takes its place."""

from pathlib import Path

import pytest

from crdt import errors, keys, words
from crdt.frames import parse_frame, unwrap_keys
from crdt.identity import KEY, RECOVERY, Root
from crdt.thread import set_shared, shared_values
from node.affairs import read_affairs
from node.devices import Devices
from node.identity import Log
from node.recovery import Recovery
from tests.crdt.people import Desk, Person
from tests.crdt.test_revocation import end, owner_with
from tests.crdt.world import SHARED, pass_round
from tests.node.second_device import Machine, enter, machine

EVIL = keys.AgreementKey.from_secret(b"the private half is the thief's.")


class Nowhere:
    async def caught_up(self) -> None:
        raise AssertionError("there is nothing to wait for")


def write(desk: Desk, **values: object) -> None:
    """Put plain values among the account's keys, as any device may."""
    desk.kept(desk.replica.commit(SHARED, lambda doc: set_shared(doc, "keys", values)))


def with_a_thief(*, entered: bool) -> tuple[Person, Desk]:
    """An account whose phone was ended after it had put another recovery key into it."""
    owner, (laptop, phone) = owner_with("phone")
    write(laptop, recovery=owner.root.recovery.public.hex())
    if entered:
        owner.log(KEY, owner.root.signing, agreement=owner.root.recovery.public, generation=RECOVERY)
        laptop.introduce(owner)
    pass_round(laptop, phone)
    write(phone, recovery=EVIL.public.hex())
    owner.log(KEY, owner.devices["phone"].signing, agreement=EVIL.public, generation=RECOVERY)
    phone.introduce(owner)
    pass_round(laptop, phone)
    assert shared_values(laptop.replica, "keys")["recovery"] == EVIL.public.hex()
    return owner, laptop


def test_a_recovery_key_that_a_thief_wrote_stands_beside_the_roots_in_vain() -> None:
    owner, laptop = with_a_thief(entered=True)
    assert read_affairs(laptop.replica, owner.id, {}).recovery == owner.root.recovery.public
    end(laptop, owner, "phone")
    assert read_affairs(laptop.replica, owner.id, {}).recovery == owner.root.recovery.public


def test_without_the_roots_word_no_recovery_key_is_believed_once_a_device_was_ended() -> None:
    owner, laptop = with_a_thief(entered=False)
    end(laptop, owner, "phone")
    assert read_affairs(laptop.replica, owner.id, {}).recovery == b""


def test_a_login_of_the_greatest_number_leaves_a_next_one() -> None:
    owner, (laptop, phone) = owner_with("phone")
    write(laptop, **{"login/1": bytes(32).hex()})
    pass_round(laptop, phone)
    write(phone, **{f"login/{number}": EVIL.secret.hex() for number in (10**15 - 1, 2**53, "9" * 1000, "02")})
    pass_round(laptop, phone)
    assert list(read_affairs(laptop.replica, owner.id, {}).logins) == [1]


# ---- homes


async def newest_wraps(of: Machine, key: keys.AgreementKey) -> int:
    """How many of the account's frames bring a content key that this private key opens."""
    frames = await of.store.frames_by_hash(of.account.thread, await of.hashes(of.account.thread))
    return sum(bool(outside and unwrap_keys(outside, [key])) for outside in (parse_frame(f).outside for f in frames))


async def of_yesterday(here: Machine, monkeypatch: pytest.MonkeyPatch) -> Root:
    """An identity as an earlier version made it: with the recovery key as a plain value alone."""
    with monkeypatch.context() as patched:
        patched.setattr(Log, "add_recovery_key", lambda log, root, at_ms: False)
        await here.account.ensure()
    root = here.account.root()
    assert root is not None and here.account.affairs.log.recovery is None
    return root


async def test_a_new_identity_has_the_recovery_key_in_its_log(tmp_path: Path) -> None:
    async with machine(tmp_path, "laptop") as laptop:
        await laptop.account.ensure()
        root = laptop.account.root()
        assert root is not None and laptop.account.affairs.log.recovery == root.recovery.public
        assert not await laptop.account.enter_recovery()


async def test_a_home_of_yesterday_enters_it_while_it_has_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine(tmp_path, "laptop") as laptop:
        root = await of_yesterday(laptop, monkeypatch)
        assert laptop.account.affairs.recovery == root.recovery.public, "no device was ended: the plain value serves"
        again = Machine(laptop.store, "laptop")
        await again.account.load(again.threads)
        assert await again.account.enter_recovery()
        assert again.account.affairs.log.recovery == root.recovery.public


async def test_a_home_of_yesterday_whose_words_are_confirmed_asks_for_them_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine(tmp_path, "laptop") as laptop, machine(tmp_path, "phone") as phone:
        account = laptop.account
        root = await of_yesterday(laptop, monkeypatch)
        seed = account.installation and account.installation.root_seed
        assert seed
        await account.forget_root()
        await enter(laptop, phone)
        await account.put("keys", {"recovery": EVIL.public.hex()})  # as the thief of the phone would
        assert account.affairs.recovery == EVIL.public, "nobody can tell, before the phone is ended"
        before = await newest_wraps(laptop, EVIL)
        await Devices(account, laptop.threads).revoke(account.affairs.log.live()[1].name)
        assert account.affairs.recovery == b"" and await newest_wraps(laptop, EVIL) == before
        assert not await account.enter_recovery(), "the root isn't here"
        recovery = Recovery(account, laptop.threads, Nowhere())
        with pytest.raises(errors.OpenSeshError) as wrong:
            await recovery.confirm(words.phrase_from_seed(bytes(32)))
        assert wrong.value.kind is errors.RECOVERY_PHRASE_WRONG
        await recovery.confirm(words.phrase_from_seed(seed))
        assert account.affairs.recovery == root.recovery.public
        with pytest.raises(errors.OpenSeshError) as done:
            await recovery.confirm(words.phrase_from_seed(seed))
        assert done.value.kind is errors.RECOVERY_CONFIRMED


async def test_a_revocation_by_the_words_enters_their_key_and_wraps_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with machine(tmp_path, "laptop") as laptop, machine(tmp_path, "phone") as phone:
        root = await of_yesterday(laptop, monkeypatch)
        await laptop.account.forget_root()
        await enter(laptop, phone)
        await laptop.account.put("keys", {"recovery": EVIL.public.hex()})
        before = await newest_wraps(laptop, root.recovery)
        await Devices(laptop.account, laptop.threads).revoke("phone", root)
        assert laptop.account.affairs.recovery == root.recovery.public
        assert await newest_wraps(laptop, root.recovery) == before + 1


async def test_an_absurd_identity_key_of_the_ended_device_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    async with machine(tmp_path, "laptop") as laptop, machine(tmp_path, "phone") as phone:
        await laptop.account.ensure()
        await enter(laptop, phone)
        account = laptop.account
        await account.put("keys", {f"identity/{10**15 - 1}": EVIL.secret.hex(), f"login/{2**53}": EVIL.secret.hex()})
        await Devices(account, laptop.threads).revoke("phone")
        newest = account.affairs.log.identity_key
        assert newest is not None and newest == (2, account.newest_identity_key()) and newest[1] != EVIL.public
        assert max(account.affairs.logins) == 2
