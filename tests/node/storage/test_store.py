"""What the store keeps, and how it gives it back."""

import asyncio
from pathlib import Path
from typing import cast

import pytest

from crdt.errors import CURSOR_UNKNOWN, OpenSeshError
from node.storage.apply import PRUNE_EVERY
from node.store import (
    Answer,
    Batch,
    DuplicateRequest,
    FrameMark,
    FrameStatus,
    NewEvent,
    RoomProgress,
    Run,
    Store,
    Text,
)
from tests.node.storage.store_rows import KEY, a_frame, a_summary, ident


async def test_one_batch_stores_frames_events_summary_and_texts_together(store: Store) -> None:
    written = await store.write(
        Batch(
            frames=[a_frame("a", 1), a_frame("a", 2)],
            events=[NewEvent(ident("a"), b"one"), NewEvent(ident("a"), b"two")],
            summaries=[a_summary("a", b"summary")],
            texts=[Text(ident("a"), "m1", "hello world")],
        )
    )
    assert written.cursors == (1, 2)
    assert written.frame_rows == (1, 2)
    assert [frame.sequence for frame in await store.frames(ident("a"))] == [1, 2]
    assert [event.payload for event in await store.events(0)] == [b"one", b"two"]
    assert [summary.payload for summary in await store.summaries()] == [b"summary"]
    assert [hit.message async for hit in store.search("WORLD")] == ["m1"]


async def test_what_was_written_is_there_after_opening_again(database_path: Path) -> None:
    first = await Store.open(database_path, KEY)
    assert first.opened.created
    await first.write(Batch(frames=[a_frame("a", 1)], secrets={"device-seed": b"seed"}))
    await first.close()
    again = await Store.open(database_path, KEY)
    assert not again.opened.created
    assert not again.opened.unclean
    assert (await again.frame(ident("a"), a_frame("a", 1).envelope)) is not None
    assert await again.secret("device-seed") == b"seed"
    await again.close()


async def test_a_frame_is_kept_once_and_the_first_copy_stays(store: Store) -> None:
    await store.write(Batch(frames=[a_frame("a", 1, origin=3)]))
    written = await store.write(Batch(frames=[a_frame("a", 1), a_frame("a", 2)]))
    assert written.frame_rows[0] is None
    assert [frame.origin for frame in await store.frames(ident("a"))] == [3, 0]


async def test_a_batch_that_fails_stores_nothing_and_takes_nobody_along(store: Store) -> None:
    await store.write(Batch(answer=Answer("request", 1, b"done")))
    good, repeated = await asyncio.gather(
        store.write(Batch(frames=[a_frame("a", 1)])),
        store.write(Batch(frames=[a_frame("a", 2)], answer=Answer("request", 2, b"again"))),
        return_exceptions=True,
    )
    assert not isinstance(good, BaseException)
    assert isinstance(repeated, DuplicateRequest)
    assert repeated.response == b"done"
    assert [frame.sequence for frame in await store.frames(ident("a"))] == [1]


async def test_a_batch_that_fails_half_way_leaves_no_half_of_it(store: Store) -> None:
    broken = Batch(
        frames=[a_frame("a", 1)],
        texts=[Text(ident("a"), "m", "text")],
        progress=[RoomProgress(1, cast(bytes, object()), 0, b"", 0)],
    )
    neighbours = [store.write(Batch(frames=[a_frame("b", number)])) for number in range(2)]
    outcomes = await asyncio.gather(neighbours[0], store.write(broken), neighbours[1], return_exceptions=True)
    assert [isinstance(outcome, BaseException) for outcome in outcomes] == [False, True, False]
    assert await store.frames(ident("a")) == []
    assert [hit async for hit in store.search("text")] == []
    assert len(await store.frames(ident("b"))) == 2


async def test_writes_that_are_due_at_once_share_a_transaction(store: Store) -> None:
    before = store.transactions
    await asyncio.gather(*(store.write(Batch(frames=[a_frame("a", number)])) for number in range(200)))
    assert store.transactions - before <= 2
    assert len(await store.frames(ident("a"))) == 200


async def test_event_cursors_follow_the_order_of_writes(store: Store) -> None:
    written = await asyncio.gather(
        *(store.write(Batch(events=[NewEvent(ident("a"), str(number).encode())])) for number in range(50))
    )
    assert [each.cursors[0] for each in written] == list(range(1, 51))
    assert [event.payload for event in await store.events(10, limit=2)] == [b"10", b"11"]


async def test_events_of_one_thread_keep_the_cursors_of_all(store: Store) -> None:
    await store.write(Batch(events=[NewEvent(ident(name), name.encode()) for name in "abab"]))
    assert [event.cursor for event in await store.events(0, thread=ident("b"))] == [2, 4]


async def test_a_cursor_of_another_device_or_below_the_floor_is_refused(store: Store) -> None:
    await store.write(Batch(events=[NewEvent(ident("a"), b"x") for _ in range(10)]))
    assert await store.keep_events(4) == 6
    assert await store.event_bounds() == (6, 10)
    assert [event.cursor for event in await store.events(6)] == [7, 8, 9, 10]
    for cursor in (5, 11):
        with pytest.raises(OpenSeshError) as refused:
            await store.events(cursor)
        assert refused.value.kind is CURSOR_UNKNOWN


async def test_a_node_that_runs_for_months_keeps_no_more_events_than_it_was_told(store: Store) -> None:
    await store.keep_events(100)
    for _ in range(2 * PRUNE_EVERY // 64):
        await store.write(Batch(events=[NewEvent(ident("a"), b"x") for _ in range(64)]))
    floor, last = await store.event_bounds()
    assert last == 2 * PRUNE_EVERY
    assert 100 <= last - floor < 100 + PRUNE_EVERY


async def test_cursors_and_rows_are_not_used_again_after_a_thread_is_forgotten(store: Store) -> None:
    batch = Batch(frames=[a_frame("a", 1)], events=[NewEvent(ident("a"), b"x")], summaries=[a_summary("a")])
    await store.write(batch)
    await store.write(Batch(forget=[ident("a")]))
    assert await store.frames(ident("a")) == []
    assert await store.summaries() == []
    again = await store.write(batch)
    assert again.cursors == (2,)
    assert again.frame_rows == (2,)


async def test_forgetting_a_thread_leaves_others_alone(store: Store) -> None:
    for name in "ab":
        await store.write(
            Batch(
                frames=[a_frame(name, 1)],
                summaries=[a_summary(name)],
                texts=[Text(ident(name), "m", f"word {name}")],
                progress=[RoomProgress(1, ident(f"room of {name}"), 5, b"c" * 16, 1)],
                runs=[Run(f"run {name}", ident(name), "completed", b"")],
            )
        )
    await store.write(Batch(forget=[ident("a")]))
    assert [hit.text async for hit in store.search("word")] == ["word b"]
    assert list(await store.progress(1)) == [ident("room of b")]
    assert await store.run("run a") is None
    assert await store.run("run b") is not None
    assert (await store.counts())["frames"] == 1


async def test_only_what_an_origin_lacks_is_to_be_uploaded_to_it(store: Store) -> None:
    relay = await store.origin_number("relay", "ws://one")
    await store.write(
        Batch(frames=[a_frame("a", 1), a_frame("a", 2, origin=relay)], summaries=[a_summary("a"), a_summary("b")])
    )
    assert await store.frames_to_upload(relay) == [(ident("a"), 1)]
    assert [frame.row for frame in await store.frames(ident("a"), not_from=relay)] == [1]
    await store.write(Batch(progress=[RoomProgress(relay, ident("room of a"), 1, b"h" * 16, 2)]))
    assert await store.frames_to_upload(relay) == []
    await store.write(Batch(frames=[a_frame("a", 3)]))
    assert await store.frames_to_upload(relay) == [(ident("a"), 1)]


async def test_a_mark_that_two_tasks_move_goes_back_in_neither_half(store: Store) -> None:
    room = ident("room of a")
    await store.write(Batch(progress=[RoomProgress(1, room, 3, b"3" * 16, 10)]))
    await store.write(Batch(progress=[RoomProgress(1, room, 5, b"5" * 16, 4)]))  # read when the upload was at 4
    assert await store.progress(1) == {room: RoomProgress(1, room, 5, b"5" * 16, 10)}
    await store.write(Batch(progress=[RoomProgress(1, room, 3, b"3" * 16, 12)]))  # and the other way round
    assert await store.progress(1) == {room: RoomProgress(1, room, 5, b"5" * 16, 12)}


async def test_known_hashes_are_those_of_that_thread(store: Store) -> None:
    await store.write(Batch(frames=[a_frame("a", 1), a_frame("b", 1)]))
    asked = [a_frame("a", 1).hash, a_frame("b", 1).hash, a_frame("a", 2).hash]
    assert await store.known_hashes(ident("a"), asked) == {a_frame("a", 1).hash}


async def test_an_origin_keeps_its_number(store: Store) -> None:
    first = await store.origin_number("relay", "ws://one")
    assert await store.origin_number("device", "ws://one") != first
    assert await store.origin_number("relay", "ws://one") == first
    assert [(origin.kind, origin.name) for origin in await store.origins()] == [
        ("relay", "ws://one"),
        ("device", "ws://one"),
    ]


async def test_a_frame_being_tried_is_found_at_the_next_start(store: Store) -> None:
    await store.write(Batch(frames=[a_frame("a", 1), a_frame("a", 2)]))
    await store.write(Batch(marks=[FrameMark(ident("a"), a_frame("a", 2).envelope, FrameStatus.TRYING)]))
    assert await store.frames_being_tried() == [(ident("a"), a_frame("a", 2).envelope)]


async def test_a_streamed_thread_comes_whole_and_in_order(store: Store) -> None:
    for start in range(0, 1200, 400):
        await store.write(Batch(frames=[a_frame("a", number) for number in range(start, start + 400)]))
    assert [frame.sequence async for frame in store.stream_frames(ident("a"))] == list(range(1200))


async def test_names_are_set_replaced_and_deleted(store: Store) -> None:
    await store.write(Batch(settings={"a": b"1", "b": b"2"}, checkpoints={"/some/file": b"9"}))
    await store.write(Batch(settings={"a": None, "b": b"3"}))
    assert await store.settings() == {"b": b"3"}
    assert await store.setting("a") is None
    assert await store.checkpoints() == {"/some/file": b"9"}
    await store.write(Batch(secrets={"seed": b"s"}))
    assert await store.secret("seed") == b"s"
    await store.write(Batch(secrets={"seed": None}))
    assert await store.secret("seed") is None


async def test_unfinished_runs_are_found_by_state(store: Store) -> None:
    for number, state in enumerate(("queued", "streaming", "completed")):
        await store.write(Batch(runs=[Run(str(number), ident("a"), state, state.encode())]))
    assert [run.run for run in await store.runs_in_state("queued", "streaming")] == ["0", "1"]
    await store.write(Batch(runs=[Run("1", ident("a"), "failed", b"why")]))
    assert [run.run for run in await store.runs_in_state("queued", "streaming")] == ["0"]
    stored = [await store.run(number) for number in ("0", "1", "2")]
    assert [run.payload for run in stored if run is not None] == [b"queued", b"why", b"completed"]


async def test_answers_are_kept_for_a_bounded_time(store: Store) -> None:
    await store.write(Batch(answer=Answer("old", 0, b"old")))
    assert await store.answer("old") == b"old"
    await store.write(Batch(answer=Answer("new", 8 * 24 * 3600 * 1000, b"new")))
    assert await store.answer("old") is None
    assert await store.answer("new") == b"new"


async def test_search_wants_every_word_and_forgets_removed_texts(store: Store) -> None:
    thread = ident("a")
    await store.write(Batch(texts=[Text(thread, "1", "Red Fox"), Text(thread, "2", "red hen")]))
    assert [hit.message async for hit in store.search("fox RED")] == ["1"]
    assert [hit async for hit in store.search("   ")] == []
    await store.write(Batch(texts=[Text(thread, "1", "")]))
    assert [hit async for hit in store.search("fox")] == []


async def test_search_goes_on_past_one_page(store: Store) -> None:
    texts = [Text(ident("a"), str(number), f"needle {number}") for number in range(1300)]
    await store.write(Batch(texts=texts))
    assert len([hit async for hit in store.search("needle")]) == 1300


async def test_a_closed_store_refuses_and_keeps_what_was_handed_in(database_path: Path) -> None:
    store = await Store.open(database_path, KEY)
    writing = asyncio.create_task(store.write(Batch(frames=[a_frame("a", 1)])))
    await asyncio.sleep(0)
    await store.close()
    await writing
    with pytest.raises(OpenSeshError):
        await store.write(Batch(frames=[a_frame("a", 2)]))
    again = await Store.open(database_path, KEY)
    assert len(await again.frames(ident("a"))) == 1
    await again.close()
