"""Claude Code's session files: `~/.claude/projects/<project>/<session>.jsonl`, one record a line.

One answer of the model comes as several lines with one `message.id`, usually a block each; they are one
message here. What sub-agents do lies in the same file, as lines marked `isSidechain` (version 1) or inside
`progress` records (version 2), or in `agent-<id>.jsonl` files of their own that name the same session;
all of it ends in the one session, under the sub-agent's label, with the same keys wherever it was read.
"""

from .claude_kinds import (
    ATTACHMENT_BOOKKEEPING,
    ATTACHMENT_FILES,
    BOOKKEEPING,
    MACHINE_WORDS,
    PROGRESS_BOOKKEEPING,
    PROGRESS_OF_AGENTS,
    SYSTEM_BOOKKEEPING,
)
from .fields import Json, as_json, blocks_of, digest, identifier, image_part, mapping, text, time_ms
from .journal import Draft, Journal, TitleRank
from .records import ImportedPart, Role, ToolStatus


class ClaudeInterpreter:
    """Writes Claude Code's records into a journal."""

    def __init__(self) -> None:
        self._chains: dict[str, str] = {}  # line of a sidechain → label, for versions that give no agent's id

    def read(self, record: Json, data: bytes, journal: Journal) -> None:
        """Take one record, of whatever kind."""
        kind = text(record.get("type"))
        at_ms = journal.tick(time_ms(record.get("timestamp")))
        session = identifier(record.get("sessionId"))
        if session:
            journal.begin(f"claude-code:{session}", at_ms)
            journal.root(text(record.get("cwd")))
        if kind in BOOKKEEPING:
            return
        if kind in ("summary", "ai-title"):
            journal.title(text(record.get("summary")) or text(record.get("aiTitle")), TitleRank.SUMMARY)
        elif kind == "custom-title":
            journal.title(text(record.get("customTitle")), TitleRank.CHOSEN)
        else:
            if not journal.begun:  # no line names the session before the first that counts: its own bytes do
                journal.begin(f"claude-code:{digest(data)}", at_ms)
            self._read_entry(kind, record, data, at_ms, journal)

    def _read_entry(self, kind: str, record: Json, data: bytes, at_ms: int, journal: Journal) -> None:
        if kind in ("user", "assistant"):
            agent = self._agent_of(record)
            _read_turn(kind, record, data, at_ms, journal, agent, None)
        elif kind == "progress":
            _read_progress(record, data, at_ms, journal)
        elif kind == "system":
            _read_system(record, data, at_ms, journal)
        elif kind == "attachment":
            _read_attachment(record, data, at_ms, journal)
        else:
            _keep_unknown(kind, record, data, at_ms, journal)

    def _agent_of(self, record: Json) -> str | None:
        """The label of the sub-agent this line belongs to, or None for the main conversation."""
        if record.get("isSidechain") is not True:
            return None
        uuid = identifier(record.get("uuid"))
        label = (
            identifier(record.get("agentId"))
            or self._chains.get(identifier(record.get("parentUuid")))
            or f"agent-{uuid[:8]}"
        )
        self._chains[uuid] = label
        return label


def _key(record: Json, data: bytes, journal: Journal) -> str:
    return identifier(record.get("uuid")) or journal.line_key(data)


def _read_progress(record: Json, data: bytes, at_ms: int, journal: Journal) -> None:
    progress = mapping(record.get("data"))
    kind = text(progress.get("type"))
    inner = mapping(progress.get("message"))
    if kind in PROGRESS_OF_AGENTS and inner.get("type") in ("user", "assistant"):
        agent = identifier(progress.get("agentId")) or identifier(record.get("parentToolUseID")) or "agent"
        at_ms = time_ms(inner.get("timestamp")) or at_ms
        parent = identifier(record.get("parentToolUseID")) or None
        _read_turn(text(inner["type"]), inner, data, at_ms, journal, agent, parent)
    elif kind not in PROGRESS_BOOKKEEPING:
        _keep_unknown(f"progress/{kind}", record, data, at_ms, journal)


def _read_turn(
    kind: str, record: Json, data: bytes, at_ms: int, journal: Journal, agent: str | None, parent: str | None
) -> None:
    """A line of the conversation: what somebody said, and results of tools, which come in lines of role user."""
    message = mapping(record.get("message"))
    if not message:
        _keep_unknown(f"{kind}/empty", record, data, at_ms, journal)
        return
    blocks = blocks_of(message.get("content"))
    key = _key(record, data, journal)
    if kind == "assistant":
        model = text(message.get("model"))
        draft = journal.message(
            identifier(message.get("id")) or key,
            "assistant",
            at_ms,
            model=model if model != "<synthetic>" else None,
            agent=agent,
            parent_tool=parent,
        )
        for block in blocks:
            _add_block(block, draft, journal, at_ms, record)
        return
    said = [block for block in blocks if not _is_result(block)]
    for block in blocks:
        if _is_result(block):
            _add_result(block, at_ms, journal, agent, record)
    if not said:
        return
    role = _role_of_user(record, said)
    draft = journal.message(key, role, at_ms, agent=agent, parent_tool=parent)
    for block in said:
        _add_block(block, draft, journal, at_ms, record)
    if draft.role == "user":
        journal.title(next((text(block.get("text")) for block in said if block.get("text")), ""), TitleRank.FIRST_WORDS)


def _role_of_user(record: Json, said: list[Json]) -> Role:
    if record.get("isMeta") is True or record.get("isCompactSummary") is True:
        return "system"
    first = text(said[0].get("text")).lstrip()
    return "system" if first.startswith(MACHINE_WORDS) else "user"


def _is_result(block: Json) -> bool:
    return text(block.get("type")).endswith("tool_result") and bool(identifier(block.get("tool_use_id")))


def _add_block(block: Json, draft: Draft, journal: Journal, at_ms: int, record: Json) -> None:
    kind = text(block.get("type"))
    if kind == "text" and isinstance(block.get("text"), str):
        journal.add(draft, ImportedPart("text", text=block["text"]))
    elif kind in ("thinking", "redacted_thinking"):
        journal.add(draft, ImportedPart("reasoning", text=text(block.get("thinking"))))
    elif kind.endswith("tool_use") and identifier(block.get("id")):
        call = ImportedPart(
            "tool_call",
            tool_id=identifier(block.get("id")),
            name=text(block.get("name")),
            input=as_json(block.get("input")),
            status="running",
        )
        journal.call(draft, call)
    elif _is_result(block):  # of a tool that ran at the provider: it stands in the answer itself
        _add_result(block, at_ms, journal, draft.agent, record)
    elif kind == "image":
        encoded, image = _image(block)
        journal.add(draft, image, fingerprint=digest(encoded.encode()))
    elif kind == "document":
        source = mapping(block.get("source"))
        words = text(source.get("data")) if source.get("type") == "text" else ""
        title = text(block.get("title"))
        journal.add(draft, ImportedPart("file", text=words, name=title, media=text(source.get("media_type"))))
    else:
        journal.placeholder(draft, kind, as_json(block))


def _image(block: Json, tool_id: str = "") -> tuple[str, ImportedPart]:
    source = mapping(block.get("source"))
    encoded = text(source.get("data")) or text(source.get("url"))
    return encoded, image_part(text(source.get("media_type")), encoded, tool_id)


def _add_result(block: Json, at_ms: int, journal: Journal, agent: str | None, record: Json) -> None:
    tool_id = identifier(block.get("tool_use_id"))
    words: list[str] = []
    images: list[ImportedPart] = []
    for piece in blocks_of(block.get("content")):
        if piece.get("type") == "image":
            images.append(_image(piece, tool_id)[1])
        else:
            words.append(piece["text"] if isinstance(piece.get("text"), str) else as_json(piece))
    status: ToolStatus = "error" if block.get("is_error") is True else "ok"
    if mapping(record.get("toolUseResult")).get("interrupted") is True:
        status = "interrupted"
    journal.result(tool_id, "\n".join(words), status, at_ms, images, agent)


def _read_system(record: Json, data: bytes, at_ms: int, journal: Journal) -> None:
    kind = text(record.get("subtype"))
    words = text(record.get("content"))
    if kind in SYSTEM_BOOKKEEPING:
        return
    if not words:
        _keep_unknown(f"system/{kind}", record, data, at_ms, journal)
        return
    draft = journal.message(_key(record, data, journal), "system", at_ms)
    journal.add(draft, ImportedPart("text", text=words))


def _read_attachment(record: Json, data: bytes, at_ms: int, journal: Journal) -> None:
    attachment = mapping(record.get("attachment"))
    kind = text(attachment.get("type"))
    if kind in ATTACHMENT_BOOKKEEPING:
        return
    if kind == "queued_command":  # typed while the model was at work
        prompt = attachment.get("prompt")
        by_person = attachment.get("commandMode", "prompt") == "prompt" and record.get("isMeta") is not True
        said = {"message": {"content": prompt}, "uuid": record.get("uuid"), "isMeta": not by_person}
        _read_turn("user", said, data, at_ms, journal, None, None)
        return
    if kind not in ATTACHMENT_FILES:
        _keep_unknown(f"attachment/{kind}", record, data, at_ms, journal)
        return
    name = text(attachment.get("filename")) or text(attachment.get("path")) or text(attachment.get("displayPath"))
    content = attachment.get("content", attachment.get("snippet", ""))
    words = content if isinstance(content, str) else text(mapping(mapping(content).get("file")).get("content"))
    draft = journal.message(_key(record, data, journal), "system", at_ms)
    journal.add(draft, ImportedPart("file", text=words or as_json(content), name=name))


def _keep_unknown(kind: str, record: Json, data: bytes, at_ms: int, journal: Journal) -> None:
    agent = identifier(record.get("agentId")) if record.get("isSidechain") is True else ""
    draft = journal.message(_key(record, data, journal), "system", at_ms, agent=agent or None)
    journal.placeholder(draft, kind, data.decode("utf-8", "replace"))
