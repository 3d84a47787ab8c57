"""What somebody with real keys and patched software can do to a thread: write without the right, open what they can.

    python -m node.patched write THREAD URL TEXT    signs a message, whatever the role, and uploads it
    python -m node.patched open THREAD FILE         which of a relay's frames (hex, one a line) open with the keys here

Works on the home that OPENSESH_HOME names, while its node is stopped. It prints JSON. Nobody needs it but whoever
wants to see that the other members' nodes, and not this one's good will, keep the rules.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from crdt import frames
from crdt.content import Message, Part
from crdt.edits import put_message
from crdt.errors import PeerFault
from crdt.ids import ThreadId, from_text
from crdt.permissions import Lane, LaneKind
from crdt.receipt import Status
from crdt.replica import Replica
from node import keychain
from node.account import Account
from node.bus import Bus
from node.handlers.threads import new_message_id
from node.home import Home
from node.store import Store
from node.threads import Threads
from node.transports.relay import RelayConnection


class Patched:
    """The keys and threads of a home, and none of its node's manners."""

    def __init__(self, account: Account, threads: Threads) -> None:
        self._account = account
        self._threads = threads

    async def write(self, thread: ThreadId, url: str, text: str) -> dict[str, Any]:
        """Sign a message in our own timeline, without asking what our role is, and put it into the room."""
        replica = (await self._threads.open(thread)).replica
        frame = forged_message(replica, self._account, self._threads.now_ms(), text)
        connection = await RelayConnection.connect(url, self._account.login)
        try:
            room = self._account.affairs.rooms[thread]
            claimed = await connection.claim(room.public)
            if claimed.certificate is None:
                return {"uploaded": False, "why": "the relay lets this login no longer into the room"}
            await connection.attach(claimed.certificate, 0, b"")
            await connection.publish(room.public, [frame])
        finally:
            await connection.close()
        return {"uploaded": True, "role": replica.role().name.lower()}

    async def open(self, thread: ThreadId, dump: Iterable[bytes]) -> dict[str, Any]:
        """Try every key that this device ever had on a relay's frames of a thread."""
        opened = await self._threads.open(thread)
        counts = dict.fromkeys(Status, 0)
        for frame in dump:
            try:
                counts[opened.replica.receive(frame).status] += 1
            except PeerFault:
                counts[Status.UNOPENED] += 1  # of another room
        opened.view.refresh(opened.replica.lanes)
        texts = [message.text for message in opened.view.messages()]
        return {"opened": counts[Status.NEW], "closed": counts[Status.UNOPENED], "texts": texts}


def forged_message(replica: Replica, account: Account, now_ms: int, text: str) -> bytes:
    """A frame that is in order in all but one thing: its author has no right to it."""
    lane = Lane(LaneKind.TIMELINE, account.device.id)
    writing = replica._writer()
    said = Message(new_message_id(), account.device.id, "user", now_ms, now_ms, "final", (Part("text", text),))
    epoch = writing.epoch_for_records()  # any key will do
    update = replica.document(lane).record(lambda doc: put_message(doc, said))
    return frames.seal_frame(writing.seal(writing.change(lane, epoch), epoch, update), epoch)


async def _run(words: list[str]) -> dict[str, Any]:
    home = Home.of(os.environ)
    installation = await asyncio.to_thread(keychain.unlock, home.data, home.database, os.environ)
    store = await Store.open(home.database, installation.key)
    try:
        account = Account(store, "patched")
        threads = Threads(store, Bus(), account)
        await account.load(threads)
        patched, thread = Patched(account, threads), ThreadId(from_text(words[1]))
        if words[0] == "write":
            return await patched.write(thread, words[2], words[3])
        lines = await asyncio.to_thread(Path(words[2]).read_text, "ascii")
        return await patched.open(thread, map(bytes.fromhex, lines.split()))
    finally:
        await store.close()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_run(sys.argv[1:]))) + "\n")
