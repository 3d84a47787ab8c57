"""A process that stores without end and names on stdout what was acknowledged. It is made to be killed.

`python busy_writer.py DATABASE ROUND`: four writers; a line "THREAD NUMBER CURSOR" for each stored batch.
"""

import asyncio
import sys
from pathlib import Path

from node.store import Batch, NewEvent, Store, Text
from tests.node.storage.store_rows import KEY, a_frame, a_summary, ident


async def write_for_ever(store: Store, thread: str) -> None:
    number = 0
    while True:
        batch = Batch(
            frames=[a_frame(thread, number, size_bytes=900)],
            events=[NewEvent(ident(thread), str(number).encode())],
            summaries=[a_summary(thread, str(number).encode())],
            texts=[Text(ident(thread), str(number), "some words")],
        )
        written = await store.write(batch)
        print(thread, number, written.cursors[0], flush=True)
        number += 1


async def main() -> None:
    store = await Store.open(Path(sys.argv[1]), KEY)
    await asyncio.gather(*(write_for_ever(store, f"{sys.argv[2]}.{writer}") for writer in range(4)))


asyncio.run(main())
