"""Read a Yjs update (format v1) within bounds, and decide whether its author may apply it where it stands.

This reader alone decides acceptance; the native decoder sees only bytes that passed it. It reports
what an update claims: which clocks of which clients it inserts, what it deletes, what it builds on.
The two `check_…` functions hold that against the lane's rule. Order matters to the native library
(an update applied before what it builds on is silently lost), so a claim must fit exactly. An update
that fits may still be of a shape that breaks the native library: `crdt.shape` judges that, from all
that came before. Only what passed `read`, a check and `Shape.admit` may be applied.

The bounds are constants of the protocol: changing one changes what peers accept.
Format: Yjs, `src/utils/updates.js` and `src/structs/`; lib0, `encoding.js`. Clocks count UTF-16 units.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from crdt import lib0
from crdt.errors import PeerFault
from crdt.lib0 import count, refuse

MAX_UPDATE_BYTES: Final = 256 * 1024
MAX_BLOCKS: Final = 4_096  # the native library can take quadratic time for them: 0.3 s for these
MAX_CLIENTS: Final = 64  # that insert; one envelope holds one, a snapshot more
MAX_DELETE_RANGES: Final = 8_192
CLIENT_LIMIT: Final = 2**53  # the native library keeps 53 bits and drops the rest
CLOCK_LIMIT: Final = 2**31  # the native library subtracts clocks as signed 32-bit numbers

COLLECTED, DELETED, BINARY, STRING, EMBED, FORMAT, TYPE, ANY = 0, 1, 3, 4, 5, 6, 7, 8  # kinds of block
_KIND, _UNUSED_BIT, _HAS_KEY, _HAS_RIGHT, _HAS_LEFT = 0x0F, 0x10, 0x20, 0x40, 0x80
ARRAY, MAP, TEXT = 0, 1, 2  # the shared types there may be


Reference = tuple[int, int]  # (client, clock)


class Block(NamedTuple):
    """Where one block says it belongs: `crdt.shape` checks that against what it refers to."""

    kind: int  # of the content; 0 for a collected block, which belongs nowhere
    client: int
    clock: int
    length: int
    left: Reference | None
    right: Reference | None
    parent: Reference | str | None  # a type's block or a root's name; None if there is an origin to take it from
    keyed: bool  # an entry of a map
    makes: int  # ARRAY, MAP or TEXT, if it is a shared type, else -1
    halves: tuple[int, ...]  # clocks of a text's second UTF-16 halves: nobody may cut in front of one


@dataclass(frozen=True, slots=True)
class Inserted:
    """`length` clocks of `client`, without a gap, from `clock` on."""

    client: int
    clock: int
    length: int


@dataclass(frozen=True, slots=True)
class Update:
    """What an update claims, in the order it claims it.

    `deleted` are (client, clock, length); `references` are the distinct (client, clock) of origins, right
    origins and parents. `roots` holds the root types named outright: a block that has an origin takes
    its parent from there and names none.
    """

    inserted: tuple[Inserted, ...]
    blocks: tuple[Block, ...]
    deleted: tuple[tuple[int, int, int], ...]
    references: tuple[Reference, ...]
    roots: frozenset[str]
    size_bytes: int


def read(data: bytes) -> Update:
    """Read an update that `Doc.get_update` or a transaction event wrote. Raises `PeerFault("bad update")`.

    Time and memory grow with the update's size alone, which is at most `MAX_UPDATE_BYTES`.
    """
    if len(data) > MAX_UPDATE_BYTES:
        refuse(f"larger than {MAX_UPDATE_BYTES} bytes")
    blocks: list[Block] = []
    references: dict[Reference, None] = {}  # a set that keeps its order
    roots: set[str] = set()
    try:
        inserted, position = _read_clients(data, blocks, references, roots)
        deleted, position = _read_deletions(data, position)
    except IndexError:
        raise PeerFault("bad update", "truncated") from None
    except UnicodeDecodeError:
        raise PeerFault("bad update", "a text that is not UTF-8") from None
    if position != len(data):
        refuse("bytes behind its end")
    return Update(tuple(inserted), tuple(blocks), tuple(deleted), tuple(references), frozenset(roots), len(data))


def _read_clients(
    data: bytes, blocks: list[Block], references: dict[Reference, None], roots: set[str]
) -> tuple[list[Inserted], int]:
    clients, position = count(data, 0)
    if clients > MAX_CLIENTS:
        refuse(f"blocks of more than {MAX_CLIENTS} clients")
    inserted: list[Inserted] = []
    blocks_left = MAX_BLOCKS
    for _ in range(clients):
        number, position = count(data, position)
        (client, start), position = _id(data, position)
        blocks_left -= number
        if blocks_left < 0:
            refuse(f"more than {MAX_BLOCKS} blocks")
        clock = start
        for _ in range(number):
            block, position = _block(data, position, client, clock, roots)
            clock += block.length
            if not block.length or clock >= CLOCK_LIMIT:
                refuse("an empty block, or a clock beyond 31 bits")
            for reference in (block.left, block.right, block.parent):
                if type(reference) is tuple:
                    if reference[0] == client and reference[1] >= block.clock:
                        refuse("a block that builds on itself or on what follows it")  # it would wait for ever
                    references[reference] = None
            blocks.append(block)
        if clock == start or any(run.client == client for run in inserted):
            refuse("a client without a block, or listed twice")
        inserted.append(Inserted(client, start, clock - start))
    return inserted, position


def _id(data: bytes, position: int) -> tuple[Reference, int]:
    client, position = count(data, position)
    clock, position = count(data, position)
    if client >= CLIENT_LIMIT or clock >= CLOCK_LIMIT:
        refuse("a client beyond 53 bits or a clock beyond 31")
    return (client, clock), position


def _block(data: bytes, position: int, client: int, clock: int, roots: set[str]) -> tuple[Block, int]:
    """One block, and the position behind it."""
    info = data[position]
    position += 1
    if info == COLLECTED:  # written for what a transaction made and deleted again
        length, position = count(data, position)
        return Block(info, client, clock, length, None, None, None, False, -1, ()), position
    kind = info & _KIND
    content = _CONTENT[kind]
    if content is None or info & _UNUSED_BIT:
        refuse(_REFUSED.get(kind, "an unknown kind of block"))
    left = right = parent = None
    if info & _HAS_LEFT:
        left, position = _id(data, position)
    if info & _HAS_RIGHT:
        right, position = _id(data, position)
    if not info & (_HAS_LEFT | _HAS_RIGHT):
        parent, position = _parent(data, position, roots)
        if info & _HAS_KEY:
            _, position = lib0.name(data, position)
    start = position
    length, position = content(data, start)
    makes = data[start] if kind == TYPE else -1
    halves = _halves(data, start, clock) if kind == STRING else ()
    return Block(kind, client, clock, length, left, right, parent, bool(info & _HAS_KEY), makes, halves), position


def _parent(data: bytes, position: int, roots: set[str]) -> tuple[Reference | str, int]:
    named, position = count(data, position)
    if not named:
        return _id(data, position)
    if named > 1:
        refuse("a parent that is neither named nor an id")
    root, position = lib0.name(data, position)
    roots.add(root)
    return root, position


def _read_deletions(data: bytes, position: int) -> tuple[list[tuple[int, int, int]], int]:
    clients, position = count(data, position)
    if not clients:
        return [], position
    deleted: list[tuple[int, int, int]] = []
    seen: set[int] = set()
    ranges_left = MAX_DELETE_RANGES
    for _ in range(clients):
        client, position = count(data, position)
        ranges, position = count(data, position)
        ranges_left -= ranges
        if client >= CLIENT_LIMIT or client in seen or not ranges or ranges_left < 0:
            refuse(f"deletions of a client twice, of none, or in more than {MAX_DELETE_RANGES} ranges")
        seen.add(client)
        end = 0
        for _ in range(ranges):
            clock, position = count(data, position)
            length, position = count(data, position)
            if clock < end or not length or clock + length >= CLOCK_LIMIT:
                refuse("deletions that are empty, out of order or beyond 31 bits")
            end = clock + length
            deleted.append((client, clock, length))
    return deleted, position


def _halves(data: bytes, position: int, clock: int) -> tuple[int, ...]:
    start, end = lib0.span(data, position)
    part = data[start:end]
    return () if part.isascii() else tuple(clock + half for half in lib0.second_halves(part.decode()))


# ---- contents: each takes (data, position) and returns (length in clocks, position behind)


def _text_content(data: bytes, position: int) -> tuple[int, int]:
    start, end = lib0.span(data, position)
    return lib0.utf16_length(data[start:end]), end


def _values_content(data: bytes, position: int) -> tuple[int, int]:
    length, position = count(data, position)
    return length, lib0.values(data, position, length)


def _binary_content(data: bytes, position: int) -> tuple[int, int]:
    return 1, lib0.span(data, position)[1]


def _embed_content(data: bytes, position: int) -> tuple[int, int]:
    return 1, lib0.json_text(data, position)


def _format_content(data: bytes, position: int) -> tuple[int, int]:
    _, position = lib0.name(data, position)
    return 1, lib0.json_text(data, position)


def _type_content(data: bytes, position: int) -> tuple[int, int]:
    if data[position] not in (ARRAY, MAP, TEXT):
        refuse(f"a shared type that is neither array, map nor text: {data[position]}")
    return 1, position + 1


_CONTENT: Final[tuple[Callable[[bytes, int], tuple[int, int]] | None, ...]] = (
    None,
    count,  # DELETED within its own transaction: only the length is left
    None,
    _binary_content,
    _text_content,
    _embed_content,
    _format_content,
    _type_content,
    _values_content,
    *[None] * 7,
)
_REFUSED: Final = {
    0: "a collected block with flags",
    2: "old JSON content",  # the native decoder reads one text too many
    9: "a document inside the document",
    10: "a skipped block",  # a hole in a chain that has none
    11: "a move",
}


# ---- the rule of the lane


def check_single_writer(update: Update, client: int, next_clock: int, known: Mapping[int, int]) -> int:
    """Blocks go on exactly where `client` stopped; the rest concerns only this lane's `known` clients.

    `known` maps a client to the clock below which its blocks are here; it need not hold `client`.
    Returns the clock at which `client` goes on next. Raises `PeerFault` with one of the reasons
    "foreign client", "clock jump", "overlap", "delete ahead", "unknown reference".
    """
    end = _next_clock(update, client, next_clock)
    for owner, clock, length in update.deleted:
        if owner != client and owner not in known:
            raise PeerFault("foreign client", f"deletes blocks of {owner}")
        if clock + length > (end if owner == client else known[owner]):
            raise PeerFault("delete ahead", f"of clock {clock + length} of {owner}")
    _check_references(update, client, end, known)
    return end


def check_shared(update: Update, client: int, next_clock: int, seen: Mapping[int, int]) -> int:
    """The same for a lane of many writers: `seen` maps each client to the clock its author had applied up to.

    Anybody's blocks may be built on and deleted, but only those below that clock: a deletion of what
    does not exist yet would silently swallow an honest edit later.
    """
    end = _next_clock(update, client, next_clock)
    for owner, clock, length in update.deleted:
        if clock + length > (end if owner == client else seen.get(owner, 0)):
            raise PeerFault("delete ahead", f"of clock {clock + length} of {owner}")
    _check_references(update, client, end, seen)
    return end


def _next_clock(update: Update, client: int, next_clock: int) -> int:
    if not update.inserted:
        return next_clock
    for run in update.inserted:
        if run.client != client:
            raise PeerFault("foreign client", f"inserts blocks of {run.client}")
    run = update.inserted[0]
    if run.clock != next_clock:
        raise PeerFault("clock jump" if run.clock > next_clock else "overlap", f"{run.clock}, not {next_clock}")
    return next_clock + run.length


def _check_references(update: Update, client: int, end: int, known: Mapping[int, int]) -> None:
    for owner, clock in update.references:
        if clock >= (end if owner == client else known.get(owner, 0)):
            raise PeerFault("unknown reference", f"to clock {clock} of {owner}")
