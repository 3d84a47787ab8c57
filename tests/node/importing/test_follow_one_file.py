"""Following one file that another program writes: each line once, whatever happens to the file or to us."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.importing.records import SkippedLine
from node.importing.tail import BATCH_BYTES
from tests.node.importing.watching import Watching, Writer, said, words_of

FIRST, SECOND, THIRD = said("first", 1), said("second", 2), said("third", 3)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    opened = Writer(tmp_path / "session.jsonl")
    yield opened
    opened.close()


@pytest.fixture
def watching(tmp_path: Path, writer: Writer) -> Iterator[Watching]:
    started = Watching(tmp_path)
    yield started
    started.follower.close()


def test_what_is_there_comes_first_and_then_what_is_appended(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    assert watching.words() == ["first"]
    writer.write(SECOND, THIRD)
    assert watching.words() == ["second", "third"]
    assert watching.words() == []


def test_half_a_line_waits_for_its_other_half(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND[:40])
    assert watching.words() == ["first"]
    writer.write(SECOND[40:-1])
    assert watching.words() == []
    writer.write(SECOND[-1:])
    assert watching.words() == ["second"]


def test_half_a_character_waits_for_its_other_half(watching: Watching, writer: Writer) -> None:
    line = said("brötchen 🥐", 1)
    cut = line.index("🥐".encode()) + 2
    writer.write(line[:cut])
    assert watching.words() == []
    watching.crash()
    writer.write(line[cut:])
    assert watching.words() == ["brötchen 🥐"]


def test_a_batch_that_was_not_stored_comes_again(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    assert [words_of(batch.events) for batch in watching.follower.poll()] == [["first"]]
    assert watching.words() == ["first"]


def test_a_batch_that_was_not_stored_when_we_were_killed_comes_again(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    watching.look()
    writer.write(SECOND)
    assert watching.follower.poll()
    watching.crash()
    assert watching.words() == ["second"]


def test_what_was_stored_but_not_confirmed_does_not_come_again(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    for batch in watching.follower.poll():
        watching.store(batch)
    watching.crash()
    writer.write(SECOND)
    assert watching.words() == ["second"]


def test_what_was_written_while_we_were_away_comes_after_the_start(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND[:30])
    watching.look()
    watching.follower.close()
    writer.write(SECOND[30:], THIRD)
    watching.crash()
    assert watching.words() == ["second", "third"]


def test_a_truncated_file_is_read_from_its_beginning(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND)
    watching.look()
    writer.truncate()
    assert watching.words() == []
    writer.write(THIRD)
    assert watching.words() == ["third"]


def test_a_file_cut_within_a_line_goes_on_with_what_is_written_there(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND[:-1])
    watching.look()
    writer.truncate(len(FIRST) + 5)
    writer.write(SECOND[5:])
    assert watching.words()[-1:] == ["second"]


@pytest.mark.parametrize("away", [False, True])
def test_a_file_rewritten_to_a_greater_length_is_read_again(watching: Watching, writer: Writer, away: bool) -> None:
    writer.write(FIRST)
    watching.look()
    writer.truncate()
    writer.write(said("something quite different and longer", 4), SECOND)
    if away:
        watching.crash()
    assert watching.words() == ["something quite different and longer", "second"]


def test_the_same_content_written_again_brings_no_message_under_another_key(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND)
    first = {event.message.key for event in watching.look() if hasattr(event, "message")}
    writer.truncate()
    watching.look()
    writer.write(FIRST, SECOND)
    again = {event.message.key for event in watching.look() if hasattr(event, "message")}
    assert again == first


def test_the_same_content_written_at_once_brings_nothing(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST, SECOND)
    watching.look()
    writer.truncate()
    writer.write(FIRST, SECOND)
    assert watching.words() == []


def test_after_a_rotation_the_rest_of_the_old_file_comes_before_the_new_one(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    watching.look()
    writer.write(SECOND)
    writer.path.rename(writer.path.with_suffix(".old"))
    writer.path.write_bytes(THIRD)
    assert watching.words() == ["second", "third"]


def test_a_rotation_while_we_were_away_loses_nothing(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    watching.look()
    watching.follower.close()
    writer.write(SECOND)
    writer.path.rename(writer.path.with_suffix(".old"))
    writer.path.write_bytes(THIRD)
    watching.crash()
    assert watching.words() == ["second", "third"]


def test_a_file_that_is_renamed_is_not_read_twice(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    watching.look()
    writer.path.rename(writer.path.with_name("elsewhere.jsonl"))
    writer.write(SECOND)
    assert watching.words() == ["second"]
    watching.crash()
    assert watching.words() == []


def test_an_editor_that_replaces_the_file_by_one_with_more_brings_all_keys_once(
    watching: Watching, writer: Writer
) -> None:
    writer.write(FIRST)
    watching.look()
    fresh = writer.path.with_suffix(".tmp")
    fresh.write_bytes(FIRST + SECOND)
    fresh.replace(writer.path)
    words = watching.words()
    assert words[-1] == "second" and set(words) == {"first", "second"}


def test_a_deleted_file_is_read_to_its_end_and_may_come_back(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    watching.look()
    writer.write(SECOND)
    writer.path.unlink()
    assert watching.words() == ["second"]
    assert watching.words() == []
    writer.path.write_bytes(THIRD)
    assert watching.words() == ["third"]


def test_a_huge_line_costs_itself_and_no_other(tmp_path: Path, writer: Writer) -> None:
    watching = Watching(tmp_path, line_limit_bytes=100_000)
    writer.write(FIRST, b'{"type": "user", "x": "', b"x" * 300_000)
    assert watching.words() == ["first"]
    writer.write(b'"}\n', SECOND)
    events = watching.look()
    assert words_of(events) == ["second"]
    assert [event.reason for event in events if isinstance(event, SkippedLine)] == ["too long"]
    watching.follower.close()


def test_a_file_of_many_batches_comes_whole_and_in_order(watching: Watching, writer: Writer) -> None:
    lines = [said(f"{number} " + "x" * 60_000, number) for number in range(3 * BATCH_BYTES // 60_000)]
    writer.write(*lines)
    found = watching.words()
    assert [words.split()[0] for words in found] == [str(number) for number in range(len(lines))]


def test_killed_between_the_batches_of_a_file_it_goes_on_with_the_next(watching: Watching, writer: Writer) -> None:
    lines = [said(f"{number} " + "x" * 60_000, number) for number in range(3 * BATCH_BYTES // 60_000)]
    writer.write(*lines)
    found: list[str] = []
    while batches := watching.follower.poll():
        for batch in batches:
            watching.store(batch)
            found += words_of(batch.events)
        watching.crash()
    assert [words.split()[0] for words in found] == [str(number) for number in range(len(lines))]


def test_a_batch_says_its_session_and_whether_anything_came_before_it(watching: Watching, writer: Writer) -> None:
    writer.write(FIRST)
    [batch] = watching.follower.poll()
    assert batch.from_start and batch.session is not None and batch.session.title == "first"
    watching.store(batch)
    watching.crash()
    writer.write(SECOND)
    [batch] = watching.follower.poll()
    assert not batch.from_start and batch.session is not None and batch.session.title == "first"


def test_a_file_whose_beginning_is_missing_from_the_store_is_given_from_its_beginning(
    watching: Watching, writer: Writer
) -> None:
    writer.write(FIRST)
    watching.look()
    writer.write(SECOND)
    [batch] = watching.follower.poll()
    watching.follower.restart(batch)
    [batch] = watching.follower.poll()
    assert batch.from_start and words_of(batch.events) == ["first", "second"]


def test_a_rejected_batch_comes_again_later_and_keeps_no_other_file_waiting(
    tmp_path: Path, watching: Watching, writer: Writer
) -> None:
    writer.write(FIRST)
    [batch] = watching.follower.poll()
    watching.follower.reject(batch)
    (tmp_path / "other.jsonl").write_bytes(said("other", 1, "0f0f0f0f-0000-4000-8000-000000000002"))
    assert watching.words() == ["other"]
    assert not watching.follower.behind
    again = [words for _ in range(20) for words in watching.words()]
    assert again == ["first"]


def test_a_session_at_rest_is_put_away_and_goes_on_when_it_is_written(
    watching: Watching, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.importing.follow._IDLE_POLLS", 3)
    writer.write(FIRST)
    watching.look()
    descriptors = _open_descriptors()
    for _ in range(5):
        watching.look()
    assert _open_descriptors() == descriptors - 1
    writer.write(SECOND)
    assert watching.words() == ["second"]


def _open_descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))
