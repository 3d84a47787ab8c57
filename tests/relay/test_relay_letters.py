"""Letters: how a login without a certificate comes by one, over real sockets, honest and hostile."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from crdt import keys, wire
from relay import tables
from relay.grants import Refusal
from relay.ledger import Letter
from relay.limits import Limits
from relay.store import SqliteStore
from tests.relay.conversation import Node, RelayProcess, Running, connecting, frames_of, new_key, serving
from tests.relay.older import turn_back
from tests.waiting import until

LIMITS = Limits(letters=3, waits_per_connection=3, drops_per_minute=1000)
NOTHING = (None, b"")


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(tmp_path, LIMITS) as running:
        yield running


@contextlib.asynccontextmanager
async def owning(url: str, room: keys.SigningKey) -> AsyncIterator[Node]:
    """A connection that speaks for the room."""
    async with connecting(url) as owner:
        assert isinstance(await owner.open_room(room), wire.Done)
        assert isinstance(await owner.attach(room, generation=wire.OWN_GENERATION), wire.Attached)
        yield owner


async def deposit(
    node: Node, room: keys.SigningKey, login: bytes, certificate: wire.Certificate | None, letter: bytes = b""
) -> wire.FromRelay:
    return await node.answer(wire.Deposit(node.request(), room.public, login, certificate, letter))


async def claim(node: Node, room: keys.SigningKey) -> tuple[wire.Certificate | None, bytes]:
    claimed = await node.answer(wire.Claim(node.request(), room.public))
    assert isinstance(claimed, wire.Claimed), claimed
    return claimed.certificate, claimed.letter


async def raise_to(node: Node, room: keys.SigningKey, generation: int) -> None:
    signature = room.sign("room-generation", generation.to_bytes(8, "big"))
    answer = await node.answer(wire.RaiseGeneration(node.request(), room.public, generation, signature))
    assert isinstance(answer, wire.Done)


def code(answer: wire.FromRelay) -> str:
    assert isinstance(answer, wire.Refused), answer
    return answer.code


async def nothing_more(node: Node, kind: type) -> None:
    """None of that kind came. Calls go out after the answers that are due: so what was due precedes the second."""
    for _ in range(2):
        await node.answer(wire.Detach(node.request(), new_key().public))
    assert not [kept for kept in node.kept if isinstance(kept, kind)]


# ---- coming in


async def test_a_joiner_claims_once_and_is_called_when_the_answer_is_there(relay: Running) -> None:
    room, frames = new_key(), frames_of(2)
    async with owning(relay.url, room) as owner, connecting(relay.url) as joiner:
        await owner.publish(room, frames)
        assert await claim(joiner, room) == NOTHING
        held = wire.certify(room, joiner.key.public, True, 0)
        assert isinstance(await deposit(owner, room, joiner.key.public, held, b"sealed"), wire.Done)
        assert await joiner.expect(wire.Called) == wire.Called(room.public)
        assert await claim(joiner, room) == (held, b"sealed")
        assert isinstance(await joiner.answer(wire.Attach(joiner.request(), held, 0, b"")), wire.Attached)
        assert await joiner.collect(room, 2) == list(frames)


async def test_every_connection_of_the_login_is_called_again_each_time(relay: Running) -> None:
    room = new_key()
    async with (
        owning(relay.url, room) as owner,
        connecting(relay.url, login=False) as one,
        connecting(relay.url) as two,
    ):
        one.key = two.key
        await one.login()
        await claim(one, room)
        await claim(two, room)
        for letter in (b"first", b"second"):
            await deposit(owner, room, two.key.public, None, letter)
            for node in (one, two):
                assert await node.expect(wire.Called) == wire.Called(room.public)
                assert await claim(node, room) == (None, letter)


async def test_the_newest_takes_the_place_of_the_last_and_nothing_takes_it_away(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        for append in (True, False):
            held = wire.certify(room, member.key.public, append, 0)
            await deposit(owner, room, member.key.public, held, b"%d" % append)
            assert await claim(member, room) == (held, b"%d" % append)
        assert isinstance(await deposit(owner, room, member.key.public, None), wire.Done)
        assert await claim(member, room) == NOTHING
        assert isinstance(await deposit(owner, room, member.key.public, None), wire.Done), "once more is no fault"


async def test_a_raise_withholds_the_certificate_until_a_new_one_is_left(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        old, new = (wire.certify(room, member.key.public, True, generation) for generation in (3, 4))
        await deposit(owner, room, member.key.public, old, b"note")
        await raise_to(owner, room, 3)
        assert await claim(member, room) == (old, b"note"), "as high as the room's is high enough"
        await member.answer(wire.Attach(member.request(), old, 0, b""))
        await raise_to(owner, room, 4)
        assert (await member.expect(wire.Refused)).code == "no-right"
        assert await claim(member, room) == (None, b"note")
        assert code(await deposit(owner, room, member.key.public, old, b"late")) == "bad-certificate"
        assert await claim(member, room) == (None, b"note"), "what was refused changed nothing"
        assert isinstance(await deposit(owner, room, member.key.public, new, b""), wire.Done)
        assert await member.expect(wire.Called) == wire.Called(room.public)
        assert await claim(member, room) == (new, b"")
        assert isinstance(await member.answer(wire.Attach(member.request(), new, 0, b"")), wire.Attached)


async def test_who_is_ended_by_a_raise_neither_publishes_nor_whispers_nor_hears_from_then_on(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        await member.attach(room, generation=3)
        assert isinstance(await member.publish(room, frames_of(1)), wire.Stored)
        await raise_to(owner, room, 4)
        assert (await member.expect(wire.Refused)).code == "no-right"
        member.kept.clear()  # what was delivered until then
        assert code(await member.publish(room, frames_of(1))) == "no-right"
        await member.send(wire.Whisper(room.public, b"still here"))
        assert (await member.expect(wire.Refused)).code == "no-right"
        await owner.publish(room, frames_of(1))
        await owner.send(wire.Whisper(room.public, b"among us"))
        await nothing_more(member, wire.Heard)
        await nothing_more(member, wire.Deliver)
        await nothing_more(owner, wire.Heard)


async def test_the_rooms_own_stay_whatever_is_raised(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, owning(relay.url, room) as other:
        await raise_to(other, room, wire.OWN_GENERATION)
        assert isinstance(await deposit(owner, room, new_key().public, None, b"x"), wire.Done)
        assert isinstance(await owner.attach(room, generation=wire.OWN_GENERATION), wire.Attached)
        assert not [kept for kept in owner.kept if isinstance(kept, wire.Refused)]


async def test_whoever_detached_is_called_no_more(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as left:
        await claim(left, room)
        await left.answer(wire.Detach(left.request(), room.public))
        await deposit(owner, room, left.key.public, None, b"x")
        await nothing_more(left, wire.Called)
        assert len(relay.relay._handlers.waiting) == 0


async def test_an_ended_connection_waits_for_nothing(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room), connecting(relay.url) as gone:
        await claim(gone, room)
        assert len(relay.relay._handlers.waiting) == 1
        await gone.ws.close()
        await until(lambda: len(relay.relay._handlers.waiting) == 0, "the connection's end")


# ---- the bell


async def test_mail_rings_at_the_rooms_own_once_it_is_stored_and_nowhere_else(relay: Running) -> None:
    room, other = new_key(), new_key()
    async with (
        owning(relay.url, room) as owner,
        owning(relay.url, other) as elsewhere,
        connecting(relay.url) as member,
        connecting(relay.url) as stranger,
    ):
        await member.attach(room, generation=7)
        await claim(member, room)
        assert isinstance(await stranger.answer(wire.Drop(1, room.public, b"redemption")), wire.Done)
        assert await owner.expect(wire.Rung) == wire.Rung(room.public)
        mail = await owner.answer(wire.TakeMail(owner.request(), room.public, 0))
        assert isinstance(mail, wire.Mail) and mail.items == (b"redemption",)
        for node in (member, elsewhere, stranger):
            await nothing_more(node, wire.Rung)


async def test_who_takes_the_mail_of_one_room_takes_nothing_of_another(relay: Running) -> None:
    rooms = [new_key() for _ in range(3)]
    async with (
        owning(relay.url, rooms[0]) as first,
        owning(relay.url, rooms[1]) as second,
        owning(relay.url, rooms[2]) as third,
    ):
        for owner, room in zip((first, second, third), rooms, strict=True):
            for number in range(3):
                await owner.answer(wire.Drop(owner.request(), room.public, b"%d" % number))

        async def take(owner: Node, room: keys.SigningKey, upto: int) -> tuple[bytes, ...]:
            mail = await owner.answer(wire.TakeMail(owner.request(), room.public, upto))
            assert isinstance(mail, wire.Mail)
            return mail.items

        assert await take(second, rooms[1], 2) == (b"2",)
        assert await take(second, rooms[1], 1_000) == ()
        assert await take(first, rooms[0], 0) == await take(third, rooms[2], 0) == (b"0", b"1", b"2")
        assert code(await first.answer(wire.TakeMail(first.request(), rooms[1].public, 1_000))) == "no-right"


async def test_refused_mail_does_not_ring(tmp_path: Path) -> None:
    room = new_key()
    async with serving(tmp_path, Limits(mailbox_items=1)) as relay, owning(relay.url, room) as owner:
        await owner.answer(wire.Drop(owner.request(), room.public, b"one"))
        await owner.expect(wire.Rung)
        assert code(await owner.answer(wire.Drop(owner.request(), room.public, b"two"))) == "quota"
        await nothing_more(owner, wire.Rung)


async def test_calls_nobody_has_read_yet_are_kept_once(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner:
        connection = next(iter(relay.relay._connections.values()))
        for _ in range(1000):  # no task runs between them: none is sent meanwhile
            connection.call(wire.Rung(room.public))
            connection.call(wire.Called(room.public))
        assert await owner.expect(wire.Rung) == wire.Rung(room.public)
        assert await owner.expect(wire.Called) == wire.Called(room.public)
        for kind in (wire.Rung, wire.Called):
            await nothing_more(owner, kind)


# ---- attacks


@pytest.mark.parametrize("append", [True, False])
async def test_a_member_leaves_no_letters_and_takes_no_mail(relay: Running, append: bool) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member, connecting(relay.url) as other:
        await owner.answer(wire.Drop(owner.request(), room.public, b"redemption"))
        held = wire.certify(room, other.key.public, True, 0)
        await deposit(owner, room, other.key.public, held, b"genuine")
        await member.attach(room, append=append, generation=wire.OWN_GENERATION - 1)
        for login in (member.key.public, other.key.public):
            assert code(await deposit(member, room, login, None, b"forged")) == "no-right"
            assert code(await deposit(member, room, login, None)) == "no-right"
        assert code(await member.answer(wire.TakeMail(member.request(), room.public, 9))) == "no-right"
        assert await claim(other, room) == (held, b"genuine")
        mail = await owner.answer(wire.TakeMail(owner.request(), room.public, 0))
        assert isinstance(mail, wire.Mail) and mail.items == (b"redemption",)


async def test_a_connection_that_left_or_never_attached_leaves_no_letters(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as stranger:
        assert code(await deposit(stranger, room, stranger.key.public, None, b"x")) == "no-right"
        await owner.answer(wire.Detach(owner.request(), room.public))
        assert code(await deposit(owner, room, stranger.key.public, None, b"x")) == "no-right"
        assert code(await deposit(owner, new_key(), stranger.key.public, None, b"x")) == "no-right"


async def test_a_forged_own_generation_opens_nothing(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room), connecting(relay.url) as member:
        genuine = wire.certify(room, member.key.public, True, 0)
        forged = msgspec.structs.replace(genuine, generation=wire.OWN_GENERATION)
        assert code(await member.answer(wire.Attach(member.request(), forged, 0, b""))) == "bad-certificate"
        assert code(await deposit(member, room, member.key.public, None, b"x")) == "no-right"


async def test_what_is_left_for_one_login_is_shown_and_told_to_no_other(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member, connecting(relay.url) as nosy:
        assert await claim(nosy, room) == NOTHING
        await claim(member, room)
        await deposit(owner, room, member.key.public, wire.certify(room, member.key.public, True, 0), b"for one")
        await member.expect(wire.Called)
        assert await claim(nosy, room) == NOTHING
        await nothing_more(nosy, wire.Called)


async def test_a_letter_in_one_room_says_nothing_in_another(relay: Running) -> None:
    room, other = new_key(), new_key()
    async with owning(relay.url, room) as owner, owning(relay.url, other), connecting(relay.url) as member:
        await claim(member, other)
        await deposit(owner, room, member.key.public, None, b"x")
        assert await claim(member, other) == NOTHING
        await nothing_more(member, wire.Called)


async def test_certificates_that_prove_nothing_are_not_kept(relay: Running) -> None:
    room, other = new_key(), new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        login = member.key.public
        reader = wire.certify(room, login, False, 1)
        bad = {
            "of another room": wire.certify(other, login, True, 1),
            "for another login": wire.certify(room, owner.key.public, True, 1),
            "with more rights": msgspec.structs.replace(reader, append=True),
            "with a later generation": msgspec.structs.replace(reader, generation=2),
            "with no signature": msgspec.structs.replace(reader, signature=bytes(64)),
        }
        for name, certificate in bad.items():
            assert code(await deposit(owner, room, login, certificate, b"x")) == "bad-certificate", name
        assert await claim(member, room) == NOTHING


async def test_letters_need_a_login_a_room_and_a_size(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url, login=False) as nobody:
        assert code(await owner.answer(wire.Claim(owner.request(), new_key().public))) == "no-room"
        assert isinstance(await deposit(owner, room, new_key().public, None, bytes(wire.MAX_LETTER_BYTES)), wire.Done)
        await owner.send(wire.Deposit(9, room.public, room.public, None, bytes(wire.MAX_LETTER_BYTES + 1)))
        assert code(await owner.expect(wire.Refused)) == "bad-message"
        await owner.closed()
        await nobody.send(wire.Claim(1, room.public))
        assert code(await nobody.expect(wire.Refused)) == "bad-login"


async def test_answers_without_a_certificate_make_way_and_certificates_do_not(relay: Running) -> None:
    """Whoever has a link, also a closed one, can have the owner leave answers to any number of logins."""
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member, connecting(relay.url) as refused:
        held = wire.certify(room, member.key.public, True, 0)
        await deposit(owner, room, member.key.public, held)
        for login in (refused.key.public, *(new_key().public for _ in range(3))):
            assert isinstance(await deposit(owner, room, login, None, b"no"), wire.Done)
        assert await claim(member, room) == (held, b"")
        assert await claim(refused, room) == NOTHING, "the oldest of them"
        for login in [new_key().public for _ in range(2)]:
            assert isinstance(await deposit(owner, room, login, wire.certify(room, login, True, 0)), wire.Done)
        assert code(await deposit(owner, room, new_key().public, None, b"no")) == "quota"
        await raise_to(owner, room, 1)  # and those that have ended let nobody in, either
        assert isinstance(await deposit(owner, room, new_key().public, None, b"no"), wire.Done)


async def test_a_room_keeps_letters_for_so_many_logins(relay: Running) -> None:
    room, other = new_key(), new_key()
    logins = [new_key().public for _ in range(4)]
    async with owning(relay.url, room) as owner:
        held = [wire.certify(room, login, True, 0) for login in logins]
        answers = [await deposit(owner, room, each.login, each, b"x") for each in held]
        assert [type(answer) for answer in answers[:3]] == [wire.Done] * 3 and code(answers[3]) == "quota"
        assert isinstance(await deposit(owner, room, logins[0], None, b"again"), wire.Done), "it has its place"
        await deposit(owner, room, logins[1], None)
        assert isinstance(await deposit(owner, room, logins[3], None, b"x"), wire.Done)
        async with owning(relay.url, other) as elsewhere:
            assert isinstance(await deposit(elsewhere, other, logins[1], None, b"x"), wire.Done)


async def test_a_flood_of_claims_is_bounded_and_the_others_are_served(relay: Running) -> None:
    rooms = [new_key() for _ in range(4)]
    async with connecting(relay.url) as owner, connecting(relay.url) as flooder, connecting(relay.url) as honest:
        for room in rooms:
            await owner.open_room(room)
        for room in rooms[:3] * 3:
            assert await claim(flooder, room) == NOTHING
        assert code(await flooder.answer(wire.Claim(flooder.request(), rooms[3].public))) == "busy"
        assert len(relay.relay._handlers.waiting) == 3
        assert await claim(honest, rooms[3]) == NOTHING
        await flooder.answer(wire.Detach(flooder.request(), rooms[0].public))
        assert await claim(flooder, rooms[3]) == NOTHING


# ---- on the disk


async def test_what_was_acknowledged_is_there_after_a_kill(tmp_path: Path) -> None:
    room, member = new_key(), new_key()
    held = wire.certify(room, member.public, True, 2)
    first = await RelayProcess(tmp_path).start()
    async with owning(first.url, room) as owner:
        await raise_to(owner, room, 2)
        assert isinstance(await deposit(owner, room, member.public, held, b"kept"), wire.Done)
        await first.kill()
    second = await RelayProcess(tmp_path).start()
    async with connecting(second.url, login=False) as back:
        back.key = member
        await back.login()
        assert await claim(back, room) == (held, b"kept")
    assert await second.stop() == 0


async def test_a_letter_is_not_acknowledged_on_a_full_disk_and_can_still_be_claimed(relay: Running) -> None:
    room = new_key()
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        await deposit(owner, room, member.key.public, None, b"before")
        connection = relay.store._connection
        connection.execute(f"PRAGMA max_page_count={connection.execute('PRAGMA page_count').fetchone()[0]}")
        # Larger than what is left of the pages that are there already.
        answers = [await deposit(owner, room, new_key().public, None, bytes(4096)) for _ in range(2)]
        assert {code(answer) for answer in answers} == {"full"}
        assert await claim(member, room) == (None, b"before")


async def test_looking_for_letters_costs_no_write(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path, Limits())
    room = await store.open_room(bytes(32))
    changes = store._connection.total_changes
    for number in range(5):
        assert (await store.claim(room.number, bytes([number]) * 32)).body == b""
    assert store._connection.total_changes == changes
    await store.close()


async def test_a_raise_and_a_deposit_at_once_keep_no_ended_certificate(tmp_path: Path) -> None:
    room, login = new_key(), new_key().public
    async with serving(tmp_path) as relay, owning(relay.url, room):
        store = relay.store
        state = await store.find_room(room.public)
        assert state is not None
        letter = Letter(wire.certify(room, login, True, 1), b"")
        raised, kept = await asyncio.gather(
            store.raise_generation(state.number, 2), store.deposit(state.number, login, letter), return_exceptions=True
        )
        assert raised == 2 and isinstance(kept, Refusal) and kept.code == "bad-certificate"
        assert (await store.claim(state.number, login)).certificate is None


# ---- a database of an older version


def put_back(path: Path, version: int = 1) -> None:
    older = sqlite3.connect(path)
    turn_back(older, version)
    older.close()


async def test_a_database_without_letters_gains_them_and_keeps_all_it_has(tmp_path: Path) -> None:
    room, login, frames = new_key(), new_key().public, frames_of(5)
    held = wire.certify(room, login, True, 4)
    first = await SqliteStore.open(tmp_path, Limits())
    number = (await first.open_room(room.public)).number
    await first.append(number, frames)
    await first.raise_generation(number, 4)
    await first.drop(number, b"mail")
    store_id = first.id
    await first.close()
    put_back(tmp_path / "relay.db")
    for _ in range(2):  # the second time there is nothing to bring up to date
        store = await SqliteStore.open(tmp_path, Limits())
        state = await store.find_room(room.public)
        assert state is not None and (store.id, state.last, state.generation) == (store_id, 5, 4)
        assert (await store.read(number, 0, 10, 10_000)).frames == frames
        assert await store.take(number, 0) == (1, [b"mail"])
        assert store._connection.execute("PRAGMA user_version").fetchone() == (tables.SCHEMA_VERSION,)
        await store.deposit(number, login, Letter(held, b"letter"))
        assert await store.claim(number, login) == Letter(held, b"letter")
        await store.close()


async def test_an_upgrade_and_a_new_database_have_the_same_tables(tmp_path: Path) -> None:
    found = []
    for version in range(tables.SCHEMA_VERSION, 0, -1):
        folder = tmp_path / str(version)
        folder.mkdir()
        await (await SqliteStore.open(folder, Limits())).close()
        put_back(folder / "relay.db", version)
        await (await SqliteStore.open(folder, Limits())).close()
        reading = sqlite3.connect(folder / "relay.db")
        found.append(reading.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall())
        reading.close()
    assert all(each == found[0] for each in found)
    assert {name for kind, name, _ in found[0] if kind == "table"} == set(tables.NAMES[tables.SCHEMA_VERSION])


async def test_what_was_read_of_an_older_database_is_not_read_again(tmp_path: Path) -> None:
    """Its nodes remember the hash of the frame at their cursor; what is appended now has a check that is drawn."""
    frames = frames_of(4)
    store = await SqliteStore.open(tmp_path, Limits())
    number = (await store.open_room(bytes(32))).number
    await store.append(number, frames[:3])
    await store.close()
    put_back(tmp_path / "relay.db", 2)
    store = await SqliteStore.open(tmp_path, Limits())
    appended = await store.append(number, frames[3:])
    assert [await store.check_at(number, cursor) for cursor in (1, 2, 3, 4)] == [
        *map(wire.frame_hash, frames[:3]),
        appended.batch,
    ]
    assert (await store.read(number, 0, 3, 10_000)).check == wire.frame_hash(frames[2])
    await store.close()


async def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    await (await SqliteStore.open(tmp_path, Limits())).close()
    path = tmp_path / "relay.db"
    put_back(path)
    full = sqlite3.connect(path, isolation_level=None)
    full.execute(f"PRAGMA max_page_count={full.execute('PRAGMA page_count').fetchone()[0]}")
    full.execute("VACUUM")
    full.execute(f"PRAGMA max_page_count={full.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        tables.upgrade(full, 1)
    full.close()
    again = sqlite3.connect(path)
    assert again.execute("PRAGMA user_version").fetchone() == (1,)
    assert not again.execute("SELECT 1 FROM sqlite_master WHERE name = 'letters'").fetchall()
    again.close()
    await (await SqliteStore.open(tmp_path, Limits())).close()


async def test_what_is_left_while_somebody_looks_is_told_to_them(
    relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They found nothing, and nobody would ever call them again."""
    room, looked = new_key(), relay.store.claim
    async with owning(relay.url, room) as owner, connecting(relay.url) as joiner:

        async def look(number: int, login: bytes) -> Letter:
            letter = await looked(number, login)
            monkeypatch.setattr(relay.store, "claim", looked)
            assert isinstance(await deposit(owner, room, joiner.key.public, None, b"sealed"), wire.Done)
            return letter

        monkeypatch.setattr(relay.store, "claim", look)
        assert await claim(joiner, room) == NOTHING
        assert await joiner.expect(wire.Called) == wire.Called(room.public)
        assert await claim(joiner, room) == (None, b"sealed")


async def test_who_claims_without_end_is_told_to_wait(tmp_path: Path) -> None:
    """Each claim is a look into the store: it costs as much as a signature."""
    room, limits = new_key(), Limits(frames_per_second=1, burst_frames=20)
    async with serving(tmp_path, limits) as slow, owning(slow.url, room), connecting(slow.url) as joiner:
        answers = [await joiner.answer(wire.Claim(joiner.request(), room.public)) for _ in range(5)]
    assert [isinstance(each, wire.Claimed) for each in answers] == [True] * 4 + [False]
    assert code(answers[-1]) == "rate"


async def test_whose_certificate_ends_while_they_attach_is_told_that_alone_and_gets_no_frame(
    relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody put out in just that moment: the relay was still comparing what they had read."""
    room, compared = new_key(), relay.store.check_at
    async with owning(relay.url, room) as owner, connecting(relay.url) as member:
        for frame in frames_of(2):
            await owner.publish(room, (frame,))

        async def compare(number: int, cursor: int) -> bytes | None:
            check = await compared(number, cursor)
            await raise_to(owner, room, 1)
            return check

        monkeypatch.setattr(relay.store, "check_at", compare)
        assert code(await member.attach(room, 1, b"of another log")) == "no-right"
        await nothing_more(member, wire.Attached)
        assert not [each for each in member.kept if isinstance(each, wire.Deliver)]
