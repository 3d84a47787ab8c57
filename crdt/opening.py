"""From frames to envelopes: which keys this device holds, and what waits for one.

Nothing that stands outside a frame's seal is believed: anybody can wrap any key to us. Keys found there
are tried on that very frame, whose signed header commits to what stands outside; and what is learned
from a frame that opened are the keys of the epochs its record names, no others.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from crdt import frames, keys
from crdt.envelope import Envelope
from crdt.epochs import Epoch, Keyring
from crdt.errors import PeerFault
from crdt.ids import ThreadId
from crdt.unopened import Unopened

MAX_EPOCHS: Final = 8192  # keys held at a time; beyond, those that no counted record names are let go
MAX_SEALED: Final = 128  # records kept that bring keys under a key that isn't here; beyond, the oldest are let go


class Opening:
    """The keys of one thread, and the frames that wait for them."""

    def __init__(self, thread: ThreadId, own_keys: list[keys.AgreementKey]) -> None:
        self.keyring = Keyring(thread)
        self.unopened = Unopened()
        self._thread = thread
        self._own_keys = own_keys
        self._fresh: deque[Epoch] = deque()
        self._sealed: OrderedDict[bytes, dict[bytes, None]] = OrderedDict()  # what one brought → epochs it names

    def open(self, frame: bytes, *, verify: bool) -> tuple[Envelope, bytes] | None:
        """The envelope in a frame, and what stands outside its seal; None if it has to wait for its key.

        Raises `PeerFault` if it is damaged or forged.
        """
        return self._open(frame, verify, None, reversed(self.keyring))

    def _open(
        self, frame: bytes, verify: bool, wrapped: list[bytes] | None, holders: Iterable[Epoch]
    ) -> tuple[Envelope, bytes] | None:
        outer = frames.parse_frame(frame)
        envelope = self._try(outer, self.keyring, verify)
        if envelope is None and outer.outside:
            wrapped = frames.unwrap_keys(outer.outside, self._own_keys) if wrapped is None else wrapped
            offered = Keyring(self._thread)
            for key in wrapped:
                offered.learn(key)
            earlier = frames.earlier_keys(
                outer.outside,
                lambda tag: [*offered.tagged(tag), *self.keyring.tagged(tag)],
                lambda: chain(offered, holders),
            )
            for key in earlier:
                offered.learn(key)
            envelope = self._try(outer, offered, verify)
            if envelope is not None and (epoch := offered.get(envelope.header.epoch)):
                self.learn(epoch.key)
        if envelope is None:
            self.unopened.add(frame, outer.epoch_tag, wrapped if outer.outside else None)
            return None
        return envelope, outer.outside

    def _try(self, outer: frames.Outer, keyring: Keyring, verify: bool) -> Envelope | None:
        fault: PeerFault | None = None
        for epoch in keyring.tagged(outer.epoch_tag):
            try:
                return frames.open_frame(outer, epoch, self._thread, verify=verify)
            except PeerFault as error:
                fault = error
        if fault:
            raise fault
        return None

    def learn(self, key: bytes) -> bool:
        """Take in an epoch's key. True if it was new."""
        epoch = self.keyring.learn(key)
        if epoch is not None:
            self._fresh.append(epoch)
        return epoch is not None

    def learn_named(self, outside: bytes, names: dict[bytes, None]) -> bool:
        """Take in the keys of these epochs, the new ones first, that a checked frame brings. True if one was new."""
        if not outside or all(self.keyring.get(name) for name in names):
            return False
        offered = Keyring(self._thread)
        for key in frames.unwrap_keys(outside, self._own_keys):
            offered.learn(key)
        holders = [epoch for name in names if (epoch := offered.get(name) or self.keyring.get(name))]
        tagged = {epoch.tag: [epoch] for epoch in holders}
        for key in frames.earlier_keys(outside, lambda tag: tagged.get(tag, []), lambda: holders):
            offered.learn(key)
        learned = [epoch for name in sorted(names) if (epoch := offered.get(name)) and self.learn(epoch.key)]
        if not all(self.keyring.get(name) for name in names):
            self._keep_sealed(outside, names)
        return bool(learned)

    def _keep_sealed(self, outside: bytes, names: dict[bytes, None]) -> None:
        """A record is sealed under an earlier key than it hands out. That one may come later than the record, in
        another frame, and only then the further keys in this one can be read."""
        self._sealed[outside] = names
        if len(self._sealed) > MAX_SEALED:
            self._sealed.popitem(last=False)

    def _learn_sealed(self, fresh: Epoch) -> None:
        for outside, names in [each for each in self._sealed.items() if fresh.id in each[1]]:
            del self._sealed[outside]
            self.learn_named(outside, names)

    def again(self) -> Iterator[tuple[Envelope, bytes]]:
        """What opens now because of keys that have been learned; these may bring further ones."""
        while self._fresh:
            epoch = self._fresh.popleft()
            self._learn_sealed(epoch)
            for frame, wrapped in self.unopened.take(epoch.tag):
                try:
                    opened = self._open(frame, True, wrapped, [epoch])
                except PeerFault:
                    continue
                if opened is not None:
                    yield opened

    @property
    def is_crowded(self) -> bool:
        """Whether there are too many keys: a member may make up any number."""
        return len(self.keyring) > MAX_EPOCHS

    def let_go(self, counted: Iterable[bytes]) -> None:
        """Forget the keys of all epochs but these."""
        self.keyring.keep_only(set(counted))
