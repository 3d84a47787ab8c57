"""The screen's state as conversations: what the node tells, and what is known afterwards."""

from dataclasses import replace

from client.screen.state import State, blank, earlier, listed, next_thread, opened, opening, timed, update
from tests.client.screen.told import answer, conversation, event, message, row, thread


def texts(state: State) -> list[str]:
    return ["".join(piece.text for piece in shown.pieces) for shown in state.messages]


def test_a_new_message_stands_last_and_the_same_one_again_is_no_second() -> None:
    state = conversation(message("a"))
    for cursor in (1, 2):
        state = update(state, event("message.added", cursor=cursor, message=message("b", "second")))
    assert texts(state) == ["hello", "second"]


def test_a_stream_grows_its_message_until_it_ends() -> None:
    state = conversation(answer("a"))
    for at, piece in ((0, "One"), (3, " two"), (7, " three")):
        state = update(state, event("message.delta", message_id="a", part="text", at=at, text=piece))
    assert texts(state) == ["One two three"] and state.run == "streaming"
    version = state.messages[0].version
    state = update(state, event("message.changed", message=answer("a", "One two three", state="final")))
    assert state.run is None and state.messages[0].version > version


def test_reasoning_and_text_are_pieces_in_the_order_they_came() -> None:
    state = conversation(answer("a"))
    for part, at, text in (("reasoning", 0, "h"), ("reasoning", 1, "m"), ("text", 0, "So"), ("reasoning", 0, "but")):
        state = update(state, event("message.delta", message_id="a", part=part, at=at, text=text))
    pieces = [(piece.kind, piece.text) for piece in state.messages[0].pieces]
    assert pieces == [("reasoning", "hm"), ("text", "So"), ("reasoning", "but")]


def test_a_tool_call_is_shown_by_what_its_call_says() -> None:
    call = {"id": "c", "name": "Bash", "input": "{}", "result": None, "status": "running", "agent": None}
    state = conversation(answer("a", parts=[{"type": "tool_call", "id": "c"}], tool_calls=[call]))
    assert (state.messages[0].pieces[0].text, state.messages[0].pieces[0].status) == ("Bash", "running")


def test_what_comes_in_another_thread_marks_its_row_until_it_is_opened() -> None:
    state = update(conversation(), event("message.added", "t2", message=message("x")))
    assert [r.is_new for r in state.rows] == [False, True] and state.messages == ()
    state = listed(state, [row("t2"), row("t1")], "on the relay")
    assert [r.is_new for r in state.rows] == [True, False]
    state = opened(opening(state, "t2"), thread("t2"))
    assert not any(r.is_new for r in state.rows)


def test_what_comes_while_one_reads_further_up_is_counted_and_moves_nothing() -> None:
    state = replace(conversation(message("a"), message("b")), anchor="a", line=1)
    state = update(state, event("message.added", message=message("c")))
    assert (state.anchor, state.line, state.unseen) == ("a", 1, 1)


def test_what_happens_between_asking_for_a_thread_and_its_answer_is_neither_lost_nor_doubled() -> None:
    state = opening(conversation(message("a")), "t2")
    state = update(state, event("message.added", "t2", cursor=4, message=message("x", "in the answer")))
    state = update(state, event("message.added", "t2", cursor=6, message=message("y", "after it")))
    state = opened(state, thread("t2", message("x", "in the answer"), cursor=5))
    assert texts(state) == ["in the answer", "after it"]


def test_a_delta_that_the_thread_already_holds_is_not_added_again() -> None:
    state = opening(conversation(), "t2")
    state = update(state, event("message.delta", "t2", cursor=4, message_id="a", part="text", at=0, text="One"))
    state = update(state, event("message.delta", "t2", cursor=6, message_id="a", part="text", at=3, text=" two"))
    state = opened(state, thread("t2", answer("a", "One"), cursor=5))
    assert texts(state) == ["One two"]


def test_a_delta_of_which_the_thread_was_read_with_a_part_adds_the_rest() -> None:
    state = conversation(answer("a", "One tw"))  # read after the cursor that came with it, while the text came
    for at, piece in ((0, "One"), (3, " two"), (7, " three")):
        state = update(state, event("message.delta", message_id="a", part="text", at=at, text=piece))
    assert texts(state) == ["One two three"]


def test_an_answer_for_a_thread_that_is_no_longer_wanted_opens_nothing() -> None:
    state = opening(opening(conversation(message("a")), "t2"), "t1")
    assert opened(state, thread("t2", message("x"))) == state


def test_a_thread_read_anew_keeps_ones_place_and_another_one_starts_at_its_end() -> None:
    state = replace(conversation(message("a"), message("b")), anchor="a", line=1, unseen=2)
    again = opened(opening(state, "t1"), thread("t1", message("a"), message("b"), message("c")))
    assert (again.anchor, again.line, again.unseen) == ("a", 1, 2)
    other = opened(opening(state, "t2"), thread("t2", message("x")))
    assert (other.anchor, other.line, other.unseen) == (None, 0, 0)


def test_earlier_messages_come_before_the_first_and_only_once() -> None:
    page = thread("t1", message("a", "one"), message("b", "two"))
    state = replace(conversation(message("c", "three")), is_whole=False)
    state = earlier(state, page, before="c", is_whole=True)
    assert texts(state) == ["one", "two", "three"] and state.is_whole
    assert earlier(state, page, before="c", is_whole=True) == state


def test_a_run_is_known_by_its_thread_while_it_lasts() -> None:
    state = conversation()
    for kind in ("queued", "running_tool"):
        state = update(state, event("run.state", "t2", state=kind))
        assert state.running == {"t2": kind} and state.run is None
    assert update(state, event("run.state", "t2", state="failed")).running == {}


def test_how_long_a_run_takes_counts_from_when_it_was_first_seen() -> None:
    state = timed(update(conversation(), event("run.state", state="queued")), 100)
    state = timed(update(state, event("run.state", cursor=2, state="streaming")), 110)
    state = timed(update(state, event("run.state", "t2", state="queued")), 120)
    assert state.begun == {"t1": 100, "t2": 120}
    assert timed(update(state, event("run.state", cursor=3, state="completed")), 130).begun == {"t2": 120}


def test_a_deleted_thread_closes_and_says_so() -> None:
    state = update(conversation(message("a")), event("thread.deleted"))
    assert state.thread is None and state.messages == () and "deleted" in state.notice
    assert [r.id for r in state.rows] == ["t2"]


def test_a_new_thread_is_blank_and_an_answer_under_way_does_not_open_over_it() -> None:
    state = blank(opening(conversation(message("a")), "t2"))
    assert state.chosen is None and state.messages == ()
    assert opened(state, thread("t2", message("x"))) == state


def test_a_rename_shows_at_once() -> None:
    assert update(conversation(), event("thread.changed", title="Renamed")).title == "Renamed"


def test_the_node_coming_back_ends_what_was_said_while_it_was_away() -> None:
    away = replace(conversation(), offline=True, notice="The node isn't running.")
    back = listed(away, [row("t1")], "on the relay")
    assert (back.offline, back.notice, back.sync) == (False, "", "on the relay")


def test_an_unknown_event_changes_nothing() -> None:
    state = conversation(message("a"))
    assert update(state, event("something.new")) == state


def test_stepping_through_threads_goes_around_and_counts_from_the_one_asked_for() -> None:
    state = conversation()
    assert next_thread(state, 1) == "t2" and next_thread(state, -1) == "t2" and next_thread(State(), 1) is None
    assert next_thread(opening(state, "t2"), 1) == "t1"
    assert (next_thread(blank(state), 1), next_thread(blank(state), -1)) == ("t1", "t2")
