"""docs/protocol.md says what the code does, as far as a test can tell: limits, labels, forms of what is sent."""

import importlib
import pkgutil
import re
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

import crdt
from crdt import wire
from crdt.output import Chunk
from crdt.permissions import WRITES, LaneKind, Role
from crdt.records import Action

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
UNITS = {"KiB": 1024, "MiB": 1024 * 1024}


def modules() -> list[str]:
    return [each.name for each in pkgutil.iter_modules(crdt.__path__)]


def limits() -> dict[str, int]:
    """The table of limits, read."""
    found = {}
    for name, spelled in re.findall(r"^\| `(\w+\.\w+)` \| •? *\| ([^|]+?) \|", TEXT, re.MULTILINE):
        number, _, unit = spelled.replace(",", "").partition(" ")
        power = number.removeprefix("2^")
        found[name] = (2 ** int(power) if power != number else int(number)) * UNITS.get(unit, 1)
    return found


def test_every_limit_has_the_value_that_the_document_gives() -> None:
    table = limits()
    assert len(table) > 50
    for name, value in table.items():
        module, _, constant = name.partition(".")
        assert getattr(importlib.import_module(f"crdt.{module}"), constant) == value, name


def test_every_limit_of_the_code_is_in_the_document() -> None:
    in_code = set()
    for module in modules():
        source = (ROOT / "crdt" / f"{module}.py").read_text(encoding="utf-8")
        in_code |= {f"{module}.{name}" for name in re.findall(r"^((?:MAX_\w+|\w+_LIMIT)): Final", source, re.MULTILINE)}
    assert in_code <= limits().keys(), in_code - limits().keys()


def test_every_label_of_the_code_is_in_the_document_and_the_other_way_round() -> None:
    source = "".join(
        path.read_text(encoding="utf-8") for part in ("crdt", "relay") for path in (ROOT / part).glob("*.py")
    )
    used = set(re.findall(r"\b(?:digest|derive)\(\s*(?:[\w.\[\]]+,\s*)?\"([a-z-]+)\"", source))
    used |= set(re.findall(r"\b(?:sign|verify)\((?:[\w.]+,\s*)?\"([a-z-]+)\"", source))
    used |= {f"link-{role}" for role in ("initiator", "responder")}
    section = TEXT[TEXT.index("## Labels") : TEXT.index("## Limits")]
    named = set(re.findall(r"`([a-z-]+)`", section))
    assert used - named == set()
    assert named - used == set()


def fields(table: str, tag: str) -> list[str]:
    """The names of a form's fields, as a row of a table has them."""
    row = re.search(rf"^\| `{tag}` \| (.*) \|$", table, re.MULTILINE)
    assert row is not None, tag
    return re.findall(r"\w+", re.sub(r"\([^)]*\)|,? by the .*", "", row[1].replace("signature by", "signature, by")))


@pytest.mark.parametrize("form", typing.get_args(Action), ids=lambda each: each.__name__)
def test_every_action_of_a_record_is_in_the_document_with_its_fields(form: Any) -> None:
    section = TEXT[TEXT.index("## Records") : TEXT.index("## Membership")]
    shortened = {"epoch": "id"} if form.__name__ == "NewEpoch" else {}
    expected = [shortened.get(name, name) for name in form.__struct_fields__]
    assert fields(section, form.__struct_config__.tag) == expected


@pytest.mark.parametrize("form", typing.get_args(Chunk), ids=lambda each: each.__name__)
def test_every_chunk_of_a_terminal_is_in_the_document_with_its_fields(form: Any) -> None:
    section = TEXT[TEXT.index("## Terminals") : TEXT.index("## Node and relay")]
    assert fields(section, form.__struct_config__.tag) == list(form.__struct_fields__)


MESSAGES: tuple[type[msgspec.Struct], ...] = typing.get_args(wire.ToRelay) + typing.get_args(wire.FromRelay)


@pytest.mark.parametrize("form", MESSAGES, ids=lambda each: each.__name__)
def test_every_message_of_node_and_relay_is_in_the_document_with_its_fields(form: type[msgspec.Struct]) -> None:
    section = TEXT[TEXT.index("## Node and relay") : TEXT.index("## Device and device")]
    assert fields(section, str(form.__struct_config__.tag)) == list(form.__struct_fields__)


def test_every_code_with_which_a_relay_refuses_is_in_the_document() -> None:
    used = set()
    for path in (ROOT / "relay").glob("*.py"):
        used |= set(re.findall(r'Refusal\("([a-z-]+)"', path.read_text(encoding="utf-8")))
    assert used
    codes = TEXT[TEXT.index("Codes: ") : TEXT.index("Signatures: by")]
    assert used <= set(re.findall(r"`([a-z-]+)`", codes))


def test_the_lanes_in_the_document_are_those_of_the_code_with_who_may_write_them() -> None:
    rows = re.findall(r"^\| (\d) \| (\w+) \|[^|]*\| (\d) (\w+) \|", TEXT, re.MULTILINE)
    assert {int(kind): (name, int(role)) for kind, name, role, _ in rows} == {
        int(kind): (kind.name.lower(), int(WRITES[kind])) for kind in LaneKind
    }
    assert all(Role(int(role)).name.lower() == name for _, _, role, name in rows)


def test_the_map_of_the_core_names_every_file_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = text[text.index("**crdt/**") : text.index("**node/**")]
    named = {name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert named == set(modules())
