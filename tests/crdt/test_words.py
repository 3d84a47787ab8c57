"""Words: phrases come back as the seed they spell, mistakes are named, secrets are not echoed."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import words
from crdt.errors import OpenSeshError

# The last 256-bit vectors of BIP39's own test file.
BIP39_VECTORS = [
    (bytes(32), "abandon " * 23 + "art"),
    (
        b"\x7f" * 32,
        "legal winner thank year wave sausage worth useful " * 2 + "legal winner thank year wave sausage worth title",
    ),
    (b"\xff" * 32, "zoo " * 23 + "vote"),
]


@pytest.mark.parametrize(("seed", "phrase"), BIP39_VECTORS)
def test_a_phrase_is_the_one_bip39_gives(seed: bytes, phrase: str) -> None:
    assert words.phrase_from_seed(seed) == phrase
    assert words.seed_from_phrase(phrase) == seed


@given(st.binary(min_size=32, max_size=32))
def test_every_seed_comes_back_from_its_24_words(seed: bytes) -> None:
    phrase = words.phrase_from_seed(seed)
    assert len(phrase.split()) == 24
    assert words.seed_from_phrase(phrase) == seed


def test_case_spaces_commas_and_line_breaks_do_not_matter() -> None:
    phrase = words.phrase_from_seed(b"\x21" * 32)
    untidy = "\n  " + ",  ".join(phrase.upper().split()).replace(",  ", " \r\n\t", 5) + "  \n"
    assert words.seed_from_phrase(untidy) == b"\x21" * 32


def test_an_unknown_word_is_named_with_its_place_and_no_other_word_is() -> None:
    listed = words.phrase_from_seed(b"\x99" * 32).split()
    original, listed[6] = listed[6], "marbel"
    with pytest.raises(OpenSeshError) as caught:
        words.seed_from_phrase(" ".join(listed))
    told = str(caught.value.to_json())
    assert caught.value.kind.name == "RECOVERY_PHRASE_WRONG"
    assert "Word 7" in caught.value.message
    assert "marbel" in caught.value.message
    for word in {*listed, original} - {"marbel"}:
        assert f" {word} " not in f" {told} "
        assert f"“{word}”" not in told


def test_a_phrase_glued_together_is_not_echoed() -> None:
    glued = words.phrase_from_seed(b"\x99" * 32).replace(" ", "")
    with pytest.raises(OpenSeshError) as caught:
        words.seed_from_phrase(glued)
    assert glued[:12] not in str(caught.value.to_json())


def test_swapped_words_fail_the_checksum_without_echo() -> None:
    listed = words.phrase_from_seed(bytes(range(32))).split()
    listed[0], listed[1] = listed[1], listed[0]
    with pytest.raises(OpenSeshError) as caught:
        words.seed_from_phrase(" ".join(listed))
    assert caught.value.kind.name == "RECOVERY_PHRASE_WRONG"
    assert "order" in caught.value.message
    assert caught.value.__cause__ is None
    assert not set(listed) & set(caught.value.message.replace(",", "").split())


@pytest.mark.parametrize("text", ["", "  ", "abandon", " ".join(["abandon"] * 12), " ".join(["abandon"] * 25)])
def test_a_wrong_number_of_words_is_told_as_such(text: str) -> None:
    with pytest.raises(OpenSeshError, match="24 words"):
        words.seed_from_phrase(text)


def test_a_seed_of_another_length_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        words.phrase_from_seed(b"\0" * 16)


def test_a_code_is_a_number_and_two_words_from_the_entropy() -> None:
    assert str(words.code_from_entropy("7", bytes(4))) == "7-abandon-abandon"
    assert str(words.code_from_entropy("12", b"\xff" * 4)) == "12-zoo-zoo"
    code = words.code_from_entropy("7", b"\x00\x20\x00\x00")
    assert code.words == ("ability", "abandon")


@given(st.integers(1, 999_999_999), st.binary(min_size=4, max_size=4))
def test_every_code_is_read_back(number: int, entropy: bytes) -> None:
    code = words.code_from_entropy(str(number), entropy)
    assert words.parse_code(str(code)) == code
    assert code.misheard == ()


@pytest.mark.parametrize(
    "typed",
    [
        "7-marble-violin",
        " 7 Marble  VIOLIN\n",
        "7 - marble - violin",
        "7–marble—violin",
        "7.marble.violin",
        "７-marble-violin",
    ],
)
def test_a_code_is_understood_however_it_is_typed(typed: str) -> None:
    assert str(words.parse_code(typed)) == "7-marble-violin"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "7",
        "marble-violin",
        "7-marble",
        "0-marble-violin",
        "07-marble-violin",
        "7-marble-violin-x",
        "7--m4rble-violin",
        "1234567890-a-b",
        "7-" + "a" * 99 + "-b",
    ],
)
def test_what_is_no_code_is_refused_before_anything_is_sent(typed: str) -> None:
    with pytest.raises(OpenSeshError) as caught:
        words.parse_code(typed)
    assert caught.value.kind.name == "PAIRING_CODE_WRONG"


def test_a_word_off_the_list_is_pointed_out_but_stays_a_code() -> None:
    assert words.parse_code("7-marbel-violin").misheard == ("marbel",)


def test_a_code_keeps_its_words_out_of_its_repr() -> None:
    assert "marble" not in repr(words.parse_code("7-marble-violin"))


def test_a_nameplate_must_be_a_plain_number() -> None:
    for nameplate in ("", "0", "01", "x", "7-8", "1234567890"):
        with pytest.raises(ValueError, match="nameplate"):
            words.code_from_entropy(nameplate, bytes(4))
    with pytest.raises(ValueError, match="random bytes"):
        words.code_from_entropy("7", bytes(3))


def test_a_fingerprint_is_stable_and_differs_between_identities() -> None:
    assert words.fingerprint(b"a" * 32) == words.fingerprint(b"a" * 32)
    assert words.fingerprint(b"a" * 32) != words.fingerprint(b"b" * 32)
    assert len(words.fingerprint(b"a" * 32)) == 6
    assert all(words.is_word(word) for word in words.fingerprint(b"a" * 32))


def test_importing_reads_no_list() -> None:
    script = "import sys, crdt.words; print('mnemonic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
