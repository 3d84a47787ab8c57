"""A simulated network, and a relay on it: messages are lost, doubled and overtaken; sides are cut off.

The relay keeps a log of distinct frames, gives out what follows a cursor, and may be put back to an old
backup of itself. It knows nothing of what it carries.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from crdt.wire import frame_hash
from tests.simulating.disk import Mark
from tests.simulating.world import MINUTE, SECOND, World

RELAY = "relay"
PAGE = 64  # frames in one message
Handler = Callable[[str, object], None]  # (from, message)


@dataclass(frozen=True)
class Pull:
    """To the relay: what follows this mark?"""

    mark: Mark


@dataclass(frozen=True)
class Push:
    """To the relay: keep these."""

    frames: tuple[bytes, ...]


@dataclass(frozen=True)
class Deliver:
    """From the relay: what follows `after`, up to and including `mark`; `last` is its newest cursor."""

    after: int
    mark: Mark
    last: int
    frames: tuple[bytes, ...]


@dataclass(frozen=True)
class Reset:
    """From the relay: that cursor is of another log. Begin anew."""

    mark: Mark


@dataclass
class Network:
    """Who can be reached, and how badly."""

    world: World
    handlers: dict[str, Handler] = field(default_factory=dict)
    away: dict[str, int] = field(default_factory=dict)  # name → cut off from all others until then
    bad_until: int = 0  # until then most messages are lost or come late and twice
    healed: bool = False
    false: set[bytes] = field(default_factory=set)  # hashes of frames that nobody may ever take: altered, or forged

    def is_reachable(self, name: str) -> bool:
        return self.healed or self.away.get(name, 0) <= self.world.now

    def send(self, source: str, to: str, message: object) -> None:
        """Have it delivered once, twice or not at all, later."""
        if not (self.is_reachable(source) and self.is_reachable(to)):
            return
        rng = self.world.rng
        bad = not self.healed and self.world.now < self.bad_until
        copies = 1 if self.healed else rng.choices((0, 1, 2), (50, 30, 20) if bad else (3, 94, 3))[0]
        self.world.totals["messages lost"] += copies == 0
        self.world.totals["messages doubled"] += copies == 2
        for _ in range(copies):
            self.world.after(rng.randint(5, 20 * SECOND if bad else 800), lambda: self._arrive(source, to, message))

    def _arrive(self, source: str, to: str, message: object) -> None:
        if self.is_reachable(source) and self.is_reachable(to):
            self.handlers[to](source, message)

    def part(self, name: str, minutes: int) -> None:
        """Cut one off for a while."""
        self.away[name] = self.world.now + minutes * MINUTE


class Relay:
    """Store and forward. `log[0]` has cursor 1."""

    def __init__(self, network: Network) -> None:
        self.log: list[bytes] = []
        self.known: dict[bytes, int] = {}
        self.checks: list[bytes] = []  # by cursor - 1: drawn for each message that brought something, never twice
        self.backup: list[bytes] = []
        self._drawn = 0
        self.lies_until = 0
        self.lied_to: set[str] = set()
        self._network = network
        network.handlers[RELAY] = self.receive

    def receive(self, source: str, message: object) -> None:
        """Answer one message of a device."""
        if isinstance(message, Push):
            self._drawn += 1
            for frame in message.frames:
                if (frame_id := frame_hash(frame)) not in self.known:
                    self.log.append(frame)
                    self.checks.append(self._drawn.to_bytes(16))
                    self.known[frame_id] = len(self.log)
        elif isinstance(message, Pull):
            answer = self._answer(message.mark)
            if self._network.world.now < self.lies_until and not self._network.healed:
                answer = self._lie(source, answer)
            self._network.send(RELAY, source, answer)

    def _answer(self, mark: Mark) -> Deliver | Reset:
        if not self.knows(mark):
            return Reset(mark)
        due = self.log[mark.cursor : mark.cursor + PAGE]
        upto = mark.cursor + len(due)
        check = self.checks[upto - 1] if upto else b""
        return Deliver(mark.cursor, Mark(upto, check), len(self.log), tuple(due))

    def knows(self, mark: Mark) -> bool:
        """Whether that is a mark in this log, and not in what it was before it was put back."""
        return not mark.cursor or (mark.cursor <= len(self.log) and self.checks[mark.cursor - 1] == mark.check)

    def _lie(self, source: str, answer: Deliver | Reset) -> Deliver | Reset:
        """Something else than the truth: less, in another order, altered, made up, or of an earlier time."""
        rng = self._network.world.rng
        self.lied_to.add(source)
        self._network.world.totals["lies of the relay"] += 1
        if isinstance(answer, Reset) or not answer.frames:
            return answer
        frames = list(answer.frames)
        match rng.choice(("withhold", "fork views", "reorder", "alter", "make up", "reset")):
            case "withhold":
                frames = [frame for frame in frames if rng.random() < 0.5]
            case "fork views":
                frames = [frame for frame in frames if (frame[-1] + len(source)) % 2]
            case "reorder":
                frames = rng.choices(frames, k=len(frames))
            case "alter":
                frames = [self._altered(frame) for frame in frames]
            case "make up":
                frames += [self._false(b"\1" + rng.randbytes(rng.randint(0, 300))) for _ in range(3)]
            case _:
                return Reset(Mark(answer.after, b""))
        return Deliver(answer.after, answer.mark, answer.last, tuple(frames))

    def _altered(self, frame: bytes) -> bytes:
        if frame_hash(frame) in self._network.false:
            return frame  # altered once more it might be the honest one again
        at = self._network.world.rng.randrange(len(frame))
        return self._false(frame[:at] + bytes([frame[at] ^ 1]) + frame[at + 1 :])

    def _false(self, frame: bytes) -> bytes:
        self._network.false.add(frame_hash(frame))
        return frame

    def roll_back(self) -> None:
        """Be restored from the last backup."""
        self.log = list(self.backup)
        self.known = {frame_hash(frame): at for at, frame in enumerate(self.log, 1)}
        del self.checks[len(self.log) :]

    def back_up(self) -> None:
        self.backup = list(self.log)
