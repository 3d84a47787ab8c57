"""What the screen knows, and how each thing that happens changes it (pure).

`update(state, event)` takes an event as the node tells it; `listed`, `opened` and `earlier` what was asked for.
What is drawn follows from the state alone (`render`), so all of it can be tested without a terminal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from client.screen.message import Shown, grown, shown
from client.screen.page import NOWHERE, Page
from client.screen.people import NOBODY, Company
from client.screen.talk import ELSEWHERE, Spot, Talk, spots, talks

JSON = dict[str, Any]
IN_THREAD = frozenset({"comment", "draft", "people"})  # what the composer can be for in an open thread alone
ENDED = frozenset({"completed", "failed", "cancelled", "interrupted"})


@dataclass(frozen=True, slots=True)
class Row:
    """One thread in the sidebar."""

    id: str
    title: str
    updated_at: str
    messages: int
    sync: str
    project: str = ""
    is_new: bool = False  # something came that was not looked at yet


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that holds what was looked for."""

    thread: str
    title: str
    message: str
    snippet: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything. `anchor` is the message at the bottom edge; None follows what is newest."""

    rows: tuple[Row, ...] = ()
    is_listed: bool = False  # whether the node has told its threads yet
    thread: str | None = None
    title: str = ""
    messages: tuple[Shown, ...] = ()
    cursor: int = 0  # events up to here are in `messages`
    is_whole: bool = True  # whether `messages` begins with the thread's first
    anchor: str | None = None
    line: int = 0  # how many of the anchor's lines are above the bottom edge; growth below moves nothing
    unseen: int = 0
    opening: str | None = None  # asked for and not answered yet
    held: tuple[JSON, ...] = ()  # what happened in `opening` meanwhile
    running: Mapping[str, str] = field(default_factory=dict)  # thread → state of the run in it
    begun: Mapping[str, float] = field(default_factory=dict)  # thread → since when something runs in it, Unix seconds
    sync: str = ""
    notice: str = ""
    told: str = ""  # what a command has done; gone with the next one
    offline: bool = False
    mode: str = ""  # what the composer is for: "" a message, "rename" a title, "find" a thread, "model" a model,
    # "comment" a comment on `spot`, "draft" the draft that everybody writes, "people" who is here, "join" a link
    query: str = ""  # what is written in a mode that chooses from a list
    hits: tuple[Hit, ...] = ()  # messages that hold all its words
    picked: int = 0  # which of those found Enter chooses
    models: tuple[str, ...] = ()
    default_model: str = ""
    model: str = ""  # the one that was chosen here; "" asks the default
    sending: int = 0  # texts on their way to the node
    helping: bool = False  # the keys are shown in place of the conversation
    alone: bool = False  # the conversation without the sidebar, however wide the window is
    unfolded: bool = False  # tool calls and reasoning shown whole
    talks: Mapping[str, tuple[Talk, ...]] = field(default_factory=dict)  # conversations, by the message's id
    spot: Spot | None = None  # what a comment is written on
    known: Company = NOBODY  # the people of the thread that was asked about last
    page: Page = NOWHERE  # which page of the people is open, in that mode

    @property
    def chosen(self) -> str | None:
        """The thread that a person has in mind: the one asked for, or else the open one."""
        return self.opening or self.thread

    @property
    def asked_model(self) -> str:
        """The model that the next prompt goes to."""
        return self.model or self.default_model

    @property
    def company(self) -> Company:
        """The people of the open thread; nobody, while they are not known."""
        return self.known if self.known.thread == self.thread else NOBODY

    @property
    def is_locked(self) -> bool:
        """Whether one may not write messages here."""
        return self.thread is not None and not self.company.may("editor")

    @property
    def prompts(self) -> list[str]:
        """What people wrote in the open thread, the newest first."""
        return [message.text for message in reversed(self.messages) if message.role == "user" and message.text]

    @property
    def row(self) -> Row | None:
        """The row of the open thread."""
        return next((row for row in self.rows if row.id == self.thread), None)

    @property
    def open_talks(self) -> int:
        """How many conversations are not settled."""
        return sum(not talk.is_settled for found in self.talks.values() for talk in found)

    @property
    def spots(self) -> list[Spot]:
        """What a comment can be written on, in the order in which it is drawn."""
        return spots([message.id for message in self.messages], self.placed)

    @property
    def placed(self) -> Mapping[str, tuple[Talk, ...]]:
        """The conversations by the message below which they stand; those whose message is gone are about none."""
        if not self.is_whole or not self.talks:
            return self.talks
        known = {message.id for message in self.messages}
        lost = [talk for name, found in self.talks.items() if name not in known for talk in found]
        return {**{name: found for name, found in self.talks.items() if name in known}, ELSEWHERE: tuple(lost)}

    @property
    def run(self) -> str | None:
        """The state of the run in the open thread, if there is one."""
        return self.running.get(self.thread) if self.thread is not None else None


# ---- what was asked for


def listed(state: State, threads: list[JSON], sync: str) -> State:
    """The threads there are, the latest first."""
    new = {row.id for row in state.rows if row.is_new}
    rows = tuple(
        Row(t["id"], t["title"], t["updated_at"], t["messages"], t["sync"], t["project"] or "", t["id"] in new)
        for t in threads
    )
    title = next((row.title for row in rows if row.id == state.thread), state.title)
    notice = "" if state.offline else state.notice  # what was said while the node was away is over
    return replace(state, rows=rows, is_listed=True, sync=sync, title=title, notice=notice, offline=False)


def offered(state: State, models: list[JSON]) -> State:
    """The models that can be asked. One that was chosen and is gone is no longer chosen."""
    ids = tuple(model["id"] for model in models)
    default = next((model["id"] for model in models if model["default"]), "")
    return replace(state, models=ids, default_model=default, model=state.model if state.model in ids else "")


def discussed(state: State, thread: str, conversations: list[JSON]) -> State:
    """What is said of a thread. Nothing happens if another one is open by now."""
    if thread != state.thread:
        return state
    state = replace(state, talks=talks(conversations))
    return state if state.spot is None or state.spot in state.spots else replace(state, spot=Spot(state.spot.message))


def searched(state: State, query: str, results: list[JSON]) -> State:
    """What a search found. Nothing happens if something else is looked for by now."""
    if (state.mode, state.query) != ("find", query):
        return state
    hits = (Hit(r["thread"], r["title"], r["message_id"], r["snippet"]) for r in results if r["message_id"])
    return replace(state, hits=tuple(hits))


def opening(state: State, thread: str) -> State:
    """A thread was chosen, and is asked for: what happens in it from now on is held until the answer comes."""
    stays = thread == state.thread
    return replace(state, opening=thread, held=(), mode=state.mode if stays else "", helping=stays and state.helping)


def opened(state: State, thread: JSON, is_whole: bool = True) -> State:
    """The thread came. Nothing happens if another one was chosen since."""
    if thread["id"] != state.opening:
        return state
    messages = tuple(shown(message) for message in thread["messages"])
    is_same = thread["id"] == state.thread
    stays = is_same and any(message.id == state.anchor for message in messages)
    held = state.held
    state = replace(
        state,
        rows=tuple(replace(row, is_new=False) if row.id == thread["id"] else row for row in state.rows),
        thread=thread["id"],
        title=thread["title"],
        messages=messages,
        cursor=thread["cursor"],
        is_whole=is_whole,
        anchor=state.anchor if stays else None,
        line=state.line if stays else 0,
        unseen=state.unseen if stays else 0,
        opening=None,
        held=(),
        notice=state.notice if is_same else "",
        talks=state.talks if is_same else {},
        spot=state.spot if is_same else None,
    )
    if messages and messages[-1].state == "streaming" and state.run is None:
        state = _running(state, thread["id"], "streaming")
    for event in held:
        state = update(state, event)
    return state


def blank(state: State) -> State:
    """No thread is open: what is written next begins one."""
    return replace(_closed(state, ""), opening=None, held=(), mode="")


def earlier(state: State, thread: JSON, before: str, is_whole: bool) -> State:
    """Messages from before the one named, which was the first; too late if it no longer is."""
    if thread["id"] != state.thread or not state.messages or state.messages[0].id != before:
        return state
    return replace(state, messages=(*map(shown, thread["messages"]), *state.messages), is_whole=is_whole)


# ---- what happened


def update(state: State, event: JSON) -> State:
    """What one event of the node changes. One that says nothing to the screen changes nothing."""
    kind, thread = event["type"], event.get("thread")
    if kind == "ready":
        return replace(state, offline=False)
    if thread is None:
        return state
    state = _marked(state, kind, thread, event)
    if thread == state.opening:
        state = replace(state, held=(*state.held, event))
    if thread != state.thread or event["cursor"] <= state.cursor:
        return state
    if kind == "message.added":
        return _added(state, shown(event["message"]))
    if kind == "message.changed":
        return _changed(state, shown(event["message"]))
    if kind == "message.delta":
        return _grown(state, event)
    if kind == "thread.changed" and event.get("title"):
        return replace(state, title=event["title"])
    if kind in ("thread.deleted", "thread.trashed"):
        return _closed(state, kind)
    return state


def _marked(state: State, kind: str, thread: str, event: JSON) -> State:
    """The marks in the sidebar: what runs, what is new, what is gone."""
    if kind == "run.state":
        state = _running(state, thread, None if event["state"] in ENDED else event["state"])
    elif kind in ("message.added", "message.changed"):
        if event["message"]["state"] == "streaming":
            state = _running(state, thread, state.running.get(thread, "streaming"))
        elif event["message"]["role"] == "assistant":
            state = _running(state, thread, None)
    if kind.startswith("message.") and thread not in (state.thread, state.opening):
        state = replace(state, rows=tuple(replace(r, is_new=True) if r.id == thread else r for r in state.rows))
    if kind in ("thread.deleted", "thread.trashed"):
        state = replace(state, rows=tuple(row for row in state.rows if row.id != thread))
    return state


def _running(state: State, thread: str, run: str | None) -> State:
    if state.running.get(thread) == run:
        return state
    others = {name: known for name, known in state.running.items() if name != thread}
    return replace(state, running=others if run is None else {**others, thread: run})


def timed(state: State, now: float) -> State:
    """The state with the time noted at which what runs was first seen. `now` in Unix seconds."""
    if state.begun.keys() == state.running.keys():
        return state
    return replace(state, begun={thread: state.begun.get(thread, now) for thread in state.running})


def _added(state: State, message: Shown) -> State:
    if any(known.id == message.id for known in reversed(state.messages)):
        return _changed(state, message)
    unseen = state.unseen + (state.anchor is not None)
    return replace(state, messages=(*state.messages, message), unseen=unseen)


def _changed(state: State, message: Shown) -> State:
    index = _index(state, message.id)
    return state if index is None else _put(state, index, replace(message, version=state.messages[index].version + 1))


def _grown(state: State, event: JSON) -> State:
    index = _index(state, event["message_id"])
    if index is None:
        return state
    return _put(state, index, grown(state.messages[index], event["part"], event["text"], event["at"]))


def _index(state: State, identifier: str) -> int | None:
    """Where a message stands; the last ones are asked for most."""
    return next((i for i in range(len(state.messages) - 1, -1, -1) if state.messages[i].id == identifier), None)


def _put(state: State, index: int, message: Shown) -> State:
    return replace(state, messages=(*state.messages[:index], message, *state.messages[index + 1 :]))


_GONE = {"thread.deleted": "This thread was deleted.", "thread.trashed": "This thread was put into the trash."}


def _closed(state: State, kind: str) -> State:
    notice = _GONE.get(kind, "")
    return replace(
        state,
        thread=None,
        title="",
        messages=(),
        is_whole=True,
        anchor=None,
        line=0,
        unseen=0,
        notice=notice,
        talks={},
        spot=None,
        mode="" if state.mode in IN_THREAD else state.mode,
    )


def next_thread(state: State, step: int) -> str | None:
    """The thread that many rows further down the sidebar, around its ends."""
    if not state.rows:
        return None
    ids = [row.id for row in state.rows]
    if state.chosen not in ids:
        return ids[0 if step > 0 else -1]
    return ids[(ids.index(state.chosen) + step) % len(ids)]
