"""Codex CLI's rollout files: `~/.codex/sessions/YYYY/MM/DD/rollout-<time>-<id>.jsonl`.

Each line is `{timestamp, type, payload}`; before September 2025 it was a bare header and bare items. The
conversation is in the `response_item`s; `event_msg`s repeat it for the screen. Items have no ids that
last, so a message's key is a hash of its first line. What the model gives between two things it is given
(reasoning, words, calls) is one answer, and one message here. A sub-agent has a rollout of its own that
names its parent: it is read into the parent's session, under the sub-agent's label.
"""

import json
import re

from .codex_kinds import (
    CALLS,
    CALLS_WITHOUT_OUTPUT,
    ENVELOPE_BOOKKEEPING,
    ENVELOPE_KINDS,
    EVENT_BOOKKEEPING,
    ITEM_BOOKKEEPING,
    MACHINE_WORDS,
    OUTPUTS,
)
from .fields import Json, as_json, blocks_of, digest, identifier, image_part, mapping, text, time_ms
from .journal import Draft, Journal, TitleRank
from .records import ImportedPart, Role, ToolStatus

# Codex puts a head before a command's output and an "Output:" line between; only the head is its own word.
_EXIT_CODE = re.compile(r"(?:^|\n)(?:Exit code:|Process exited with code) (-?\d{1,10})")
_HEAD_LENGTH = 600


class CodexInterpreter:
    """Writes Codex's records into a journal."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._agent: str | None = None
        self._prefix = ""
        self._answer: Draft | None = None  # the answer that the model is giving
        self._calls: dict[str, str] = {}  # call id → the tool id it has here
        self._seen: set[str] = set()

    def read(self, record: Json, data: bytes, journal: Journal) -> None:
        """Take one record, of whatever kind."""
        at_ms = journal.tick(time_ms(record.get("timestamp")))
        kind = text(record.get("type"))
        if "timestamp" in record:
            # Equal to the millisecond and the last byte is the same line again, as after a rotation by copying.
            mark = digest(data)
            if mark in self._seen:
                return
            self._seen.add(mark)
        if kind in ENVELOPE_KINDS or isinstance(record.get("payload"), dict):
            payload = mapping(record.get("payload"))
        elif kind:
            kind, payload = "response_item", record
        elif record.get("record_type") == "state":
            return
        else:
            kind, payload = "session_meta", record
        if kind == "session_meta":
            self._read_meta(payload, at_ms, journal)
            return
        if not journal.begun:
            journal.begin(f"codex:{digest(data)}", at_ms)
        if kind == "turn_context":
            self._model = text(payload.get("model")) or self._model
            journal.root(text(payload.get("cwd")))
        elif kind == "response_item":
            self._read_item(payload, data, at_ms, journal)
        elif kind == "event_msg":
            self._read_event(payload, data, at_ms, journal)
        elif kind == "compacted":
            self._say("system", [{"type": "text", "text": text(payload.get("message"))}], data, at_ms, journal)
        elif kind not in ENVELOPE_BOOKKEEPING:
            self._keep_unknown(kind, data, at_ms, journal)

    def _read_meta(self, meta: Json, at_ms: int, journal: Journal) -> None:
        """Only the first counts: a forked session goes on with a copy of what it came from, header included."""
        if journal.begun:
            return
        session = identifier(meta.get("id")) or digest(as_json(meta).encode())
        spawned = mapping(mapping(mapping(meta.get("source")).get("subagent")).get("thread_spawn"))
        parent = identifier(meta.get("parent_thread_id")) or identifier(spawned.get("parent_thread_id"))
        if parent:
            names = (meta.get("agent_nickname"), spawned.get("agent_nickname"), spawned.get("agent_role"))
            self._agent = next(filter(None, map(identifier, names)), session)
            self._prefix = f"{session}:"
        journal.begin(f"codex:{parent or session}", time_ms(meta.get("timestamp")) or at_ms)
        if not parent:
            journal.root(text(meta.get("cwd")))

    # what the model was given, and what it gave

    def _read_item(self, item: Json, data: bytes, at_ms: int, journal: Journal) -> None:
        kind = text(item.get("type"))
        if kind in ITEM_BOOKKEEPING:
            return
        if kind == "message":
            self._read_message(item, data, at_ms, journal)
        elif kind == "agent_message":  # from one agent to another
            self._say(
                "system", blocks_of(item.get("content")), data, at_ms, journal, agent=identifier(item.get("author"))
            )
        elif kind == "reasoning":
            words = _words(blocks_of(item.get("summary")) + blocks_of(item.get("content")))
            if words:  # what is encrypted nobody can read
                journal.add(self._answering(data, at_ms, journal), ImportedPart("reasoning", text=words))
        elif kind in CALLS:
            self._read_call(kind, item, data, at_ms, journal)
        elif kind in OUTPUTS:
            self._answer = None
            self._read_output(item, at_ms, journal)
        else:
            self._keep_unknown(kind, data, at_ms, journal)

    def _read_message(self, item: Json, data: bytes, at_ms: int, journal: Journal) -> None:
        blocks = blocks_of(item.get("content"))
        if item.get("role") == "assistant":
            draft = self._answering(data, at_ms, journal)
            for block in blocks:
                _add_block(block, draft, journal)
            return
        machine = item.get("role") != "user" or _words(blocks).lstrip().startswith(MACHINE_WORDS)
        self._say("system" if machine else "user", blocks, data, at_ms, journal)

    def _say(
        self, role: Role, blocks: list[Json], data: bytes, at_ms: int, journal: Journal, agent: str | None = None
    ) -> None:
        self._answer = None
        key = self._key(data, journal)
        draft = journal.message(key, role, at_ms, agent=agent or self._agent)
        for block in blocks:
            _add_block(block, draft, journal)
        if draft.role == "user":
            journal.title(_words(blocks), TitleRank.FIRST_WORDS)

    def _answering(self, data: bytes, at_ms: int, journal: Journal) -> Draft:
        if self._answer is None:
            key = self._key(data, journal)
            self._answer = journal.message(key, "assistant", at_ms, model=self._model, agent=self._agent)
        return self._answer

    def _key(self, data: bytes, journal: Journal) -> str:
        return self._prefix + journal.line_key(data)

    # tools

    def _read_call(self, kind: str, item: Json, data: bytes, at_ms: int, journal: Journal) -> None:
        draft = self._answering(data, at_ms, journal)
        given = identifier(item.get("call_id")) or identifier(item.get("id")) or self._key(data, journal)
        tool_id = self._prefix + given
        count = 1
        while journal.knows_call(tool_id):  # some endpoints begin anew with "call_0" in every answer
            count += 1
            tool_id = f"{self._prefix}{given}-{count}"
        self._calls[given] = tool_id
        ended = kind in CALLS_WITHOUT_OUTPUT and item.get("status") in (None, "completed")
        part = ImportedPart(
            "tool_call",
            tool_id=tool_id,
            name=text(item.get("name")) or kind.removesuffix("_call"),
            input=_input(kind, item),
            result="" if ended else None,
            status="ok" if ended else "running",
        )
        journal.call(draft, part)

    def _read_output(self, item: Json, at_ms: int, journal: Journal) -> None:
        given = identifier(item.get("call_id")) or identifier(item.get("id")) or "unknown"
        tool_id = self._calls.get(given, self._prefix + given)
        output = item.get("output", item.get("tools", item.get("result")))
        words, failed = _output(output)
        images = [
            image_part("", _image_url(block), tool_id)
            for block in blocks_of(output)
            if text(block.get("type")).endswith("image")
        ]
        status: ToolStatus = "error" if failed else "ok"
        journal.result(tool_id, words, status, at_ms, images, self._agent)

    # the rest

    def _read_event(self, event: Json, data: bytes, at_ms: int, journal: Journal) -> None:
        kind = text(event.get("type"))
        if kind in EVENT_BOOKKEEPING:
            return
        if kind == "thread_name_updated":
            journal.title(text(event.get("thread_name")), TitleRank.CHOSEN)
        elif kind == "turn_aborted":
            words = f"Turn aborted: {text(event.get('reason')) or 'no reason given'}"
            self._say("system", [{"type": "text", "text": words}], data, at_ms, journal)
        elif kind == "thread_rolled_back":
            words = f"The last {event.get('num_turns')} turn(s) were rolled back."
            self._say("system", [{"type": "text", "text": words}], data, at_ms, journal)
        elif kind in ("error", "stream_error", "warning"):
            self._say("system", [{"type": "text", "text": text(event.get("message"))}], data, at_ms, journal)
        elif kind == "item_completed":
            item = mapping(event.get("item"))
            if text(item.get("type")).lower() == "plan":  # the one item that no response_item repeats
                draft = self._answering(data, at_ms, journal)
                journal.add(draft, ImportedPart("text", text=text(item.get("text"))))
        else:
            self._keep_unknown(f"event_msg/{kind}", data, at_ms, journal)

    def _keep_unknown(self, kind: str, data: bytes, at_ms: int, journal: Journal) -> None:
        draft = journal.message(self._key(data, journal), "system", at_ms, agent=self._agent)
        journal.placeholder(draft, kind, data.decode("utf-8", "replace"))


def _words(blocks: list[Json]) -> str:
    return "\n\n".join(words for block in blocks if (words := text(block.get("text"))))


def _image_url(block: Json) -> str:
    return text(block.get("image_url")) or text(mapping(block.get("image_url")).get("url"))


def _add_block(block: Json, draft: Draft, journal: Journal) -> None:
    kind = text(block.get("type"))
    words = block.get("text", block.get("refusal"))
    if kind in ("text", "input_text", "output_text", "refusal", "summary_text") and isinstance(words, str):
        if words:
            journal.add(draft, ImportedPart("text", text=words))
    elif kind.endswith("image") and _image_url(block):
        journal.add(draft, image_part("", _image_url(block)), fingerprint=digest(_image_url(block).encode()))
    elif kind == "encrypted_content":
        return
    else:
        journal.placeholder(draft, kind, as_json(block))


def _input(kind: str, item: Json) -> str:
    """A call's input as JSON text. A function's arguments are that already; free text, such as a patch, is wrapped."""
    if kind in ("local_shell_call", "web_search_call"):
        return as_json(item.get("action"))
    given = item.get("arguments", item.get("input"))
    if not isinstance(given, str):
        return as_json(given)
    if kind == "function_call":
        return given
    return as_json({"input": given})


def _output(output: object) -> tuple[str, bool]:
    """A call's result as text, and whether it failed as far as it says."""
    if isinstance(output, list):
        pieces = [block for block in blocks_of(output) if not text(block.get("type")).endswith("image")]
        return "\n".join(text(block.get("text")) or as_json(block) for block in pieces), False
    shape = mapping(output)
    if isinstance(output, str) and output.startswith('{"output":'):
        try:
            shape = mapping(json.loads(output))
        except (ValueError, RecursionError):
            shape = {}
    if shape:
        words = text(shape.get("output")) or text(shape.get("content")) or as_json(shape)
        exit_code = mapping(shape.get("metadata")).get("exit_code", 0)
        return words, shape.get("success") is False or exit_code not in (0, None)
    words = output if isinstance(output, str) else as_json(output)
    head, mark, _ = words[:_HEAD_LENGTH].partition("\nOutput:")
    code = _EXIT_CODE.search(head) if mark else None
    return words, bool(code and int(code[1]))
