"""Likely secrets in what a thread's terminals have printed: a joiner reads that, too.

What was printed is read from the store, block by block, without the control sequences in it; a block reaches a
little into the next, so that no secret hides on the seam.
"""

import asyncio
import codecs
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from crdt.ids import ThreadId, to_text
from crdt.output import Data, Output, terminal_id
from node.open_thread import OpenThread
from node.secrets.scan import scan
from node.secrets.thread import MAX_PLACES, Place
from node.threads import Threads

BLOCK_CHARACTERS: Final = 64 * 1024
OVERLAP_CHARACTERS: Final = 8 * 1024
PAGE: Final = 16  # chunks read at once
FIELD: Final = "terminal"  # in `Place`, whose message is the terminal's id
_STYLES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\r")
_OTHERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]+")


async def scan_terminals(threads: Threads, thread: ThreadId) -> list[Place]:
    """The secrets in the order of the terminals, at most MAX_PLACES. Raises what opening the thread raises."""
    opened = await threads.open(thread)
    places: list[Place] = []
    for output in list(opened.replica.outputs.values()):
        async for place in _scan(threads, opened, output):
            places.append(place)
            if len(places) >= MAX_PLACES:
                return places
    return places


async def _scan(threads: Threads, opened: OpenThread, output: Output) -> AsyncIterator[Place]:
    name = to_text(terminal_id(output.lane))
    for finding in scan(" ".join(output.opened.command)) if output.opened else ():
        yield Place(name, 0, "command", finding)
    text, lines_before, is_last = "", 0, False
    printed = _printed(threads, opened, output)
    while not is_last:
        while len(text) < BLOCK_CHARACTERS + OVERLAP_CHARACTERS and not is_last:
            piece = await anext(printed, None)
            is_last = piece is None
            text += piece or ""
        for finding in await asyncio.to_thread(scan, text):
            # What begins in the overlap is found again, whole, with the next block.
            if finding.start < BLOCK_CHARACTERS or is_last:
                yield Place(name, 0, FIELD, replace(finding, line=finding.line + lines_before))
        lines_before += text.count("\n", 0, BLOCK_CHARACTERS)
        text = text[BLOCK_CHARACTERS:]


async def _printed(threads: Threads, opened: OpenThread, output: Output) -> AsyncIterator[str]:
    """The text of a terminal, chunk by chunk. A sequence that is cut by a chunk's end leaves its rest in the text."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for start in range(0, len(output), PAGE):
        ids = output.page(start, PAGE)
        frames = await threads.store.frames_of_envelopes(opened.id, ids)
        for identifier in ids:
            chunk = opened.replica.printed(frames[identifier]) if identifier in frames else None
            if isinstance(chunk, Data):
                yield _OTHERS.sub(" ", _STYLES.sub("", decoder.decode(chunk.bytes)))
