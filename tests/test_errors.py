"""The table of errors: documented, raised somewhere, and the same after crossing the API."""

import re
from pathlib import Path

import pytest

from crdt.errors import CATALOGUE, ErrorKind, from_json
from node.api.document import error_document

ROOT = Path(__file__).parents[1]
RESERVED = ["WORKTREE_CREATE_FAILED", "SYNC_CONFLICT"]  # codes of the contract whose features come later
SOURCES = [p for package in ("crdt", "node", "relay", "client") for p in (ROOT / package).rglob("*.py")]


def test_the_document_is_what_the_table_says() -> None:
    assert (ROOT / "docs" / "errors.md").read_text(encoding="utf-8") == error_document()


@pytest.mark.parametrize("kind", CATALOGUE.values(), ids=lambda kind: kind.code)
def test_an_error_says_what_happened_and_what_to_do_on_both_sides_of_the_api(kind: ErrorKind) -> None:
    with pytest.raises(Exception, match=re.escape(kind.cause)) as raised:
        raise kind(next="Do this.", thread="t")
    shape = raised.value.to_json()
    assert shape["code"] == kind.code and shape["next"] == "Do this."
    again = from_json(shape)
    assert again.kind is kind and again.to_json() == shape
    assert kind.cause.endswith(".") and kind.next


def test_every_error_is_raised_somewhere_and_no_code_is_used_twice() -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for p in SOURCES if p.name != "errors.py")
    unused = [kind.name for kind in CATALOGUE.values() if not re.search(rf"\b{kind.name}\b", code)]
    assert unused == RESERVED
    assert len({kind.name for kind in CATALOGUE.values()}) == len(CATALOGUE)
