"""One thread's audience: whom this device believes there, what it says there itself, and how both are shown."""

import asyncio
import os
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from crdt.epochs import Epoch
from crdt.errors import OpenSeshError
from crdt.ids import ThreadId, to_text
from crdt.membership import Membership
from crdt.permissions import Role
from crdt.presence import NEEDS, Here, Kind, Presences, Present, Voice, standing
from crdt.replica import Replica
from node import shapes
from node.account import Account
from node.names import device_name, person_name
from node.permitting import our_role

MAX_WAITING: Final = 32  # messages, each way, that wait for the thread to be loaded


class Audience:
    """Made without the thread's keys; nothing is believed or said before `renew` has brought them."""

    def __init__(self, thread: ThreadId, account: Account) -> None:
        self.thread = thread
        self._account = account
        self._be_device()
        self.ready = False
        self.heard: deque[bytes] = deque(maxlen=MAX_WAITING)
        self.unsaid: deque[tuple[Kind, bytes]] = deque(maxlen=MAX_WAITING)
        self.loading: asyncio.Task[None] | None = None
        self.streams = 0  # clients that watch this thread
        self.until = 0.0  # loop time up to which a client without a stream looks at it
        self.here = Here("active")
        self.said_at = -1.0  # loop time
        self.saying: asyncio.TimerHandle | None = None
        self.telling: asyncio.TimerHandle | None = None
        self.shown: dict[str, dict[str, Any]] = {}  # what watchers were told, by device
        self.membership: Membership | None = None
        self.epoch: Epoch | None = None
        self.role = Role.NONE

    def _be_device(self) -> None:
        self._me = self._account.device.id
        self.ears = Presences(self.thread, self._me)
        self.voice = Voice(self._account.device, self.thread, os.urandom)

    def renew(self, replica: Replica) -> None:
        """Take over who may be believed, and with which key to speak."""
        account = self._account
        if account.device.id != self._me:  # it joined another identity meanwhile
            self._be_device()
        own = account.affairs.log
        self.ears.renew(standing(replica.membership, replica.keyring, own))
        self.membership, self.role = replica.membership, our_role(replica)
        try:
            self.epoch = replica.writing_epoch()
        except OpenSeshError:  # WAITING_FOR_KEY: silent until it comes
            self.epoch = None
        self.ready = True

    def is_looking(self, now: float) -> bool:
        """Whether a client of this device looks at the thread; `now` is the loop's time."""
        return self.streams > 0 or now < self.until

    def may_say(self, kind: str) -> bool:
        """Whether the others would believe it."""
        return self.epoch is not None and self.role >= NEEDS[kind]

    def rows(self, now: float, now_ms: int) -> dict[str, dict[str, Any]]:
        """Who is here, in the API's shape, by device; this device too while it looks."""
        present = self.ears.present(now_ms)
        if self.is_looking(now) and self.role > Role.NONE:
            here = None if self.here.state == "leaving" else self.here
            present.append(Present(self._account.identity, self._account.device.id, self.role, here, now_ms))
        return {to_text(each.device): self._row(each) for each in present}

    def _row(self, each: Present) -> dict[str, Any]:
        here, membership, affairs = each.here, self.membership, self._account.affairs
        assert membership is not None
        called = device_name(affairs, membership, each.identity, each.device)
        place = {"kind": here.place, "id": here.id or None} if here is not None and here.place else None
        return {
            "identity": to_text(each.identity),
            "name": person_name(affairs, membership, each.identity),
            "role": each.role.name.lower(),
            "device": {"id": to_text(each.device), "name": called},
            "this": each.device == self._account.device.id,
            "state": here.state if here is not None else "away",
            "looking_at": place,
            "cursor": here.cursor if here is not None else None,
            "writing": here is not None and here.writing,
            "last_seen": shapes.time(each.heard_ms),
        }

    def stop_timers(self) -> None:
        """Say and tell nothing more of oneself."""
        for timer in (self.saying, self.telling):
            if timer is not None:
                timer.cancel()


def differences(
    before: Mapping[str, Mapping[str, Any]], now: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The rows that are new or otherwise than before, and the devices that are gone. Being seen again is no change."""
    changed = [row for device, row in now.items() if _still(row) != _still(before.get(device))]
    return changed, sorted(before.keys() - now.keys())


def _still(row: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (row or {}).items() if name != "last_seen"}
