"""Step over the primitives of the lib0 encoding: counts, texts, values; nothing is built, only bounds checked.

A Yjs update is written in lib0's first format. These functions take `(data, position)` and return the
position behind what they read. They are stricter than the native decoder, which trusts its input:
it takes any bytes for UTF-8, reserves memory by a claimed count, recurses on nesting, lets integers
wrap. Here every number has one spelling, and whatever nobody honest writes is refused.

Reading beyond the end raises `IndexError`, a broken text `ValueError`; `crdt.update` turns both into
the one `PeerFault` it promises, so that the common path pays for no check twice.
"""

import json
import math
from typing import Any, Final, NoReturn

from crdt.errors import PeerFault

MAX_VALUE_DEPTH: Final = 32  # lists and maps within one value; the native decoder recurses on them
MAX_VALUES: Final = 65_536  # values in one block, those inside of lists and maps counted
MAX_NAME_BYTES: Final = 1_024  # root names, map keys, names of formats
_VARINT_BYTES: Final = 8  # 56 bits: a 53-bit client id takes eight bytes
_MORE: Final = 0x80

_UNDEFINED, _NULL, _INTEGER, _FLOAT32, _FLOAT64, _BIGINT = 127, 126, 125, 124, 123, 122
_FALSE, _TRUE, _STRING, _MAP, _LIST, _BUFFER = 121, 120, 119, 118, 117, 116
_FIXED: Final = {_UNDEFINED: 0, _NULL: 0, _FALSE: 0, _TRUE: 0, _FLOAT32: 4, _FLOAT64: 8, _BIGINT: 8}


def refuse(why: str) -> NoReturn:
    """The update is malformed or beyond a bound: the one way out of every function here."""
    raise PeerFault("bad update", why)


def count(data: bytes, position: int) -> tuple[int, int]:
    """An unsigned integer of up to 56 bits in its shortest spelling, and the position behind it."""
    byte = data[position]
    if byte < _MORE:
        return byte, position + 1
    value = byte & 0x7F
    for shift in (7, 14, 21, 28, 35, 42, 49):
        position += 1
        byte = data[position]
        if byte < _MORE:
            if not byte:
                refuse("an integer in a longer spelling than it needs")
            return value | byte << shift, position + 1
        value |= (byte & 0x7F) << shift
    return refuse("an integer beyond 56 bits")


def span(data: bytes, position: int) -> tuple[int, int]:
    """A length-prefixed run of bytes: where it starts and where it ends."""
    length, start = count(data, position)
    end = start + length
    if end > len(data):
        raise IndexError
    return start, end


def text(data: bytes, position: int) -> tuple[int, int]:
    """Like `span`, for what has to be UTF-8. Surrogates and overlong forms are no UTF-8, as in the native library."""
    start, end = span(data, position)
    part = data[start:end]
    if not part.isascii():
        part.decode()
    return start, end


def name(data: bytes, position: int) -> tuple[str, int]:
    """A short text that names something, and the position behind it."""
    start, end = span(data, position)
    if end - start > MAX_NAME_BYTES:
        refuse(f"a name of more than {MAX_NAME_BYTES} bytes")
    return data[start:end].decode(), end


def utf16_length(part: bytes) -> int:
    """How many UTF-16 code units this UTF-8 has: the unit in which a text block moves its client's clock."""
    if part.isascii():
        return len(part)
    return len(part.decode().encode("utf-16-le")) // 2


def second_halves(characters: str) -> list[int]:
    """The offsets, in UTF-16 units, of the second unit of each character that takes two."""
    found: list[int] = []
    if max(characters, default="") > "\uffff":
        for index, character in enumerate(characters):
            if character > "\uffff":
                found.append(index + len(found) + 1)
    return found


def values(data: bytes, position: int, remaining: int) -> int:
    """Step over that many values of lib0's `Any`, without recursion; returns the position behind the last.

    An open list waits on the stack as its remaining count; a map also keeps the keys it has had.
    """
    left = MAX_VALUES - remaining
    keys: set[bytes] | None = None
    waiting: list[tuple[int, set[bytes] | None]] = []
    while left >= 0:
        while not remaining:
            if not waiting:
                return position
            remaining, keys = waiting.pop()
        remaining -= 1
        if keys is not None:
            start, position = text(data, position)
            key = data[start:position]
            if key in keys:
                refuse("a key twice in one map")
            keys.add(key)
        tag = data[position]
        position += 1
        if tag == _STRING:
            _, position = text(data, position)
        elif tag == _INTEGER:
            position = _integer(data, position)
        elif tag in _FIXED:
            position += _FIXED[tag]
        elif tag in (_LIST, _MAP):
            waiting.append((remaining, keys))
            if len(waiting) > MAX_VALUE_DEPTH:
                refuse(f"a value nested more than {MAX_VALUE_DEPTH} deep")
            remaining, position = count(data, position)
            keys = set() if tag == _MAP else None
            left -= remaining
        elif tag == _BUFFER:
            _, position = span(data, position)
        else:
            refuse(f"an unknown kind of value, {tag}")
    return refuse(f"more than {MAX_VALUES} values in one block")


def _integer(data: bytes, position: int) -> int:
    """lib0's signed integer: sign and six bits, then sevens. Only its extent matters here."""
    if data[position] < _MORE:
        return position + 1
    for end in range(position + 1, position + _VARINT_BYTES):
        byte = data[end]
        if byte < _MORE:
            if not byte:
                refuse("an integer in a longer spelling than it needs")
            return end + 1
    return refuse("an integer beyond 55 bits")


# ---- JSON: formats and embeds carry it as text, and the native library's parser must agree with ours


def json_text(data: bytes, position: int) -> int:
    """Step over a length-prefixed JSON text that every parser reads alike: no NaN, no number out of
    range, no lone surrogate, no key twice, nesting within `MAX_VALUE_DEPTH`."""
    start, end = span(data, position)
    try:
        _check_depth(_JSON.decode(data[start:end].decode()), MAX_VALUE_DEPTH)
    except RecursionError:
        refuse("JSON nested too deep")
    except ValueError as error:
        refuse(f"not JSON: {error}")
    return end


def _check_depth(value: Any, depth: int) -> None:
    if depth < 0:
        refuse(f"JSON nested more than {MAX_VALUE_DEPTH} deep")
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError, a ValueError, for half a surrogate pair
    elif isinstance(value, dict):
        for key, inner in value.items():
            key.encode()
            _check_depth(inner, depth - 1)
    elif isinstance(value, list):
        for inner in value:
            _check_depth(inner, depth - 1)


def _int64(digits: str) -> int:
    number = int(digits)
    if not -(2**63) <= number < 2**63:
        raise ValueError("an integer beyond 64 bits")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key twice in one object")
    return found


_JSON: Final = json.JSONDecoder(
    parse_int=_int64, parse_float=_finite, parse_constant=_no_constant, object_pairs_hook=_unique
)
