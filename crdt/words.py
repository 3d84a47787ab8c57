"""Secrets as words: the 24 words of a recovery phrase, the spoken pairing code, a fingerprint.

All three use BIP39's English list (2,048 words, told apart by their first four letters), so that
there is one list to learn, to print and to listen for. The list is read from the `mnemonic` package
at the first use, not at import: the command line and an idle node never need it.

Nothing here puts a phrase into an error: at most the one word that is not on the list.
"""

import functools
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

from crdt import keys
from crdt.errors import PAIRING_CODE_WRONG, RECOVERY_PHRASE_WRONG

SEED_BYTES: Final = 32
PHRASE_WORDS: Final = 24
CODE_ENTROPY_BYTES: Final = 4
FINGERPRINT_WORDS: Final = 6
_BITS_PER_WORD: Final = 11
# The longest word has 8 letters. Something longer is a phrase glued together, which must not be echoed.
_ECHOED_LETTERS: Final = 10


@functools.cache
def _mnemonic() -> Any:
    from mnemonic import Mnemonic

    return Mnemonic("english")


@functools.cache
def _positions() -> dict[str, int]:
    return {word: position for position, word in enumerate(_mnemonic().wordlist)}


def is_word(word: str) -> bool:
    """True for a word of the list, in lower case."""
    return word in _positions()


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


# ---- recovery phrase


def phrase_from_seed(seed: bytes) -> str:
    """The 24 words (256 bits and an 8-bit checksum, BIP39) of a 32-byte root seed, separated by one space."""
    if len(seed) != SEED_BYTES:
        raise ValueError(f"a root seed has {SEED_BYTES} bytes, not {len(seed)}")
    return str(_mnemonic().to_mnemonic(seed))


def seed_from_phrase(text: str) -> bytes:
    """The seed back, whatever the case, spacing or line breaks of the words.

    Raises RECOVERY_PHRASE_WRONG: for a wrong number of words; for a word that isn't on the list, naming
    it and its place and no other word; or for a failed checksum (a wrong word or a wrong order).
    """
    words = re.split(r"[\s,;]+", _normal(text).strip(" \t\r\n,;"))
    words = [word for word in words if word]
    for place, word in enumerate(words, start=1):
        if not is_word(word):
            echoed = f" (“{word}”)" if len(word) <= _ECHOED_LETTERS and word.isalpha() else ""
            raise RECOVERY_PHRASE_WRONG(f"Word {place}{echoed} isn't on the list of recovery words.", place=place)
    if len(words) != PHRASE_WORDS:
        raise RECOVERY_PHRASE_WRONG(f"A recovery phrase has {PHRASE_WORDS} words; these are {len(words)}.")
    try:
        return bytes(_mnemonic().to_entropy(words))
    except ValueError:
        # `from None`: the library's own error could carry what it was given.
        message = "Each word is on the list, but together they don't add up: one is wrong, or the order is."
        raise RECOVERY_PHRASE_WRONG(message) from None


# ---- spoken pairing code


@dataclass(frozen=True, slots=True)
class Code:
    """A spoken code: where to meet (the nameplate, no secret) and the two words that are the secret."""

    nameplate: str
    words: tuple[str, str]

    def __str__(self) -> str:
        return "-".join((self.nameplate, *self.words))

    def __repr__(self) -> str:
        return f"Code({self.nameplate}-…)"

    @property
    def password(self) -> bytes:
        """What both sides put into the key exchange. Never equal to a link's password."""
        return ("code:" + "-".join(self.words)).encode()

    @property
    def misheard(self) -> tuple[str, ...]:
        """Words that can't be right because they aren't on the list: worth asking about before trying."""
        return tuple(word for word in self.words if not is_word(word))


_NAMEPLATE = re.compile(r"[1-9][0-9]{0,8}")
_CODE = re.compile(r"([1-9][0-9]{0,8})[-\s_.,\u2010-\u2015]+([a-z]{1,16})[-\s_.,\u2010-\u2015]+([a-z]{1,16})")


def code_from_entropy(nameplate: str, entropy: bytes) -> Code:
    """A fresh code of 22 secret bits for a nameplate (a number from 1 up, at most nine digits).

    `entropy` is 4 fresh random bytes. Twenty-two bits are enough because a code allows one guess.
    """
    if not _NAMEPLATE.fullmatch(nameplate):
        raise ValueError(f"not a nameplate: {nameplate[:16]!r}")
    if len(entropy) != CODE_ENTROPY_BYTES:
        raise ValueError(f"a code takes {CODE_ENTROPY_BYTES} random bytes")
    first, second = _spell(entropy, 2)
    return Code(nameplate, (first, second))


def parse_code(text: str) -> Code:
    """Read a code as people type it: any case, spaces or dashes of any kind between its parts.

    A word that isn't on the list is let through (see `Code.misheard`): such a code is simply wrong,
    and fails where wrong codes fail. Raises PAIRING_CODE_WRONG for what has not the form of a code.
    """
    found = _CODE.fullmatch(_normal(text).strip())
    if found is None:
        raise PAIRING_CODE_WRONG(
            "That isn't a pairing code. A code looks like 7-marble-violin.",
            next="Type the code as the first device shows it.",
        )
    nameplate, first, second = found.groups()
    return Code(nameplate, (first, second))


# ---- fingerprint


def fingerprint(identity: bytes) -> tuple[str, ...]:
    """Six words (66 bits) to compare aloud: a labelled hash of an identity's root public key."""
    return _spell(keys.digest("fingerprint-words", identity), FINGERPRINT_WORDS)


def _spell(raw: bytes, count: int) -> tuple[str, ...]:
    """The first `count` groups of 11 bits, as words."""
    bits = int.from_bytes(raw, "big") >> (len(raw) * 8 - count * _BITS_PER_WORD)
    mask = (1 << _BITS_PER_WORD) - 1
    wordlist = _mnemonic().wordlist
    return tuple(wordlist[bits >> shift & mask] for shift in range((count - 1) * _BITS_PER_WORD, -1, -_BITS_PER_WORD))
