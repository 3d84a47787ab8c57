"""The turn as a conversation: what it is told, and what it wants done, with nothing around it."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.errors import INTERNAL, PROVIDER_FAILED, TOO_LARGE, OpenSeshError
from node.agent import turn
from node.agent.steps import (
    TERMINAL,
    Append,
    Broke,
    CallModel,
    CancelRequested,
    CloseCall,
    CloseMessage,
    Compact,
    Compacted,
    Cut,
    Decided,
    Delta,
    Effect,
    Event,
    ModelFinished,
    OpenMessage,
    Propose,
    Record,
    RunTool,
    Started,
    State,
    StopModel,
    StopTool,
    Ticked,
    ToolCall,
    ToolFinished,
    ToolRequested,
    WakeAt,
)
from node.agent.turn import FLUSH_AFTER_MS, FLUSH_BYTES, MAX_CALLS_PER_ROUND, MAX_OUTPUT_BYTES, MAX_ROUNDS, Turn, step

READ = ToolCall("c1", "read_file", '{"path": "a"}')
GREP = ToolCall("c2", "grep", "{}")
LOST = INTERNAL("gone")
REFUSED = PROVIDER_FAILED("no")


class Talk:
    """A turn under way: tell it things, and look at what it asked for."""

    def __init__(self, *events: Event) -> None:
        self.turn = Turn()
        self.asked: list[Effect] = []
        self.tell(*events)

    def tell(self, *events: Event) -> list[Effect]:
        """What the turn wants done on hearing these."""
        told: list[Effect] = []
        for event in events:
            self.turn, effects = step(self.turn, event)
            told += effects
        self.asked += told
        return told

    @property
    def error(self) -> OpenSeshError | None:
        """Of the last record."""
        return [effect for effect in self.asked if isinstance(effect, Record)][-1].error

    def text(self) -> str:
        return "".join(effect.text for effect in self.asked if isinstance(effect, Append))


def said(text: str, now_ms: int = 0) -> Delta:
    return Delta("text", text, now_ms)


def waiting(*calls: ToolCall) -> Talk:
    """A turn whose model asked for these calls and finished."""
    return Talk(Started(), *(ToolRequested(call) for call in calls), ModelFinished("tool_calls"))


def test_an_answer_is_opened_streamed_closed_and_recorded_in_that_order() -> None:
    talk = Talk()
    assert talk.tell(Started()) == [Record(State.STREAMING), CallModel(0)]
    assert talk.tell(said("Hel", 0)) == [OpenMessage(), Append("text", "Hel")]
    assert talk.tell(said("lo", FLUSH_AFTER_MS)) == [Append("text", "lo")]
    assert talk.tell(ModelFinished()) == [CloseMessage("final"), Record(State.COMPLETED)]


def test_a_context_that_does_not_fit_is_compacted_before_the_model_is_called() -> None:
    talk = Talk()
    assert talk.tell(Started(fits=False)) == [Record(State.COMPACTING), Compact()]
    assert talk.tell(Compacted()) == [Record(State.STREAMING), CallModel(0)]


def test_deltas_in_quick_succession_become_one_write_and_one_wake_up() -> None:
    talk = Talk(Started(), said("a", 100))
    assert talk.tell(said("b", 101)) == [WakeAt(100 + FLUSH_AFTER_MS)]
    assert talk.tell(said("c", 102), said("d", 103)) == []
    assert talk.tell(Ticked(100 + FLUSH_AFTER_MS)) == [Append("text", "bcd")]
    assert talk.tell(Ticked(100 + 2 * FLUSH_AFTER_MS)) == [], "nothing waits any more"


def test_much_waiting_text_is_written_before_its_time_has_come() -> None:
    talk = Talk(Started(), said("a", 100))
    assert talk.tell(said("b" * FLUSH_BYTES, 101)) == [Append("text", "b" * FLUSH_BYTES)]


def test_text_that_waits_is_written_before_the_message_is_closed() -> None:
    talk = Talk(Started(), said("a", 100), said("b", 101))
    assert talk.tell(ModelFinished()) == [Append("text", "b"), CloseMessage("final"), Record(State.COMPLETED)]


def test_a_clock_that_steps_back_holds_no_text_up() -> None:
    talk = Talk(Started(), said("a", 1_000_000))
    assert talk.tell(said("b", 5)) == [Append("text", "b")]


def test_reasoning_and_text_keep_their_order_in_one_write() -> None:
    talk = Talk(Started(), said("", 0))
    assert talk.asked == [Record(State.STREAMING), CallModel(0)], "an empty delta is nothing"
    talk.tell(Delta("reasoning", "hm", 0), Delta("reasoning", " well", 1), said("So", 2))
    assert talk.tell(Ticked(FLUSH_AFTER_MS)) == [Append("reasoning", " well"), Append("text", "So")]


def test_an_enormous_delta_is_written_in_pieces() -> None:
    talk = Talk(Started(), said("x" * (2 * turn.PIECE_CHARS + 1)))
    sizes = [len(effect.text) for effect in talk.asked if isinstance(effect, Append)]
    assert sizes == [turn.PIECE_CHARS, turn.PIECE_CHARS, 1]


def test_an_endless_answer_is_cut_off_and_keeps_what_was_said() -> None:
    talk = Talk(Started(), said("x" * MAX_OUTPUT_BYTES))
    stop, close, record = talk.tell(said("y"))
    assert (stop, close) == (StopModel(), CloseMessage("interrupted"))
    assert isinstance(record, Record) and record.state is State.FAILED
    assert record.error and record.error.kind is TOO_LARGE
    assert len(talk.text()) == MAX_OUTPUT_BYTES


def test_output_is_counted_in_bytes_over_all_rounds() -> None:
    talk = Talk(Started(), said("é" * (MAX_OUTPUT_BYTES // 2)), ToolRequested(READ), ModelFinished())
    talk.tell(Decided("c1", False))
    assert talk.tell(said("y"))[-1] == Record(State.FAILED, talk.error)


def test_a_failure_in_the_middle_keeps_the_text_and_says_that_it_is_not_whole() -> None:
    talk = Talk(Started(), said("Hel", 0), said("lo", 1))
    told = talk.tell(Broke(REFUSED))
    assert told == [StopModel(), Append("text", "lo"), CloseMessage("interrupted"), Record(State.FAILED, REFUSED)]


def test_a_failure_before_the_first_word_leaves_no_empty_message() -> None:
    assert Talk(Started()).tell(Broke(REFUSED)) == [StopModel(), Record(State.FAILED, REFUSED)]


def test_a_model_that_says_nothing_has_failed() -> None:
    *_, record = Talk(Started()).tell(ModelFinished())
    assert isinstance(record, Record) and record.state is State.FAILED


def test_a_run_that_is_cut_is_interrupted_and_not_failed() -> None:
    talk = Talk(Started(), said("Hel"))
    assert talk.tell(Cut(LOST)) == [StopModel(), CloseMessage("interrupted"), Record(State.INTERRUPTED, LOST)]


def test_a_cancel_stops_the_model_before_anything_is_written() -> None:
    talk = Talk(Started(), said("Hel", 0), said("lo", 1))
    told = talk.tell(CancelRequested())
    assert told == [StopModel(), Append("text", "lo"), CloseMessage("interrupted"), Record(State.CANCELLED)]


def test_a_queued_run_is_cancelled_without_a_trace_of_an_answer() -> None:
    assert Talk().tell(CancelRequested()) == [Record(State.CANCELLED)]


def test_a_cancelled_compaction_calls_no_model() -> None:
    talk = Talk(Started(fits=False))
    assert talk.tell(CancelRequested(), Compacted()) == [StopModel(), Record(State.CANCELLED)]


def test_calls_are_proposed_together_once_the_model_has_finished_speaking() -> None:
    talk = Talk(Started(), said("Let me look."))
    assert talk.tell(ToolRequested(READ), ToolRequested(GREP)) == []
    assert talk.tell(ModelFinished()) == [Record(State.WAITING), Propose(READ), Propose(GREP)]


def test_calls_without_a_word_of_text_still_get_a_message_to_stand_in() -> None:
    talk = Talk(Started(), ToolRequested(READ))
    assert talk.tell(ModelFinished()) == [OpenMessage(), Record(State.WAITING), Propose(READ)]


def test_an_allowed_call_is_recorded_as_running_before_it_runs_and_then_the_model_goes_on() -> None:
    talk = waiting(READ)
    assert talk.tell(Decided("c1", True)) == [Record(State.RUNNING_TOOL), RunTool(READ)]
    assert talk.tell(ToolFinished("c1", True, "text of a")) == [
        CloseCall(READ, "ok", "text of a"),
        Record(State.STREAMING),
        CallModel(1),
    ]
    assert talk.tell(said("It says so."), ModelFinished())[-1] == Record(State.COMPLETED)


def test_a_refused_call_is_answered_with_the_reason_and_never_runs() -> None:
    talk = waiting(READ)
    assert talk.tell(Decided("c1", False, "not that file")) == [
        CloseCall(READ, "error", "not that file"),
        Record(State.STREAMING),
        CallModel(1),
    ]


def test_calls_run_in_the_order_asked_for_whatever_order_they_are_decided_in() -> None:
    talk = waiting(READ, GREP)
    assert talk.tell(Decided("c2", True)) == []
    assert talk.tell(Decided("c1", True)) == [Record(State.RUNNING_TOOL), RunTool(READ)]
    assert talk.tell(ToolFinished("c1", False, "no such file")) == [
        CloseCall(READ, "error", "no such file"),
        Record(State.RUNNING_TOOL),
        RunTool(GREP),
    ]


def test_a_decision_that_comes_while_another_call_runs_is_kept_for_its_turn() -> None:
    talk = waiting(READ, GREP)
    talk.tell(Decided("c1", True))
    assert talk.tell(Decided("c2", False, "no")) == []
    assert talk.tell(ToolFinished("c1", True, "")) == [
        CloseCall(READ, "ok", ""),
        CloseCall(GREP, "error", "no"),
        Record(State.STREAMING),
        CallModel(1),
    ]


def test_a_call_without_a_decision_is_waited_for_after_the_one_before_it_has_run() -> None:
    talk = waiting(READ, GREP)
    talk.tell(Decided("c1", True))
    assert talk.tell(ToolFinished("c1", True, "")) == [CloseCall(READ, "ok", ""), Record(State.WAITING)]
    assert talk.tell(Decided("c2", True)) == [Record(State.RUNNING_TOOL), RunTool(GREP)]


def test_the_first_decision_stands() -> None:
    talk = waiting(READ, GREP)
    talk.tell(Decided("c2", False, "no"), Decided("c2", True))
    assert RunTool(GREP) not in talk.tell(Decided("c1", False))


def test_decisions_and_results_for_calls_nobody_asked_for_change_nothing() -> None:
    talk = waiting(READ)
    assert talk.tell(Decided("other", True)) == []
    talk.tell(Decided("c1", True))
    assert talk.tell(ToolFinished("other", True, "forged")) == []
    assert talk.turn.state is State.RUNNING_TOOL


def test_a_cancel_while_a_tool_runs_kills_it_and_says_that_its_effects_are_unknown() -> None:
    talk = waiting(READ, GREP)
    talk.tell(Decided("c1", True))
    stop, closed, unrun, close, record = talk.tell(CancelRequested())
    assert (stop, close, record) == (StopTool(READ), CloseMessage("interrupted"), Record(State.CANCELLED))
    assert isinstance(closed, CloseCall) and "unknown" in closed.result
    assert isinstance(unrun, CloseCall) and "never ran" in unrun.result
    assert closed.status == unrun.status == "interrupted"


def test_a_cancel_while_waiting_closes_every_open_call() -> None:
    told = waiting(READ, GREP).tell(CancelRequested())
    closed = [effect.call for effect in told if isinstance(effect, CloseCall)]
    assert closed == [READ, GREP] and told[-2:] == [CloseMessage("interrupted"), Record(State.CANCELLED)]


def test_calls_of_a_stream_cut_short_were_never_shown_and_are_not_closed() -> None:
    talk = Talk(Started(), ToolRequested(READ))
    assert talk.tell(Cut(LOST)) == [StopModel(), Record(State.INTERRUPTED, LOST)]


@pytest.mark.parametrize("names", [("c", "c"), ("", ""), ("c~0.2", "c", "c"), ("c", "c", "c~0.1", "c")])
def test_calls_of_one_name_in_one_round_get_names_of_their_own(names: tuple[str, ...]) -> None:
    talk = waiting(*(ToolCall(name, "grep", "{}") for name in names))
    shown = [effect.call.id for effect in talk.asked if isinstance(effect, Propose)]
    assert len(set(shown)) == len(names) and "" not in shown


def test_a_name_used_again_in_a_later_round_does_not_overwrite_the_earlier_call() -> None:
    talk = waiting(READ)
    talk.tell(Decided("c1", False), ToolRequested(READ), ModelFinished())
    first, second = [effect.call.id for effect in talk.asked if isinstance(effect, Propose)]
    assert first == "c1" != second
    assert talk.tell(Decided("c1", True)) == [], "the old decision's name opens nothing"
    assert isinstance(talk.tell(Decided(second, True))[-1], RunTool)


def test_a_model_that_loops_over_tools_comes_to_an_end() -> None:
    talk = Talk(Started())
    for number in range(MAX_ROUNDS):
        assert talk.turn.state is State.STREAMING, number
        call = ToolCall(f"c{number}", "grep", "{}")
        talk.tell(ToolRequested(call), ModelFinished(), Decided(call.id, False))
    assert talk.turn.state is State.FAILED
    assert len([effect for effect in talk.asked if isinstance(effect, CallModel)]) == MAX_ROUNDS


def test_too_many_calls_at_once_end_the_run() -> None:
    talk = Talk(Started(), *(ToolRequested(ToolCall(str(n), "grep", "{}")) for n in range(MAX_CALLS_PER_ROUND)))
    assert not [effect for effect in talk.asked if isinstance(effect, StopModel)]
    assert talk.tell(ToolRequested(READ)) == [StopModel(), Record(State.FAILED, talk.error)]


@pytest.mark.parametrize("between", [(), (Decided("c1", True),)], ids=["while waiting", "while a tool runs"])
def test_a_wake_up_between_two_rounds_does_not_leave_the_next_one_without_any(between: tuple[Event, ...]) -> None:
    talk = Talk(Started(), said("a", 0), said("b", 1))
    talk.tell(ToolRequested(READ), ModelFinished(), *between, Ticked(FLUSH_AFTER_MS))
    talk.tell(*([ToolFinished("c1", True, "")] if between else [Decided("c1", False)]))
    talk.tell(said("c", 1_000))
    assert talk.tell(said("d", 1_001)) == [WakeAt(1_000 + FLUSH_AFTER_MS)]


def test_the_first_word_of_each_round_is_written_at_once() -> None:
    talk = Talk(Started(), said("a", 0), ToolRequested(READ), ModelFinished(), Decided("c1", False))
    assert talk.tell(said("b", 1)) == [Append("text", "b")]


ENDINGS: list[tuple[Event, State]] = [
    (CancelRequested(), State.CANCELLED),
    (Broke(REFUSED), State.FAILED),
    (Cut(LOST), State.INTERRUPTED),
]
EVERY_EVENT: list[Event] = [
    Started(), Started(fits=False), Compacted(), said("x", 3), Ticked(60), ToolRequested(READ), ModelFinished(),
    Decided("c1", True), Decided("c1", False), ToolFinished("c1", True, ""),
    CancelRequested(), Broke(REFUSED), Cut(LOST),
]  # fmt: skip
STANDING: dict[State, tuple[Event, ...]] = {
    State.QUEUED: (),
    State.COMPACTING: (Started(fits=False),),
    State.STREAMING: (Started(), said("x")),
    State.WAITING: (Started(), ToolRequested(READ), ModelFinished()),
    State.RUNNING_TOOL: (Started(), ToolRequested(READ), ModelFinished(), Decided("c1", True)),
}


@pytest.mark.parametrize("state", STANDING, ids=str)
@pytest.mark.parametrize(("event", "end"), ENDINGS, ids=["cancel", "broke", "cut"])
def test_every_state_can_be_ended_by_a_cancel_a_failure_and_an_interruption(
    state: State, event: Event, end: State
) -> None:
    talk = Talk(*STANDING[state])
    assert talk.turn.state is state
    assert isinstance(talk.tell(event)[-1], Record) and talk.turn.state is end


@pytest.mark.parametrize("event", EVERY_EVENT, ids=lambda event: type(event).__name__)
def test_nothing_leaves_a_final_state(event: Event) -> None:
    for ending, _ in ENDINGS:
        talk = Talk(Started(), said("x"), ending)
        ended = talk.turn
        assert talk.tell(event) == [] and talk.turn == ended


def test_late_echoes_of_what_was_stopped_are_ignored() -> None:
    talk = waiting(READ)
    assert talk.tell(said("late"), ModelFinished(), ToolFinished("c1", True, ""), Compacted(), Started()) == []


_ids = st.sampled_from(["c1", "c2", "c1~0.1", ""])
_events: st.SearchStrategy[Any] = st.one_of(
    st.builds(Started, st.booleans()),
    st.just(Compacted()),
    st.builds(Delta, st.sampled_from(["text", "reasoning"]), st.text(max_size=5), st.integers(0, 300)),
    st.builds(Ticked, st.integers(0, 300)),
    st.builds(ToolRequested, st.builds(ToolCall, _ids, st.just("t"), st.just("{}"))),
    st.just(ModelFinished()),
    st.builds(Decided, _ids, st.booleans()),
    st.builds(ToolFinished, _ids, st.booleans(), st.just("")),
)
_endings = st.sampled_from([CancelRequested(), Broke(REFUSED), Cut(LOST)])


@settings(max_examples=300, deadline=None)
@given(st.lists(_events, max_size=40), _endings)
def test_whatever_happens_the_rules_of_the_turn_hold(events: list[Event], ending: Event) -> None:
    talk, told = Talk(), ""
    for event in [Started(), *events, ending]:
        if isinstance(event, Delta) and talk.turn.state is State.STREAMING:
            told += event.text
        talk.tell(event)
    assert talk.text() == told, "T5: all text leaves, in order"
    records = [effect.state for effect in talk.asked if isinstance(effect, Record)]
    assert [state in TERMINAL for state in records].count(True) == 1, "T7"
    assert isinstance(talk.asked[-1], Record) and talk.asked[-1].state in TERMINAL, "T7"
    proposed = Counter(effect.call.id for effect in talk.asked if isinstance(effect, Propose))
    closed = Counter(effect.call.id for effect in talk.asked if isinstance(effect, CloseCall))
    assert proposed == closed and all(count == 1 for count in proposed.values()), "T6, T8"
    for at, effect in enumerate(talk.asked):
        if isinstance(effect, CallModel | RunTool):
            assert isinstance(talk.asked[at - 1], Record), "T3"
    opened = [effect for effect in talk.asked if isinstance(effect, OpenMessage | CloseMessage)]
    assert len(opened) in (0, 2) and (not opened or isinstance(opened[0], OpenMessage))
