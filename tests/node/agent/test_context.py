"""What a model is sent of a thread, and what it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.agent.context import SYSTEM, Context, Omission, build
from node.agent.ports import ChatMessage, PastCall, PastMessage

RUN = "this-run"


def user(identifier: str, text: str, author: str = "Ann") -> PastMessage:
    return PastMessage(identifier, "user", (text,), author)


def answer(identifier: str, *parts: str | PastCall, run: str = "before", interrupted: bool = False) -> PastMessage:
    return PastMessage(identifier, "assistant", parts, run=run, interrupted=interrupted)


def sent(*history: PastMessage, prompt: str = "p", waiting: tuple[str, ...] = (), limit: int = 100_000) -> Context:
    return build(history, prompt=prompt, run=RUN, waiting=waiting, limit_chars=limit)


def said(context: Context) -> list[tuple[str, str]]:
    """All but the system's message."""
    assert context.messages[0].role == "system"
    return [(message.role, message.content) for message in context.messages[1:]]


def test_the_prompt_goes_last_after_what_was_said_before_it() -> None:
    context = sent(user("1", "Hi"), answer("2", "Hello."), user("p", "And now?"))
    assert said(context) == [("user", "Hi"), ("assistant", "Hello."), ("user", "And now?")]
    assert context.messages[0] == ChatMessage("system", SYSTEM) and context.omission is None


def test_a_prompt_written_before_others_still_goes_last() -> None:
    context = sent(user("p", "Mine"), answer("2", "Meanwhile."))
    assert said(context) == [("assistant", "Meanwhile."), ("user", "Mine")]


def test_what_the_run_itself_said_follows_its_prompt() -> None:
    context = sent(user("p", "Look"), answer("2", "Looking.", PastCall("grep", "{}", "found", "ok"), run=RUN))
    assert [role for role, _ in said(context)] == ["user", "assistant"]
    assert "[Tool grep, ok]\ninput: {}\nresult: found" in said(context)[1][1]


def test_prompts_that_wait_for_an_answer_of_their_own_are_left_out() -> None:
    context = sent(user("p", "First"), user("q", "Second"), waiting=("q",))
    assert said(context) == [("user", "First")]


def test_people_are_named_when_there_are_several() -> None:
    context = sent(user("1", "Hi", "Ann"), answer("2", "Hello."), user("p", "And me?", "Ben"))
    assert said(context) == [("user", "Ann: Hi"), ("assistant", "Hello."), ("user", "Ben: And me?")]


def test_neighbours_of_one_role_come_as_one_because_some_providers_insist_on_turns() -> None:
    context = sent(
        user("1", "One"), user("2", "Two"), answer("3", "a"), answer("4", ""), answer("5", "b"), user("p", "?")
    )
    assert said(context) == [("user", "One\n\nTwo"), ("assistant", "a\n\nb"), ("user", "?")]


def test_an_interrupted_answer_says_so_and_a_tool_speaks_as_the_assistant() -> None:
    tool = PastMessage("3", "tool", ("42",))
    context = sent(answer("2", "Half", interrupted=True), tool, user("p", "?"))
    assert said(context)[0] == ("assistant", "Half\n[This answer was interrupted.]\n\n42")


def test_a_systems_message_stays_one() -> None:
    assert said(sent(PastMessage("1", "system", ("Be brief.",)), user("p", "?")))[0] == ("system", "Be brief.")


def test_long_calls_are_shortened_in_the_middle_and_an_empty_result_is_named() -> None:
    call = PastCall("grep", "i" * 5_000, "", "error")
    text = said(sent(answer("2", call), user("p", "?")))[0][1]
    assert len(text) < 2_100 and "characters left out" in text and text.endswith("(no result)")


def test_what_does_not_fit_is_left_out_from_the_oldest_on_without_a_gap() -> None:
    history = [user("1", "short"), user("2", "x" * 2_000), answer("3", "y" * 500), user("p", "?")]
    context = sent(*history, limit=2_000)
    assert [content[:1] for _, content in said(context)] == ["y", "?"], "not even what would fit before the gap"
    assert context.omission == Omission(2, "1", "2")
    assert "2 earlier message(s)" in context.messages[0].content


def test_a_prompt_that_is_too_long_alone_loses_its_middle() -> None:
    context = sent(user("1", "before" * 50), user("p", "<" + "x" * 50_000 + ">"), limit=5_000)
    (_, text), = said(context)  # fmt: skip
    assert text.startswith("<x") and text.endswith("x>") and "characters left out" in text
    assert context.omission == Omission(1, "1", "1")


@pytest.mark.parametrize("short_of", range(0, 200, 8))
def test_what_is_said_of_the_omission_counts_too(short_of: int) -> None:
    prompt = "x" * (5_000 - len(SYSTEM) - short_of)
    context = sent(user("1", "before" * 100), user("p", prompt), limit=5_000)
    assert context.omission and sum(len(message.content) for message in context.messages) <= 5_000


def test_a_prompt_that_is_not_in_the_history_is_refused() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        sent(user("1", "Hi"), prompt="nowhere")


_texts = st.integers(0, 6_000).map(lambda size: "x" * size)
_calls = st.builds(PastCall, st.just("grep"), _texts, _texts, st.just("ok"))


@given(
    st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.lists(_texts | _calls, max_size=2)), max_size=12),
    _texts,
    st.lists(_texts, max_size=3),
    st.integers(4_500, 20_000),
)
def test_what_is_sent_never_exceeds_the_limit(
    before: list[tuple[str, list[str | PastCall]]], prompt: str, own: list[str], limit: int
) -> None:
    history = [PastMessage(str(n), role, tuple(parts), "Ann") for n, (role, parts) in enumerate(before)]
    history += [user("p", prompt or "?"), *(answer(f"o{n}", text, run=RUN) for n, text in enumerate(own))]
    context = sent(*history, limit=limit)
    assert sum(len(message.content) for message in context.messages) <= limit
    kept = len(history) - (context.omission.count if context.omission else 0)
    assert kept >= 1 + len(own)
