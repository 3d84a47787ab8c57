"""A thread in memory, and the changes of one command to it: what `threads` hands out to whoever reads and writes."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pycrdt

from crdt import errors, keys
from crdt.author import Author
from crdt.discussion import Discussion
from crdt.draft import NAMES
from crdt.identity import SignedEntry
from crdt.ids import DeviceId, IdentityId, SessionId, ThreadId, to_text
from crdt.output import Chunk
from crdt.permissions import Lane, LaneKind, Role
from crdt.records import Action
from crdt.replica import Commit, Receipt, Replica
from crdt.stewardship import introduction, rotate
from crdt.thread import Thread
from node.discussing import Shapes
from node.live_text import LiveText
from node.store import Batch


class Pen(Protocol):
    """Whose device this is, as far as threads need to know it."""

    def author(self, session: SessionId) -> Author:
        """The device's keys under a session."""

    def check_standing(self) -> None:
        """Raise DEVICE_REVOKED if this device may write nowhere any more."""

    def own_keys(self) -> list[keys.AgreementKey]:
        """Every key that content keys may be wrapped to for us."""

    def entries(self) -> Sequence[SignedEntry]:
        """Our identity's device log."""

    def recipients(self, replica: Replica) -> list[bytes]:
        """Whom a fresh content key of that thread is wrapped to."""

    def name_of(self, device: DeviceId, replica: Replica) -> str:
        """What to call the author of a message."""


class OpenThread:
    """A thread in memory. `lock` orders changes; reading needs none, for no change awaits in the middle."""

    def __init__(self, replica: Replica, pen: Pen) -> None:
        self.replica = replica
        self.pen = pen
        self.view = Thread(replica)
        self.discussion = Discussion(replica)
        self.texts = {name: LiveText(replica, name) for name in NAMES}
        self.facts = facts_of(self.view)
        self.lock = asyncio.Lock()
        self.roles: dict[IdentityId, Role] | None = None  # as they were last told
        for output in replica.outputs.values():
            output.news()  # what is here already is no news

    @property
    def id(self) -> ThreadId:
        return self.replica.thread

    def author_of(self, device: bytes) -> dict[str, Any]:
        """Who wrote something, in the API's shape."""
        identity = self.replica.membership.identity_of.get(DeviceId(device), IdentityId(b""))
        name = self.pen.name_of(DeviceId(device), self.replica)
        return {"identity": to_text(identity), "device": to_text(device), "name": name}

    def comment_shapes(self) -> Shapes:
        """Its comments in the API's shapes."""
        return Shapes(self.discussion, self.view, self.author_of)


@dataclass(slots=True)
class Draft:
    """The changes of one command, stored together when its block ends."""

    thread: OpenThread
    frames: list[tuple[bytes, Receipt]] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def commit(self, lane: Lane, change: Callable[["pycrdt.Doc[Any]"], None]) -> None:
        """Change a document. Raises PERMISSION_DENIED or WAITING_FOR_KEY before anything is changed."""
        self._prepare()
        self._keep(self.thread.replica.commit(lane, change))

    def output(self, terminal: bytes, chunk: Chunk) -> None:
        """Say something in a terminal of this device's. Raises PERMISSION_DENIED or WAITING_FOR_KEY before that."""
        self._prepare()
        self._keep(self.thread.replica.commit_output(terminal, chunk))

    def record(self, kind: LaneKind, actions: Sequence[Action], outside: bytes = b"") -> bytes:
        """Write a governance record; its envelope's id."""
        commit = self.thread.replica.commit_record(kind, actions, outside)
        self._keep(commit)
        assert commit.receipt.envelope is not None
        return commit.receipt.envelope.id

    def rotate(self, because: Sequence[Action] = (), recipients: list[bytes] | None = None) -> None:
        """Hand out a fresh content key, in one record with what makes it necessary."""
        replica = self.thread.replica
        assert replica.author is not None
        self._keep(rotate(replica, replica.author, recipients or self.thread.pen.recipients(replica), because))

    def keep(self, commit: Commit) -> None:
        """A frame that was made elsewhere, such as a founding."""
        self._keep(commit)

    @property
    def timeline(self) -> Lane:
        """This device's own timeline."""
        assert self.thread.replica.author is not None
        return Lane(LaneKind.TIMELINE, self.thread.replica.author.device.id)

    def _prepare(self) -> None:
        """A device shows whose it is before its first change; an owner replaces a key that is no longer safe."""
        replica = self.thread.replica
        if not replica.is_introduced:
            self.record(LaneKind.IDENTITY, introduction(self.thread.pen.entries()))
        if replica.role() is Role.OWNER:
            try:
                replica.writing_epoch()
            except errors.OpenSeshError:
                self.rotate()

    def _keep(self, commit: Commit | None) -> None:
        if commit is not None:
            self.frames += [(each.frame, each.receipt) for each in (*commit.before, commit)]


def facts_of(view: Thread) -> dict[str, Any]:
    """What is told of a thread as a whole."""
    meta = view.meta()
    return {"title": meta.get("title"), "project": meta.get("project"), "tags": view.tags()}
