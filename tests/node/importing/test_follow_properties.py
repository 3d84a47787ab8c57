"""Whatever way the bytes come, and wherever the node stops: what is stored is what one whole read gives."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.importing.reader import Reader, import_bytes
from node.importing.records import Event
from tests.node.importing.watching import Watching, Writer, said, shown, words_of

SAMPLES = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "samples").glob("*.jsonl"))}
BROKEN = b'{"type": "user", "uuid": "half\n\xff\xfe\x00\n\n[1, 2]\n"words"\n'
WORDS = [f"{number} – größer 🥐" for number in range(12)]
ONE_LINE_EACH = b"".join(said(words, number) for number, words in enumerate(WORDS))

STOPS = ["look", "crash", "killed before storing", "killed after storing", "not stored"]
DISTURBANCES = ["begin anew", "replace", "move away", "shorten"]
STEPS = tuple(zip(STOPS + DISTURBANCES, [0] * 9, strict=True))

pieces = st.lists(st.integers(1, 400), min_size=1, max_size=12)
write = st.tuples(st.just("write"), st.integers(1, 900))
calm = st.lists(st.one_of(write, write, st.sampled_from(STEPS[:5])), min_size=8, max_size=30)
rough = st.lists(st.one_of(write, write, st.sampled_from(STEPS)), min_size=8, max_size=30)


@contextmanager
def in_folder() -> Iterator[tuple[Watching, Writer]]:
    with TemporaryDirectory() as folder:
        writer = Writer(Path(folder) / "session.jsonl")
        watching = Watching(Path(folder))
        try:
            yield watching, writer
        finally:
            watching.follower.close()
            writer.close()


def whole(data: bytes) -> list[Event]:
    return import_bytes(data)[0]


@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(sizes=pieces)
@settings(max_examples=25, deadline=None)
def test_any_split_of_the_bytes_shows_what_one_whole_read_shows(name: str, sizes: list[int]) -> None:
    data = BROKEN + SAMPLES[name] + BROKEN
    reader, events, at, turn = Reader(), [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        events += reader.feed(data[at : at + size])
        at, turn = at + size, turn + 1
    events += reader.finish()
    assert shown(events) == shown(whole(data))
    assert reader.counts == import_bytes(data)[1]


def play(watching: Watching, writer: Writer, data: bytes, script: list[tuple[str, int]]) -> bytes:
    """Write the data as the script says, disturbing node and file in between. What the file holds in the end."""
    start = at = 0
    for name, number in script:
        if name == "write":
            writer.write(data[at : at + number])
            at = min(at + number, len(data))
        elif name == "look":
            watching.look()
        elif name == "crash":
            watching.crash()
        elif name == "not stored":
            watching.follower.poll()
        elif name.startswith("killed"):
            for batch in watching.follower.poll():
                if name == "killed after storing":
                    watching.store(batch)
            watching.crash()
        else:
            if name == "shorten":  # drops its oldest lines
                start = data.rfind(b"\n", start, start + (at - start) // 2) + 1 or start
            disturb(writer, name, data[start:at])
    writer.write(data[at:])
    watching.look()
    return data[start:]


def disturb(writer: Writer, name: str, written: bytes) -> None:
    """What other programs do to a file; afterwards it holds what was written so far."""
    if name in ("begin anew", "shorten"):
        writer.truncate()
        writer.write(written)
        return
    fresh = writer.path.with_suffix(".tmp")
    if name == "move away":
        writer.path.rename(writer.path.with_suffix(".old"))
    writer.close()
    fresh.write_bytes(written)
    fresh.replace(writer.path)
    writer.reopen()


@given(script=calm)
@settings(max_examples=100, deadline=None)
def test_however_it_is_written_and_we_are_stopped_each_line_is_stored_once(script: list[tuple[str, int]]) -> None:
    with in_folder() as (watching, writer):
        play(watching, writer, ONE_LINE_EACH, script)
        assert words_of(watching.stored) == WORDS


@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(script=calm)
@settings(max_examples=25, deadline=None)
def test_however_it_is_written_and_we_are_stopped_all_formats_end_the_same(
    name: str, script: list[tuple[str, int]]
) -> None:
    with in_folder() as (watching, writer):
        play(watching, writer, SAMPLES[name], script)
        assert shown(watching.stored) == shown(whole(SAMPLES[name]))


@given(script=rough)
@settings(max_examples=150, deadline=None)
def test_what_a_rewritten_replaced_or_rotated_file_holds_in_the_end_is_stored(script: list[tuple[str, int]]) -> None:
    with in_folder() as (watching, writer):
        held = play(watching, writer, ONE_LINE_EACH, script)
        found = shown(watching.stored)
        assert shown(whole(held)).items() <= found.items() <= shown(whole(ONE_LINE_EACH)).items()


@pytest.mark.deep
@pytest.mark.parametrize("name", sorted(SAMPLES))
@given(script=calm)
@settings(max_examples=1500, deadline=None)
def test_deep_any_format_ends_the_same(name: str, script: list[tuple[str, int]]) -> None:
    data = SAMPLES[name] + BROKEN + SAMPLES[name]
    with in_folder() as (watching, writer):
        play(watching, writer, data, script)
        assert shown(watching.stored) == shown(whole(data))


@pytest.mark.deep
@given(script=rough)
@settings(max_examples=5000, deadline=None)
def test_deep_what_any_file_holds_in_the_end_is_stored(script: list[tuple[str, int]]) -> None:
    with in_folder() as (watching, writer):
        held = play(watching, writer, ONE_LINE_EACH, script)
        found = shown(watching.stored)
        assert shown(whole(held)).items() <= found.items() <= shown(whole(ONE_LINE_EACH)).items()
