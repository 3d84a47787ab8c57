"""Turn a thread's history into the messages a model is sent, within a number of characters (pure).

The rule, whole: the prompt always goes (its middle is cut out if it alone is too long), and after it
what the run itself has said so far, which gets at most half of the room. Before the prompt go the newest
earlier messages that fit, without a gap; the first one that does not fit ends the walk, and one line in
front says how many were left out. Nothing in the thread is changed or copied: what was left out is named
as a range of message ids.

Left out always: reasoning (it belongs to the model that had it), and prompts that still wait for an
answer of their own. Tool calls go as text, shortened.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from node.agent.ports import ChatMessage, PastCall, PastMessage

CALL_CHARS = 2_000  # of a tool call's input and of its result, each
OVERHEAD_CHARS = 16  # what a provider's framing of one message is reckoned to cost
NOTE_CHARS = 100  # what a note about something left out takes at most
MIN_CHARS = 1_000  # of the prompt and of an own round, whatever the limit
CONTEXT_CHARS = 400_000  # about 100,000 tokens of English, which today's models take
SYSTEM = "You are the assistant in an OpenSesh thread. Several people and earlier models may have written in it."


@dataclass(frozen=True, slots=True)
class Omission:
    """The range of earlier messages that did not fit."""

    count: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Context:
    """What is sent, and what was not."""

    messages: tuple[ChatMessage, ...]
    omission: Omission | None


def build(
    history: Sequence[PastMessage], *, prompt: str, run: str, waiting: Collection[str] = (), limit_chars: int
) -> Context:
    """The context for the answer to message `prompt` in `run`; `waiting` are prompts still queued.

    Raises ValueError if `history` lacks the prompt.
    """
    asked = next((message for message in history if message.id == prompt), None)
    if asked is None:
        raise ValueError(f"no message {prompt} in the history")
    own = [message for message in history if message.run == run and message.id != prompt]
    earlier = [m for m in history if m.id != prompt and m.run != run and m.id not in waiting]
    several = len({message.author for message in [*earlier, asked] if message.role == "user"}) > 1
    tail = [_chat(message, several) for message in [asked, *own]]
    # The model's own earlier rounds come after the prompt; the prompt's share is what they leave.
    budget = limit_chars - len(SYSTEM) - NOTE_CHARS - OVERHEAD_CHARS
    tail[1:] = [_shorten(chat, max(MIN_CHARS, budget // 2 // len(own))) for chat in tail[1:]]
    tail[0] = _shorten(tail[0], max(MIN_CHARS, budget - OVERHEAD_CHARS - sum(_cost(chat) for chat in tail[1:])))
    budget -= sum(_cost(chat) for chat in tail)
    kept: list[ChatMessage] = []
    left = len(earlier)
    for message in reversed(earlier):
        chat = _chat(message, several)
        if chat.content and _cost(chat) > budget:
            break
        left -= 1
        if chat.content:
            budget -= _cost(chat)
            kept.append(chat)
    omission = Omission(left, earlier[0].id, earlier[left - 1].id) if left else None
    system = SYSTEM
    if omission:
        system += f"\n[{omission.count} earlier message(s) of this thread are left out here to fit your context.]"
    return Context((ChatMessage("system", system), *_joined([*reversed(kept), *tail])), omission)


def _chat(message: PastMessage, several_authors: bool) -> ChatMessage:
    pieces = [part if isinstance(part, str) else _call_text(part) for part in message.parts]
    text = "\n\n".join(piece for piece in pieces if piece)
    if message.role != "user":
        if message.interrupted and text:
            text += "\n[This answer was interrupted.]"
        # A tool's message becomes the assistant's: without the call it answers, providers refuse one.
        return ChatMessage("system" if message.role == "system" else "assistant", text)
    return ChatMessage("user", f"{message.author}: {text}" if several_authors and message.author and text else text)


def _call_text(call: PastCall) -> str:
    result = _cut(call.result, CALL_CHARS) or "(no result)"
    return f"[Tool {call.name}, {call.status}]\ninput: {_cut(call.input, CALL_CHARS)}\nresult: {result}"


def _cut(text: str, limit: int) -> str:
    """At most `limit` characters of it: beginning and end, and between them how many are missing."""
    if len(text) <= limit:
        return text
    kept = limit - NOTE_CHARS
    note = f"\n[… {len(text) - kept} characters left out …]\n"
    return text[: kept // 2] + note + text[len(text) - (kept - kept // 2) :]


def _shorten(chat: ChatMessage, limit: int) -> ChatMessage:
    return ChatMessage(chat.role, _cut(chat.content, limit))


def _cost(chat: ChatMessage) -> int:
    return len(chat.content) + OVERHEAD_CHARS


def _joined(messages: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Neighbours of one role as one message: several providers insist on turns that alternate."""
    joined: list[ChatMessage] = []
    for chat in messages:
        if not chat.content:
            continue
        if joined and joined[-1].role == chat.role:
            joined[-1] = ChatMessage(chat.role, f"{joined[-1].content}\n\n{chat.content}")
        else:
            joined.append(chat)
    return joined
