"""The table itself: unambiguous, documented, cheap to import, and spelt the same way by both sides."""

import subprocess
import sys
from pathlib import Path

import pytest

from node.api.document import document
from node.api.operation import Operation, Parameter
from node.api.operations import OPERATIONS, body_of, format_path, match
from tests.node.api.parity import differences, line_faults, shape_faults

ROOT = Path(__file__).parents[3]
AWKWARD = ["a", "50% off", "a/b", "..", ".", "?x=1&y", "#", "é 漢 🙂", "%2F", " ", "+", '"', "\\", "{thread}"]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_formatted_path_matches_its_own_operation_and_gives_its_values_back(text: str) -> None:
    for operation in OPERATIONS.values():
        values = {parameter.name: text for parameter in operation.parameters if parameter.place == "path"}
        target = format_path(operation, dict(values))
        assert target.isascii()
        assert " " not in target
        assert match(operation.method, target.partition("?")[0]) == (operation, values)


def test_no_two_operations_answer_one_request() -> None:
    shapes = [
        (operation.method, tuple("{}" if part.startswith("{") else part for part in operation.segments))
        for operation in OPERATIONS.values()
    ]
    assert len(set(shapes)) == len(shapes)


@pytest.mark.parametrize(
    "method_path", [("GET", "/v1/status/"), ("GET", "//v1/status"), ("POST", "/v1/status"), ("GET", "")]
)
def test_what_is_not_in_the_table_matches_nothing(method_path: tuple[str, str]) -> None:
    assert match(*method_path) is None


@pytest.mark.parametrize("broken", ["%", "%4", "%zz", "%ff", "% 1", "%+1"])
def test_a_broken_escape_is_no_value(broken: str) -> None:
    with pytest.raises(ValueError):
        match("GET", f"/v1/threads/{broken}")


def test_an_empty_reference_can_not_be_asked_for() -> None:
    with pytest.raises(ValueError, match="thread is missing"):
        format_path(OPERATIONS["thread.show"], {"thread": ""})


def test_a_name_that_the_operation_does_not_have_is_found_out_before_sending() -> None:
    with pytest.raises(ValueError, match="no parameter colour"):
        body_of(OPERATIONS["thread.create"], {"title": "x", "colour": "red"})


def test_a_secret_can_not_be_put_into_an_address() -> None:
    with pytest.raises(AssertionError, match="body only"):
        Parameter("key", "secret", "", place="query")


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda operation: operation.name)
def test_each_operation_says_what_it_is_and_what_it_gives(operation: Operation) -> None:
    assert operation.summary.endswith(".")
    assert all(parameter.doc for parameter in operation.parameters)
    assert operation.result
    assert set(operation.last) <= set(operation.result)
    # A body on these is dropped by some clients, and refused by some proxies.
    if operation.method in ("GET", "DELETE"):
        assert not [parameter.name for parameter in operation.parameters if parameter.place == "body"]


def test_the_committed_page_is_what_the_table_gives() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == document(), "run: python -m node.api.document > docs/api.md"


def test_each_operation_has_its_section_in_the_page() -> None:
    headings = {line[3:] for line in document().splitlines() if line.startswith("## ")}
    assert differences(headings) == []


def test_clients_import_the_table_and_the_endpoint_without_anything_heavy() -> None:
    heavy = (
        "typing_extensions msgspec aiohttp asyncio dataclasses inspect pathlib json http hashlib urllib platformdirs"
    )
    code = (
        "import sys; before = set(sys.modules); import node.api.operations, node.api.endpoint; "
        f"print(*sorted((set(sys.modules) - before) & set('{heavy}'.split())))"
    )
    # -S and -I: what the site's own start-up imports is not ours.
    command = [sys.executable, "-S", "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_shape_is_held_against_a_result() -> None:
    shape = OPERATIONS["thread.create"].result
    assert shape_faults(shape, {"id": "x", "title": "y", "project": None, "more": 1}) == []
    assert shape_faults(shape, {"id": "x"}) == ["result.title is missing", "result.project is missing"]
    assert shape_faults({"rows": [{"a": "", "b?": ""}]}, {"rows": [{"a": 1}, {"b": 1}]}) == [
        "result.rows[1].a is missing"
    ]
    assert line_faults(OPERATIONS["pair.show"], {"type": "pair.nonsense"}) == [
        "pair.show has no line of type pair.nonsense"
    ]
    assert line_faults(OPERATIONS["pair.show"], {"type": "error"}) == ["result.error is missing"]
