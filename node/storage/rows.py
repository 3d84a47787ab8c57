"""What goes into the database and what comes out of it, as plain data.

A `Batch` is everything that must be stored together or not at all; `Written` says what it was given.
All payloads are bytes of the caller's own making: the store seals them and never looks inside.
"""

from dataclasses import dataclass, field
from enum import IntEnum

LOCAL = 0  # the origin of frames that were made on this device


class FrameStatus(IntEnum):
    """How far a stored frame has come. TRYING is stored before the native decoder sees it, so that a frame
    that kills the process is recognised at the next start."""

    HELD = 0
    TRYING = 1
    APPLIED = 2
    REFUSED = 3
    QUARANTINED = 4


@dataclass(frozen=True, slots=True)
class NewFrame:
    """One distinct frame. `origin`: LOCAL, or the number of the relay or device that it came from."""

    thread: bytes
    envelope: bytes
    lane: int
    owner: bytes
    session: bytes
    sequence: int
    frame: bytes
    hash: bytes
    origin: int = LOCAL
    status: int = FrameStatus.APPLIED


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame as it was stored, with its place in the order in which this device stored things."""

    row: int
    thread: bytes
    envelope: bytes
    lane: int
    owner: bytes
    session: bytes
    sequence: int
    frame: bytes
    hash: bytes
    origin: int
    status: int


@dataclass(frozen=True, slots=True)
class FrameMark:
    """A new status for a frame that is stored already."""

    thread: bytes
    envelope: bytes
    status: int


@dataclass(frozen=True, slots=True)
class NewEvent:
    thread: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """`cursor` grows from event to event and is never used twice, not even after a backup was restored."""

    cursor: int
    thread: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Summary:
    """What a list shows of a thread, and the room it syncs through (None: not known yet)."""

    thread: bytes
    room: bytes | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Text:
    """The searchable text of one message; an empty `text` removes it from the search."""

    thread: bytes
    message: str
    text: str


@dataclass(frozen=True, slots=True)
class RoomProgress:
    """How far one relay or device is, for one room: what we read of it, and what it has stored of ours.

    `check` is what the relay told of `cursor` (empty at 0); `uploaded_row` the newest row it surely has.
    Stored marks never go back: an origin that did is another origin from then on.
    """

    origin: int
    room: bytes
    cursor: int
    check: bytes
    uploaded_row: int


@dataclass(frozen=True, slots=True)
class Origin:
    """A relay or device that frames come from. `number` is small, local to this database, and never reused."""

    number: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Run:
    """The journal of one run; `state` is readable by SQL so that unfinished ones are found at start."""

    run: str
    thread: bytes
    state: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to a request, kept so that the same request, asked again, is answered and not repeated."""

    request: str
    now_ms: int
    response: bytes


class DuplicateRequest(Exception):
    """The batch answers a request that has been answered; nothing of it was stored. Carries the first answer."""

    def __init__(self, response: bytes) -> None:
        super().__init__("the request was answered before")
        self.response = response


@dataclass(slots=True)
class Batch:
    """Stored in one transaction, in this order: forgotten threads, frames, marks, summaries, texts, events, rest.

    In `settings`, `secrets` and `checkpoints` a value of None deletes the name.
    """

    frames: list[NewFrame] = field(default_factory=list)
    marks: list[FrameMark] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    summaries: list[Summary] = field(default_factory=list)
    texts: list[Text] = field(default_factory=list)
    progress: list[RoomProgress] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    settings: dict[str, bytes | None] = field(default_factory=dict)
    secrets: dict[str, bytes | None] = field(default_factory=dict)
    checkpoints: dict[str, bytes | None] = field(default_factory=dict)
    answer: Answer | None = None
    forget: list[bytes] = field(default_factory=list)

    def size_bytes(self) -> int:
        """Roughly what this adds to the database; the writer bounds a transaction by it."""
        size = sum(len(frame.frame) + 200 for frame in self.frames)
        size += sum(len(event.payload) + 100 for event in self.events)
        size += sum(len(summary.payload) + 100 for summary in self.summaries)
        size += sum(len(run.payload) + 100 for run in self.runs)
        return size + sum(len(text.text) + 100 for text in self.texts)


@dataclass(frozen=True, slots=True)
class Written:
    """What a stored batch was given: the events' cursors, and each frame's row (None: it was there already)."""

    cursors: tuple[int, ...]
    frame_rows: tuple[int | None, ...]
