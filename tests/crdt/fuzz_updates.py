"""Material for the tests of the update reader: honest scripts, forged blocks, mutations, and a killable child.

Everything is drawn from a `random.Random`, so that a seed replays a failure. `Forge` writes the update
format byte by byte and knows no rule: whatever a hostile peer could put on the wire, it can.
"""

import copy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any

from pycrdt import Array, Doc, Map, Text, UndoManager

from crdt.errors import PeerFault
from crdt.shape import Shape
from crdt.update import ARRAY, TEXT, Update, check_shared, read

ALPHABET = "ab z\n\tñß€中文\u0301😀👩‍👩‍👧🏳️‍🌈𝔘\U0010ffff\ufeff\x00"
LEFT, RIGHT, KEY = 0x80, 0x40, 0x20
DELETED, JSON, BINARY, STRING, EMBED, FORMAT, TYPE, ANY, SUBDOCUMENT, SKIP, MOVE = range(1, 12)


# ---- honest scripts


def words(random: Random, most: int = 12) -> str:
    return "".join(random.choice(ALPHABET) for _ in range(random.randint(1, most)))


def plain_value(random: Random, depth: int = 0) -> Any:
    """Anything JSON-like that an honest node may put into a map or an array."""
    kind = random.randrange(10 if depth < 3 else 8)
    if kind == 8:
        return [plain_value(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 9:
        return {words(random, 4): plain_value(random, depth + 1) for _ in range(random.randrange(2))}
    integers = (0, 1, -1, 63, 64, -64, 2**31, 2**53 - 1, -(2**53) + 1, random.randrange(-(2**40), 2**40))
    simple: tuple[Any, ...] = (None, True, False, random.choice(integers), 0.5, random.random() * 1e300, b"\0\xff\x80")
    return words(random) if kind == 7 else simple[kind]


def shared_value(random: Random, depth: int = 0) -> Any:
    """A new shared type, perhaps with others inside."""
    kind = random.randrange(3)
    if kind == 0:
        return Text(words(random))
    inner = [shared_value(random, depth + 1) if depth < 2 and random.random() < 0.3 else plain_value(random)]
    if kind == 1:
        return Array(inner * 1 + [plain_value(random) for _ in range(random.randrange(3))])
    return Map({words(random, 3): value for value in inner})


def edit(random: Random, doc: Doc[Any]) -> None:
    """One random honest edit somewhere in the document's three roots."""
    targets = [doc.get("text", type=Text), doc.get("array", type=Array), doc.get("map", type=Map)]
    nested = [item for item in targets[1] if isinstance(item, Text | Array | Map)]
    # by key, for the native library gives them in no fixed order and a seed has to replay
    nested += [
        item for _, item in sorted(targets[2].items(), key=itemgetter(0)) if isinstance(item, Text | Array | Map)
    ]
    target = random.choice(targets + nested)
    if isinstance(target, Text):
        _edit_text(random, target)
    elif isinstance(target, Array):
        _edit_array(random, target)
    else:
        _edit_map(random, target)


def _edit_text(random: Random, text: Text) -> None:
    # pycrdt counts a text in UTF-8 bytes: an honest node cuts between characters only
    edges = [0]
    for piece, _ in text.diff():
        widths = [len(character.encode()) for character in piece] if isinstance(piece, str) else [1]
        edges.extend(accumulate(widths, initial=edges.pop()))
    start, end = sorted(random.choices(edges, k=2))
    kind = random.randrange(5)
    if kind < 2 or start == end:
        # one attribute at a time: the native library writes several in an order of its own, and a seed has to replay
        inserted = words(random, 40)
        text.insert(start, inserted, {"bold": True} if kind else None)
        if kind:
            text.format(start, start + len(inserted.encode()), {words(random, 3): plain_value(random)})
    elif kind == 2:
        text.format(start, end, {random.choice(["bold", "link"]): random.choice([True, None, "x", 1.5, {"a": [1]}])})
    elif kind == 3:
        text.insert_embed(start, random.choice([{"image": words(random)}, 3, [True]]))
    else:
        del text[start:end]


def _edit_array(random: Random, array: Array[Any]) -> None:
    index = random.randint(0, len(array))
    kind = random.randrange(4)
    if kind == 0 and len(array):
        del array[min(index, len(array) - 1)]
    elif kind == 1 and len(array) > 1:
        del array[: len(array) // 2]
    elif kind == 2:
        array.insert(index, shared_value(random))
    else:
        for _ in range(random.randint(1, 4)):
            array.insert(index, plain_value(random))


def _edit_map(random: Random, shared: Map[Any]) -> None:
    key = random.choice(["a", "b", "ключ", "😀"])
    kind = random.randrange(4)
    if kind == 0 and key in shared:
        del shared[key]
    elif kind == 1:
        shared[key] = shared_value(random)
    else:
        shared[key] = plain_value(random)


@dataclass
class Author:
    """One honest device: a document, the updates of its own transactions, perhaps an undo stack.

    What an undo stack may bring back is not collected, so that both kinds of author are needed.
    """

    client: int
    undoes: bool = True
    doc: Doc[Any] = field(init=False)
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.doc = Doc({"text": Text(), "array": Array(), "map": Map()}, client_id=self.client)
        scopes = [self.doc.get("text", type=Text), self.doc.get("map", type=Map), self.doc.get("array", type=Array)]
        self.undo = UndoManager(scopes=scopes, capture_timeout_millis=0) if self.undoes else None

    def act(self, random: Random) -> bytes | None:
        """One transaction of some edits, an undo or a redo; its update, or None if nothing changed."""
        before = len(self.sent)
        subscription = self.doc.observe(lambda event: self.sent.append(event.update))
        kind = random.randrange(12)
        if self.undo and kind == 0 and self.undo.can_undo():
            self.undo.undo()
        elif self.undo and kind == 1 and self.undo.can_redo():
            self.undo.redo()
        else:
            with self.doc.transaction():
                for _ in range(random.choice((1, 1, 1, 2, 5))):
                    edit(random, self.doc)
        subscription.drop()
        return self.sent[-1] if len(self.sent) > before else None


def state(doc: Doc[Any]) -> dict[int, int]:
    """The native library's own state vector: how far it holds each client."""
    data, position = doc.get_state(), 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    return {number(): number() for _ in range(number())}


# ---- forged updates


def uint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def string(value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return uint(len(raw)) + raw


def identifier(at: tuple[int, int]) -> bytes:
    return uint(at[0]) + uint(at[1])


CONTENTS: dict[int, Callable[[Random], bytes]] = {
    DELETED: lambda random: uint(random.randint(1, 9)),
    BINARY: lambda random: string(random.randbytes(random.randrange(6))),
    STRING: lambda random: string(words(random)),
    EMBED: lambda random: string(json.dumps(random.choice([None, 1, "x", {"a": []}]))),
    FORMAT: lambda random: string(random.choice(["bold", "link"])) + string(random.choice(["true", "null", '"x"'])),
    TYPE: lambda random: bytes([random.randrange(3)]),
    ANY: lambda random: (lambda n: uint(n) + bytes([random.choice((120, 126))]) * n)(random.randint(1, 4)),
}


def block(
    kind: int,
    content: bytes,
    *,
    left: tuple[int, int] | None = None,
    right: tuple[int, int] | None = None,
    root: str | None = None,
    parent: tuple[int, int] | None = None,
    key: str | None = None,
) -> bytes:
    """One block as the format writes it; without origins it needs a `root` or a `parent`."""
    info = kind | (LEFT if left else 0) | (RIGHT if right else 0) | (KEY if key is not None else 0)
    out = bytes([info]) + (identifier(left) if left else b"") + (identifier(right) if right else b"")
    if not left and not right:
        out += b"\1" + string(root) if root is not None else b"\0" + identifier(parent or (0, 0))
        out += string(key) if key is not None else b""
    return out + content


def update(
    blocks: Iterable[tuple[int, int, list[bytes]]] = (), deleted: Iterable[tuple[int, list[tuple[int, int]]]] = ()
) -> bytes:
    """An update of (client, clock, blocks) and of deletions (client, [(clock, length)])."""
    sections, ranges = list(blocks), list(deleted)
    out = uint(len(sections))
    for client, clock, parts in sections:
        out += uint(len(parts)) + identifier((client, clock)) + b"".join(parts)
    out += uint(len(ranges))
    for client, spans in ranges:
        out += uint(client) + uint(len(spans)) + b"".join(identifier(span) for span in spans)
    return out


def forged(random: Random, client: int, clock: int, known: dict[int, int], most_blocks: int = 6) -> bytes:
    """Well-formed and within every rule of a shared lane, but of a shape that no honest client may write."""

    def anywhere(own: int) -> tuple[int, int] | None:
        owners = [(owner, end) for owner, end in {**known, client: own}.items() if end]
        if not owners:
            return None
        owner, end = random.choice(owners)
        return owner, random.choice((random.randrange(end), max(0, end - 1 - random.randrange(3))))

    blocks, start = [], clock
    for _ in range(random.randint(1, most_blocks)):
        kind = random.choice(list(CONTENTS))
        content = CONTENTS[kind](random)
        key = random.choice([None, None, "a", "b", "x"])
        left = anywhere(clock) if random.random() < 0.5 else None
        right = anywhere(clock) if random.random() < 0.4 else None
        parent = anywhere(clock) if random.random() < 0.6 else None
        root = random.choice(["text", "array", "map", "new"]) if parent is None else None
        blocks.append(block(kind, content, left=left, right=right, root=root, parent=parent, key=key))
        clock += content_length(kind, content)
    return update([(client, start, blocks)], deletions(random, {**known, client: clock}))


def deletions(random: Random, known: dict[int, int]) -> list[tuple[int, list[tuple[int, int]]]]:
    """Some ranges anywhere below what is known."""
    spans = []
    for owner, end in known.items():
        if end and random.random() < 0.2:
            first = random.randrange(end)
            spans.append((owner, [(first, random.randint(1, min(9, end - first)))]))
    return spans


def content_length(kind: int, content: bytes) -> int:
    if kind in (DELETED, ANY):
        return content[0]
    return len(content[1:].decode().encode("utf-16-le")) // 2 if kind == STRING else 1


def mutated(random: Random, data: bytes) -> bytes:
    """A few of: flipped bits, changed, lost and repeated bytes, extreme integers, a cut."""
    out = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(out) + 1)
        kind = random.randrange(7)
        if kind == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif kind == 1 and at < len(out):
            out[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
        elif kind == 2:
            del out[at : at + random.randint(1, 4)]
        elif kind == 3:
            out[at:at] = random.randbytes(random.randint(1, 4))
        elif kind == 4:
            out[at:at] = uint(random.choice((2**7, 2**14, 2**31 - 1, 2**31, 2**32, 2**53, 2**63)))
        elif kind == 5:
            other = random.randrange(len(out) + 1)
            out[at:at] = out[other : other + random.randint(1, 24)]
        elif random.random() < 0.3:
            del out[at:]
    return bytes(out)


# ---- the whole gate, as a replica puts it together

ROOTS = {"text": TEXT, "array": ARRAY}


@dataclass
class Gate:
    """What every update has to pass before the native library sees it, for a lane of many writers."""

    clocks: dict[int, int] = field(default_factory=dict)
    shape: Shape = field(default_factory=lambda: Shape(ROOTS))

    def admit(self, data: bytes, client: int) -> Update:
        """Raises `PeerFault`, and has changed nothing then."""
        claimed = read(data)
        end = check_shared(claimed, client, self.clocks.get(client, 0), self.clocks)
        self.shape.admit(claimed)
        if end:
            self.clocks[client] = end
        return claimed

    def refuses(self, data: bytes, client: int) -> str | None:
        """Why it would not be admitted, or None; changes nothing either way."""
        try:
            copy.deepcopy(self).admit(data, client)
        except PeerFault as fault:
            return str(fault)
        return None


def mutated_cases(random: Random) -> Iterator[list[bytes]]:
    """Honest updates, and in place of the next one a mutation of it that passed the gate."""
    author, gate, history = Author(random.randrange(2**53), random.random() < 0.5), Gate(), list[bytes]()
    for _ in range(12):
        honest = author.act(random)
        if honest is None:
            continue
        for _ in range(4):
            hostile = mutated(random, honest)
            if hostile != honest and not gate.refuses(hostile, author.client):
                yield [*history, hostile]
        gate.admit(honest, author.client)
        history.append(honest)


def forged_case(random: Random, attempts: int = 200) -> list[bytes]:
    """Updates of one honest author, and between them whatever of a second one's forgeries passed the gate."""
    author, gate, case = Author(random.randrange(2**53), random.random() < 0.5), Gate(), list[bytes]()
    evil = random.choice((5, 2**53 - 1))
    for attempt in range(attempts):
        if attempt < 6 or random.random() < 0.03:
            data, client = author.act(random) or b"\0\0", author.client
        else:
            known = {author.client: gate.clocks.get(author.client, 0)}
            data, client = forged(random, evil, gate.clocks.get(evil, 0), known, most_blocks=2), evil
        try:
            gate.admit(data, client)
        except PeerFault:
            assert client == evil, "an honest update was refused"
            continue
        case.append(data)
    return case


# ---- the killable child

REPOSITORY = Path(__file__).parents[2]
CASES_A_CHILD = 2_000
FREED_IS_SPOILED = {"MALLOC_PERTURB_": "165"}  # glibc: what reads freed memory dies, rather than now and then
HANG_CPU_S = 1.5  # of the processor, not of the clock: the machine may be busy


def applied_in_a_child(cases: list[list[bytes]]) -> dict[int, str]:
    """Apply each case's updates in turn to a fresh document in another process.

    Returns what went wrong by case: "died: …" if the process did, or the name of what was raised.
    """
    faults: dict[int, str] = {}
    position = 0
    while position < len(cases):
        batch = cases[position : position + CASES_A_CHILD]
        lines = "\n".join(json.dumps([update.hex() for update in case]) for case in batch)
        child = subprocess.run(
            [sys.executable, "-m", "tests.crdt.fuzz_updates"],
            input=lines,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
            cwd=REPOSITORY,
            env={**os.environ, **FREED_IS_SPOILED},
        )
        done = [json.loads(line) for line in child.stdout.splitlines()]
        faults.update({position + index: fault for index, fault in enumerate(done) if fault})
        if child.returncode != 0:
            faults[position + len(done)] = f"died: {child.returncode}"
            position += 1
        position += len(done)
    return faults


def use(doc: Doc[Any]) -> None:
    """What a node does with a document after a change came in: read all of it, write into it, send it on."""
    for key, kind in (("text", Text), ("array", Array), ("map", Map)):
        str(doc.get(key, type=kind).to_py())
    random = Random(1)
    for _ in range(3):
        edit(random, doc)
    Doc().apply_update(doc.get_update())


def main() -> None:
    for line in sys.stdin:
        fault = ""
        signal.setitimer(signal.ITIMER_PROF, HANG_CPU_S)  # ends the process even inside of native code
        try:
            doc: Doc[Any] = Doc({"text": Text(), "array": Array(), "map": Map()}, client_id=77)
            for part in json.loads(line):
                doc.apply_update(bytes.fromhex(part))
            use(doc)
        except BaseException as error:  # a Rust panic is no Exception
            if isinstance(error, KeyboardInterrupt):
                raise
            fault = f"{type(error).__name__}: {error}"
        print(json.dumps(fault), flush=True)


if __name__ == "__main__":
    main()
