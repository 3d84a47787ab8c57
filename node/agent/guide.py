"""The built-in guide: answers offline and without a key, always the same to the same prompt.

It is no model and says so in every answer. It picks at most two topics by their words and says what
to type next; the commands it names are the command line's own. It exists so that everything around a
model (streaming, syncing a stream, cancelling) can be seen and tested with nothing configured.
"""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from node.agent.ports import ChatMessage, ModelDelta, ModelDone, ModelEvent

NAME = "guide"
DELTA_CHARS = 18  # about three words: small enough to be seen streaming
MAX_TOPICS = 2
ECHO_CHARS = 80


@dataclass(frozen=True, slots=True)
class Topic:
    """Words that call for an answer, and the answer."""

    words: frozenset[str]
    answer: str


def _topic(words: str, answer: str) -> Topic:
    return Topic(frozenset(words.split()), answer)


# Order decides among topics with equally many words in the prompt.
TOPICS = [
    _topic(
        "model models provider providers key keys openai ollama llm llms gpt claude anthropic litellm connect gemini",
        "To get answers from a real model, connect any OpenAI-compatible endpoint: `opensesh provider add NAME "
        "--base-url URL --model M --key-stdin` (leave `--key-stdin` out for a local one that needs no key). Try it "
        "with `opensesh provider test NAME`. The key stays on this device; it never syncs.",
    ),
    _topic(
        "pair pairing device devices laptop desktop phone second another computer",
        "To go on with your threads on another device, run `opensesh pair` here and `opensesh pair CODE` there. "
        "The code works once and on a local network or over a relay. Afterwards your threads sync both ways; "
        "`opensesh devices` lists what is paired and `opensesh devices revoke` shuts one out.",
    ),
    _topic(
        "sync syncing relay relays server offline online cloud network",
        "Devices on one network find each other by themselves. To sync across networks run a relay of your own, "
        "`opensesh relay serve --host 0.0.0.0 --port 8765 --data DIR`, and point each device at it with "
        "`opensesh sync connect ws://HOST:8765`. `opensesh sync status` says what has arrived where. Working "
        "offline is fine: everything is stored here first and merges later.",
    ),
    _topic(
        "private privacy secure security encrypted encryption safe trust read see secret",
        "Your threads are encrypted on this device before they leave it, and every change is signed. A relay "
        "passes on frames that it can neither read nor forge; it does learn how many there are, how large and "
        "when. Write down the recovery words with `opensesh recovery show`: they are the way back if you lose "
        "every device.",
    ),
    _topic(
        "import imports follow session sessions transcript transcripts codex history rollout existing",
        "To bring in what you did with Claude Code or Codex, run `opensesh import FILE`. With "
        "`opensesh import --follow claude` (or `codex`) a session that is running now appears here line by line, "
        "on all your devices.",
    ),
    _topic(
        "find search list show lost where old thread threads",
        "`opensesh list` shows your threads, `opensesh show THREAD` one of them, and `opensesh search WORDS` "
        "looks through all of them. A thread can be named by its id, by the beginning of it, or by its title.",
    ),
    _topic(
        "delete remove trash undo restore forget purge",
        "`opensesh trash THREAD` puts a thread away and `opensesh restore THREAD` brings it back; nothing expires "
        "by itself. Only `opensesh delete --forever THREAD` is final.",
    ),
    _topic(
        "export markdown json save copy backup backups",
        "`opensesh export THREAD` writes a thread as Markdown or JSON. `opensesh backup create` keeps everything "
        "on this device in one file.",
    ),
    _topic(
        "cancel stop abort interrupt take over runner running",
        "Ctrl-C stops an answer in any state. One device runs a thread at a time; a question asked on another one "
        "waits for it, unless you say `opensesh ask --take-over`.",
    ),
    _topic(
        "code bug bugs fix error test tests function python refactor write implement build explain review file",
        "That is work for a real model: I can neither read code nor write it. Your question is stored in this "
        "thread, so you can ask again here once a model is connected: `opensesh provider add NAME --base-url URL "
        "--model M`.",
    ),
    _topic(
        "what opensesh who you hello hi hey help start begin guide about work works how",
        "OpenSesh keeps your conversations with AI as threads on your own devices, syncs them end to end "
        "encrypted, and lets you go on anywhere. Next you could try `opensesh list` to see your threads, "
        "`opensesh pair` to add a device, or `opensesh provider add` to connect a model.",
    ),
]
FALLBACK = (
    "I have no answer of my own to that. What I can do is show you around: try `opensesh list` to see your threads, "
    "`opensesh import FILE` to bring in a session from Claude Code or Codex, or `opensesh pair` to add a device."
)
CLOSING = "I am OpenSesh's built-in guide, a set of fixed rules and not a model, so the same question gets this answer."


def answer(prompt: str) -> str:
    """The guide's whole answer to a prompt: a function of its text alone."""
    words = re.findall(r"[a-z]+", prompt.lower())
    hits = [(sum(word in topic.words for word in words), topic) for topic in TOPICS]
    chosen = sorted((hit for hit in hits if hit[0]), key=lambda hit: -hit[0])[:MAX_TOPICS]
    # The general topic only fills in: next to a particular one its words are mere grammar.
    particular = [topic for _, topic in chosen if topic is not TOPICS[-1]]
    topics = particular or [topic for _, topic in chosen]
    paragraphs = [f"You asked: “{_echo(prompt)}”"] if prompt.strip() else []
    paragraphs += [topic.answer for topic in topics] or [FALLBACK]
    return "\n\n".join([*paragraphs, CLOSING])


def deltas(text: str) -> list[str]:
    """Cut text into small pieces after spaces; joined they give it back."""
    pieces = [""]
    for word in re.findall(r"\S*\s*", text):
        if len(pieces[-1]) >= DELTA_CHARS:
            pieces.append("")
        pieces[-1] += word
    return [piece for piece in pieces if piece]


def _echo(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= ECHO_CHARS else line[: ECHO_CHARS - 1].rstrip() + "…"


class Guide:
    """The guide as a `ModelSource`. `pace` is awaited before every delta but the first."""

    label = NAME
    context_chars = 20_000

    def __init__(self, pace: Callable[[], Awaitable[None]]) -> None:
        self._pace = pace

    def prepare(self) -> None:
        """Always ready."""

    async def stream(self, messages: Sequence[ChatMessage]) -> AsyncGenerator[ModelEvent, None]:
        """Answer the last paragraph of the last message of a person: neighbouring messages come as one."""
        said = next((message.content for message in reversed(messages) if message.role == "user"), "")
        prompt = said.strip().rsplit("\n\n", 1)[-1]
        for index, piece in enumerate(deltas(answer(prompt))):
            if index:
                await self._pace()
            yield ModelDelta("text", piece)
        yield ModelDone("stop")
