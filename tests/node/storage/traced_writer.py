"""Create a key and a store, write batches that share transactions, and name on stdout what was acknowledged.

`python traced_writer.py DATABASE ROUNDS`. It checkpoints often, so that a trace of it holds many checkpoints.
"""

import asyncio
import os
import sys
from pathlib import Path

from node import keychain
from node.store import Batch, NewEvent, Store, Text
from tests.node.storage.store_rows import a_frame, a_summary, ident


async def write(store: Store, thread: str, number: int) -> None:
    written = await store.write(
        Batch(
            frames=[a_frame(thread, number, size_bytes=300 + 1500 * (number % 5 == 0))],
            events=[NewEvent(ident(thread), str(number).encode())],
            summaries=[a_summary(thread, str(number).encode())],
            texts=[Text(ident(thread), str(number % 10), "words " * (number % 20 + 1))],
        )
    )
    os.write(1, f"{thread} {number} {written.cursors[0]}\n".encode())


async def main() -> None:
    database = Path(sys.argv[1])
    installation = await asyncio.to_thread(keychain.unlock, database.parent, database, {"OPENSESH_KEYRING": "file"})
    store = await Store.open(database, installation.key)
    await store._database._writing.execute_fetchall("PRAGMA wal_autocheckpoint = 40")
    for number in range(int(sys.argv[2])):
        await asyncio.gather(*(write(store, thread, number) for thread in ("a", "b", "c")[: number % 3 + 1]))
    await store.close()


asyncio.run(main())
