"""What the screen knows, and how each thing that happens changes it (pure).

`update(state, event)` takes an event as the node tells it, `opened` and `listed` what was asked for. What
is drawn follows from the state alone (`render`), so all of it can be tested without a terminal.
"""

from dataclasses import dataclass, replace
from typing import Any

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """One thread in the sidebar."""

    id: str
    title: str
    updated_at: str
    messages: int
    sync: str
    is_new: bool = False  # something came that was not looked at yet


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as it is drawn. `version` grows with each change, so that drawings can be kept."""

    id: str
    role: str
    author: str
    created_at: str
    state: str
    text: str
    model: str = ""
    reasoning: str = ""
    tools: tuple[tuple[str, str], ...] = ()  # name and status
    version: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """Everything. `anchor` is the message whose end stands at the bottom; None follows what is newest."""

    rows: tuple[Row, ...] = ()
    thread: str | None = None
    title: str = ""
    messages: tuple[Shown, ...] = ()
    anchor: str | None = None
    lines_up: int = 0  # of the anchor's message that are below the bottom edge
    unseen: int = 0
    sync: str = ""
    notice: str = ""
    offline: bool = False
    asking_title: bool = False

    @property
    def row(self) -> Row | None:
        """The row of the open thread."""
        return next((row for row in self.rows if row.id == self.thread), None)

    @property
    def is_streaming(self) -> bool:
        """Whether an answer is being written."""
        return bool(self.messages) and self.messages[-1].state == "streaming"


def listed(state: State, threads: list[JSON], sync: str) -> State:
    """The threads there are, the latest first."""
    new = {row.id for row in state.rows if row.is_new}
    rows = tuple(
        Row(t["id"], t["title"], t["updated_at"], t["messages"], t["sync"], is_new=t["id"] in new) for t in threads
    )
    title = next((row.title for row in rows if row.id == state.thread), state.title)
    notice = "" if state.offline else state.notice  # what was said while the node was away is over
    return replace(state, rows=rows, sync=sync, title=title, notice=notice, offline=False)


def opened(state: State, thread: JSON) -> State:
    """A thread was chosen."""
    rows = tuple(replace(row, is_new=False) if row.id == thread["id"] else row for row in state.rows)
    messages = tuple(shown(message) for message in thread["messages"])
    return replace(
        state,
        rows=rows,
        thread=thread["id"],
        title=thread["title"],
        messages=messages,
        anchor=None,
        lines_up=0,
        unseen=0,
        notice="",
        asking_title=False,
    )


def shown(message: JSON) -> Shown:
    """A message of the API as it is drawn."""
    reasoning = "".join(part.get("text") or "" for part in message["parts"] if part["type"] == "reasoning")
    others = [f"[{part['type']}] " + (part.get("text") or "") for part in message["parts"]
              if part["type"] in ("placeholder", "file", "image")]  # fmt: skip
    return Shown(
        id=message["id"],
        role=message["role"],
        author=message["author"]["name"],
        created_at=message["created_at"],
        state=message["state"],
        text="\n".join([*([message["text"]] if message["text"] else []), *others]),
        model=message.get("model") or "",
        reasoning=reasoning,
        tools=tuple((call["name"], call["status"]) for call in message["tool_calls"]),
    )


def update(state: State, event: JSON) -> State:
    """What one event of the node changes. One that says nothing to the screen changes nothing."""
    kind, thread = event["type"], event.get("thread")
    if kind == "ready":
        return replace(state, offline=False)
    if thread != state.thread:
        rows = tuple(replace(row, is_new=True) if row.id == thread else row for row in state.rows)
        return replace(state, rows=rows) if kind.startswith("message.") else state
    if kind == "message.added":
        return _added(state, shown(event["message"]))
    if kind == "message.changed":
        return _changed(state, shown(event["message"]))
    if kind == "message.delta":
        return _grown(state, event["message_id"], event["part"], event["text"])
    if kind == "thread.changed" and event.get("title"):
        return replace(state, title=event["title"])
    if kind == "thread.deleted":
        return replace(state, thread=None, title="", messages=(), anchor=None, notice="This thread was deleted.")
    return state


def _added(state: State, message: Shown) -> State:
    if any(known.id == message.id for known in state.messages):
        return _changed(state, message)
    unseen = state.unseen + (state.anchor is not None)
    return replace(state, messages=(*state.messages, message), unseen=unseen)


def _changed(state: State, message: Shown) -> State:
    for index in range(len(state.messages) - 1, -1, -1):
        known = state.messages[index]
        if known.id == message.id:
            return _put(state, index, replace(message, version=known.version + 1))
    return state


def _grown(state: State, identifier: str, part: str, text: str) -> State:
    for index in range(len(state.messages) - 1, -1, -1):
        known = state.messages[index]
        if known.id == identifier:
            if part == "reasoning":
                grown = replace(known, version=known.version + 1, reasoning=known.reasoning + text)
            else:
                grown = replace(known, version=known.version + 1, text=known.text + text)
            return _put(state, index, grown)
    return state


def _put(state: State, index: int, message: Shown) -> State:
    return replace(state, messages=(*state.messages[:index], message, *state.messages[index + 1 :]))


def next_thread(state: State, step: int) -> str | None:
    """The thread that many rows further down the sidebar, around its ends."""
    if not state.rows:
        return None
    ids = [row.id for row in state.rows]
    at = ids.index(state.thread) + step if state.thread in ids else 0
    return ids[at % len(ids)]
