"""One simulated device: a replica over a disk, in step with a relay and with other devices over a bad network.

It does what a node does, in small: everything that comes is checked, stored with the mark that moved,
synced, and only then told to anybody; a start reads all stored frames again and begins a new session.
"""

from itertools import islice

from crdt import keys, reconcile
from crdt.author import Author
from crdt.errors import PeerFault
from crdt.ids import ThreadId
from crdt.permissions import Role
from crdt.receipt import Receipt, Status
from crdt.replica import Commit, Replica
from crdt.thread import Thread
from crdt.wire import frame_hash
from tests.crdt.people import Person
from tests.simulating.disk import Disk, Mark
from tests.simulating.ledger import Ledger
from tests.simulating.network import PAGE, RELAY, Deliver, Network, Pull, Push, Relay, Reset
from tests.simulating.planted import Planted
from tests.simulating.state import differing, state
from tests.simulating.world import MINUTE, Violation, World


class Device:
    """See the file. `skew_ms` is how far its clock is ahead; a `deaf` one sends and hears nothing: a thief's."""

    def __init__(self, world: World, network: Network, ledger: Ledger, person: Person, key: str, planted: Planted):
        self.world, self.network, self.ledger, self.person, self.key = world, network, ledger, person, key
        self.name = f"{person.name}/{key}"
        self.planted = planted
        self.disk = Disk()
        self.backup = self.disk.backup()
        self.own_keys: list[keys.AgreementKey] = [person.identity_key]
        self.peers: list[Device] = []
        self.thread = ThreadId(b"")
        self.session = 0
        self.skew_ms = 0
        self.is_up = False
        self.deaf = False
        self.refused: set[bytes] = set()  # hashes of false frames: not looked at twice
        self.unchecked: set[bytes] = set()  # hashes of frames that couldn't be opened when they came
        self.excused: set[bytes] = set()  # frames it lost by being put back to an old backup
        self.replica: Replica
        self.view: Thread
        network.handlers[self.name] = self.heard

    @property
    def id(self) -> bytes:
        return self.person.devices[self.key].id

    @property
    def clock_ms(self) -> int:
        """What its clock shows."""
        return max(0, 1_700_000_000_000 + self.world.now + self.skew_ms)

    def founded(self, replica: Replica, commit: Commit) -> None:
        """Begin with a thread that was just founded here."""
        self.thread, self.replica, self.is_up = replica.thread, replica, True
        self.disk.write((commit.frame,))
        self.disk.sync()
        self.backup = self.disk.backup()
        self.start()

    # ---- power

    def start(self) -> None:
        """Read everything stored, in any order, and begin a new session."""
        self.session += 1
        self.replica = self._read_again(self.person.author(self.key, self.session))
        self.view = Thread(self.replica)
        self.is_up = True
        self.world.totals["starts"] += 1

    def _read_again(self, author: Author | None = None) -> Replica:
        stored = list(self.disk.frames.values())
        self.world.rng.shuffle(stored)
        replica = Replica(self.thread, self.own_keys, author)
        with replica.loading():
            for frame in stored:
                self._receive(
                    replica, frame, verify=frame_hash(frame) in self.unchecked and not self.planted.trusts_the_stored
                )
        if replica.stale:
            raise Violation("stale", f"{self.name} applied something that does not count, with all records known")
        return replica

    def _receive(self, replica: Replica, frame: bytes, verify: bool = True) -> Receipt | None:
        """Take a frame in; None if it is refused, as only a false one may be."""
        try:
            return replica.receive(frame, verify=verify)
        except PeerFault as fault:
            if frame_hash(frame) not in self.network.false:
                raise Violation("refused", f"{self.name} refuses an honest frame: {fault}") from fault
            self.world.totals["false frames refused"] += 1
            self.refused.add(frame_hash(frame))
            return None

    def crash(self) -> None:
        """Lose power, and come back minutes later."""
        if self.is_up:
            self.is_up = False
            self.world.totals["transactions lost in crashes"] += self.disk.crash(self.world.rng)
            self.check_acknowledged()
            self.world.after(self.world.rng.randint(1, 4) * MINUTE // 2, self._come_back)

    def put_back(self, relay: Relay) -> None:
        """Be restored from the last backup, and come back."""
        if self.is_up:
            before = set(self.disk.frames)
            self.is_up = False
            self.disk.restore(self.backup)
            lost = before - set(self.disk.frames)
            self.excused |= lost
            self.ledger.waive(lost - set(relay.known).union(*(peer.disk.safe for peer in self.peers if not peer.deaf)))
            self.world.after(MINUTE, self._come_back)

    def _come_back(self) -> None:
        if not self.is_up:
            self.start()

    # ---- storing

    def commit(self, commit: Commit) -> None:
        """Store an own change, then tell of it."""
        self.world.note(f"commit {self.name}", commit.frame)
        self.view.refresh(commit.receipt.lanes)
        frame = frame_hash(commit.frame)
        if self.planted.acknowledges_early:
            self._acknowledge(frame)
            self.world.after(2 * MINUTE, lambda: self._write_late(commit, self.session))
            return
        self._store((commit.frame,))

    def _write_late(self, commit: Commit, session: int) -> None:
        if self.is_up and session == self.session:
            self._store((commit.frame,))

    def _store(self, frames: tuple[bytes, ...], mark: Mark | None = None, listed: tuple[bytes, ...] = ()) -> None:
        self.disk.write(frames, mark, listed)
        self.world.after(self.world.rng.choice((5, 20, 100, 5000)), self._sync)

    def _sync(self) -> None:
        if not self.is_up:
            return
        fresh = [frame for transaction in self.disk.sync() for frame in transaction.frames]
        for frame in fresh:
            self._acknowledge(frame_hash(frame))
        if fresh:
            self._send(RELAY, Push(tuple(fresh[:PAGE])))

    def _acknowledge(self, frame: bytes) -> None:
        written = self.ledger.by_frame.get(frame)
        if written is not None and written.header.device == self.id:
            written.acknowledged = True

    # ---- hearing and telling

    def tick(self) -> None:
        """What it does every now and then: ask and tell the relay, compare with one peer."""
        if not self.is_up:
            return
        untold = self.disk.safe - self.disk.listed if not self.deaf else self.disk.safe
        unlisted = [frame for frame_id, frame in self.disk.frames.items() if frame_id in untold]
        self.world.rng.shuffle(unlisted)
        for at in range(0, len(unlisted), PAGE):
            self._send(RELAY, Push(tuple(unlisted[at : at + PAGE])))
        if not self.deaf:
            self._send(RELAY, Pull(self.disk.mark))
            peer = self.world.rng.choice(self.peers)
            digests = b"".join(self.disk.inventory.digests())
            self._send(peer.name, reconcile.encode(reconcile.Buckets(self.thread, digests)))

    def _send(self, to: str, message: object) -> None:
        if not (self.deaf and to != RELAY):
            self.network.send(self.name, to, message)

    def heard(self, source: str, message: object) -> None:
        """One message of the relay's or of a peer's."""
        if not self.is_up or self.deaf:
            return
        if isinstance(message, Deliver):
            self._delivered(message)
        elif isinstance(message, Reset):
            if message.mark == self.disk.mark:
                self._store((), Mark())
        elif isinstance(message, bytes):
            self._heard_peer(source, reconcile.decode(message))

    def _delivered(self, message: Deliver) -> None:
        if message.after != self.disk.mark.cursor or not message.frames:
            return  # an old answer, or one that came twice
        frames = message.frames[1:] if self.planted.skips_one and message.after else message.frames
        self.take(frames, message.mark, tuple(map(frame_hash, frames)))
        if message.mark.cursor < message.last:
            self._send(RELAY, Pull(message.mark))

    def _heard_peer(self, source: str, message: reconcile.PeerMessage) -> None:
        mine = self.disk.inventory
        match message:
            case reconcile.Buckets():
                if differing_buckets := mine.differing(message.digests):
                    for listing in mine.listings(self.thread, differing_buckets):
                        self._send(source, reconcile.encode(listing))
            case reconcile.Listing():
                lacking = [self.disk.frames[each] for each in mine.lacking(message) if each in self.disk.safe]
                for batch in reconcile.batches(lacking):
                    self._send(source, reconcile.encode(reconcile.Frames(self.thread, batch)))
            case reconcile.Frames():
                self.take(message.frames)

    def take(self, frames: tuple[bytes, ...], mark: Mark | None = None, listed: tuple[bytes, ...] = ()) -> None:
        """Check and store what came."""
        fresh = tuple(
            frame
            for frame in dict.fromkeys(frames)
            if (frame_id := frame_hash(frame)) not in self.disk.frames and frame_id not in self.refused
        )
        taken = []
        for frame in fresh:
            receipt = self._receive(self.replica, frame)
            if receipt is None:
                continue
            taken.append(frame)
            if receipt.status is Status.UNOPENED:
                self.unchecked.add(frame_hash(frame))
            for envelope, reason in receipt.refused:
                if envelope not in self.ledger.forged:
                    raise Violation("refused", f"{self.name} refuses an honest envelope: {reason}")
            self.view.refresh(receipt.lanes)
        if taken or mark is not None:
            self._store(tuple(taken), mark, listed)
        if self.replica.stale:
            self.world.totals["rebuilt after a cut"] += 1
            self.start()

    def take_unasked(self, frame: bytes) -> None:
        """Somebody sends it directly."""
        if self.is_up and not self.deaf:
            self.take((frame,))

    def start_over_with_the_relay(self) -> None:
        """Read its log from the beginning: it isn't the relay that it was."""
        if not self.deaf:
            self._store((), Mark())

    def learn_identity_key(self, key: keys.AgreementKey) -> None:
        """A newer key of one's person came over the account."""
        self.own_keys = [*self.own_keys, key]
        if self.is_up:
            self.start()

    # ---- invariants

    def check(self, relay: Relay) -> None:
        """What must be true of this device at any moment."""
        if not self.is_up:
            return
        self.check_acknowledged()
        self._check_cursor(relay)
        self.ledger.check_nothing_cut_shows(self.replica, self.name)
        mine, again = state(self.replica), state(self._read_again())
        if parts := differing(mine, again):
            raise Violation("P2", f"{self.name} read its frames again and differs in {parts}")
        shown = [message.place for message in self.view.messages()]
        if shown != mine["order"]:
            wrong = sorted(name for _, _, name in set(shown) ^ set(mine["order"]))
            raise Violation("view", f"{self.name} shows other messages than a fresh reader: {wrong}")
        self.world.totals["checks"] += 1

    def check_acknowledged(self) -> None:
        """What was acknowledged here is on the disk here, unless the disk was put back to an old backup."""
        for written in self.ledger.written.values():
            is_ours = written.header.device == self.id and written.acknowledged and written.frame not in self.excused
            if is_ours and written.frame not in self.disk.frames:
                raise Violation("acknowledged", f"{self.name} has lost {written.name!r}, which it had acknowledged")

    def _check_cursor(self, relay: Relay) -> None:
        mark = self.disk.mark
        if self.name in relay.lied_to:
            return
        if relay.knows(mark):
            for frame in islice(relay.known, mark.cursor):
                if frame not in self.disk.frames and frame not in self.network.false:
                    raise Violation("cursor", f"{self.name} is at {mark.cursor} and lacks {relay.known[frame]}")

    def may_read(self, by: Replica) -> bool:
        """Whether it has a right to all of the thread, as of another's replica."""
        role = by.membership.role(self.person.id)
        return role >= Role.VIEWER and not by.membership.is_revoked(self.person.devices[self.key].id)
