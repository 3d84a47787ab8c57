"""The guide: rules, not a model, and the same to everybody."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.cli.parse import find_verb
from node.agent.guide import CLOSING, ECHO_CHARS, FALLBACK, TOPICS, Guide, answer, deltas
from node.agent.ports import ChatMessage, ModelDelta, ModelDone, ModelEvent


async def nothing() -> None:
    """No pace."""


async def said(*messages: ChatMessage) -> list[ModelEvent]:
    return [event async for event in Guide(nothing).stream(messages)]


def text_of(events: list[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, ModelDelta))


@given(st.text(max_size=200))
def test_every_answer_is_the_same_twice_and_says_that_it_is_no_model(prompt: str) -> None:
    assert answer(prompt) == answer(prompt)
    assert answer(prompt).endswith(CLOSING)


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("How do I connect OpenAI?", "opensesh provider add"),
        ("can I use this on my phone", "opensesh pair CODE"),
        ("Can the relay read my threads? Is it secure?", "recovery show"),
        ("bring in my Claude Code sessions transcript", "opensesh import"),
        ("what is this", "Next you could try"),
        ("DELETE!", "opensesh trash"),
    ],
)
def test_a_question_is_answered_with_what_to_type_next(prompt: str, named: str) -> None:
    assert named in answer(prompt)


def test_the_general_topic_gives_way_to_a_particular_one() -> None:
    assert TOPICS[-1].answer in answer("what is opensesh")
    assert TOPICS[-1].answer not in answer("what is a relay")


def test_at_most_two_topics_are_answered() -> None:
    said = answer("model pair sync private import search delete export cancel code")
    assert sum(topic.answer in said for topic in TOPICS) == 2


def test_a_question_about_nothing_it_knows_is_admitted() -> None:
    assert FALLBACK in answer("Quo vadis?")
    assert answer("  ") == f"{FALLBACK}\n\n{CLOSING}", "and no question is made up"


def test_a_long_question_is_quoted_shortened_and_on_one_line() -> None:
    quoted = answer("word\n" * 100).split("”")[0]
    assert "\n" not in quoted and quoted.endswith("…") and len(quoted) <= ECHO_CHARS + len("You asked: “")


@given(st.text(max_size=300))
def test_the_pieces_of_an_answer_join_to_the_whole(text: str) -> None:
    assert "".join(deltas(text)) == text
    assert all(deltas(text))


async def test_an_answer_streams_in_pieces_and_ends_once() -> None:
    *pieces, end = await said(ChatMessage("user", "Hello"))
    assert len(pieces) > 5 and all(isinstance(piece, ModelDelta) for piece in pieces)
    assert end == ModelDone("stop")
    assert text_of(pieces) == answer("Hello")


async def test_it_answers_the_last_question_of_a_person_and_not_what_was_said_before() -> None:
    earlier = ChatMessage("user", "export?")
    events = await said(earlier, ChatMessage("assistant", "…"), ChatMessage("user", "delete?\n\npair?"))
    assert text_of(events) == answer("pair?")
    assert text_of(await said()) == answer("")


async def test_it_waits_between_pieces_and_stops_when_it_is_closed() -> None:
    paces: list[asyncio.Event] = []
    waits = asyncio.Event()

    async def pace() -> None:
        paces.append(asyncio.Event())
        waits.set()
        await paces[-1].wait()

    guide = Guide(pace)
    guide.prepare()
    stream = guide.stream([ChatMessage("user", "Hello")])
    assert isinstance(await anext(stream), ModelDelta) and not paces, "the first piece comes at once"
    following = asyncio.ensure_future(anext(stream))
    await waits.wait()
    assert not following.done()
    paces[0].set()
    assert isinstance(await following, ModelDelta)
    await stream.aclose()
    assert len(paces) == 1


TEXTS = [FALLBACK, *(topic.answer for topic in TOPICS)]
QUOTED = sorted({part for text in TEXTS for part in text.split("`")[1::2] if part.startswith("opensesh ")})
NAMED = [command for command in QUOTED if not command.startswith("opensesh relay serve ")]  # a program of its own


@pytest.mark.parametrize("command", NAMED)
def test_every_command_and_option_it_names_exists(command: str) -> None:
    verb, rest = find_verb(command.split()[1:])
    known = {flag for argument in verb.arguments for flag in argument.flags}
    assert {word for word in rest if word.startswith("--")} <= known
