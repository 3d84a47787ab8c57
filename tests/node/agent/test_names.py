"""Ids that follow from a request: asked again, after a crash or on another device, it is the same run."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.ids import from_text
from node.agent.names import answer_id, message_id_of, run_id

_text = st.text(max_size=10)


def test_the_ids_of_a_request_are_the_same_for_ever() -> None:
    """Written down, because another version must come to the same: they are in the threads of people."""
    assert run_id("thread", "request") == "rp6353uwdvjk63wgikuxnqhlpa"
    assert message_id_of("thread", "request") == "fzldbygxndkusfbdyw6aqc6hwq"
    assert answer_id("run") == "ni7bclycwih36mclnipexfs5pq"


@given(_text, _text, _text, _text)
def test_two_requests_never_share_an_id_however_their_parts_are_cut(a: str, b: str, c: str, d: str) -> None:
    assert (run_id(a, b) == run_id(c, d)) == ((a, b) == (c, d))


@given(_text, _text)
def test_run_prompt_and_answer_have_ids_of_their_own(thread: str, request: str) -> None:
    made = {run_id(thread, request), message_id_of(thread, request), answer_id(run_id(thread, request))}
    assert len(made) == 3 and all(len(from_text(each)) == 16 for each in made)
