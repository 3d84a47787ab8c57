"""The table of operations, the command line and the Python API: whatever one can do, all can."""

import inspect
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

import opensesh
from client.api.node import Node
from client.cli.table import ALIASES, GROUPS, VERBS
from node.api.operations import OPERATIONS
from tests.client.handlers import FakeNode
from tests.client.inside import Inside
from tests.client.invocations import INVOCATIONS
from tests.node.api.parity import differences

METHODS = {
    method.operation: method
    for _, method in inspect.getmembers(Node, inspect.isfunction)
    if hasattr(method, "operation")
}


def test_every_operation_is_a_command() -> None:
    assert differences({name for verb in VERBS.values() for name in verb.operations}) == []


def test_every_operation_is_a_method_and_every_method_an_operation() -> None:
    assert differences(set(METHODS)) == []
    public = {name for name, _ in inspect.getmembers(Node, inspect.isfunction) if not name.startswith("_")}
    assert public == {method.__name__ for method in METHODS.values()}


def test_the_proof_below_covers_every_operation_and_every_parameter() -> None:
    assert differences(set(INVOCATIONS)) == []
    for name, invocation in INVOCATIONS.items():
        assert set(invocation.received) == {parameter.name for parameter in OPERATIONS[name].parameters}, name


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_a_method_takes_the_operations_parameters_under_their_own_names(name: str) -> None:
    taken = set(inspect.signature(METHODS[name]).parameters) - {"self", "reconnect", "request_id"}
    assert taken == {parameter.name for parameter in OPERATIONS[name].parameters}
    assert METHODS[name].__doc__


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_the_command_reaches_the_operation_with_every_parameter(
    name: str, served: FakeNode, cli: Inside, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("open sesame\n")
    invocation = INVOCATIONS[name]
    words = [word if word != "KEYFILE" else str(tmp_path / "key") for word in invocation.words]
    finished = await cli(*words, "--json", stdin=invocation.stdin)
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.endswith("\n") and finished.values
    assert served.last(name) == invocation.received


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_the_method_reaches_the_operation_with_every_parameter(name: str, served: FakeNode) -> None:
    async with opensesh.connect() as node:
        result: Awaitable[Any] | AsyncIterator[Any] = INVOCATIONS[name].call(node)
        if isinstance(result, AsyncIterator):
            assert [line async for line in result]
        else:
            await result
    assert served.last(name) == INVOCATIONS[name].received


@pytest.mark.parametrize("name", sorted(OPERATIONS))
async def test_without_json_a_person_reads_text_and_no_terminal_is_commanded(
    name: str, served: FakeNode, cli: Inside, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("open sesame\n")
    invocation = INVOCATIONS[name]
    words = [word if word != "KEYFILE" else str(tmp_path / "key") for word in invocation.words]
    finished = await cli(*words, stdin=invocation.stdin)
    assert finished.code == 0
    assert finished.out + finished.err
    assert not any(mark in finished.out + finished.err for mark in "\x1b\x07\x9b\u202e\u2028\u200b\U000e0041")
    assert "None" not in finished.out


# What `status` and `doctor` do with a failing node has tests of its own.
@pytest.mark.parametrize("name", sorted(OPERATIONS.keys() - {"status", "doctor"}))
async def test_the_nodes_error_reaches_the_caller_by_both_ways(name: str, served: FakeNode, cli: Inside) -> None:
    from crdt.errors import DISK_FULL

    served.errors[name] = DISK_FULL()
    finished = await cli(
        *(word if word != "KEYFILE" else __file__ for word in INVOCATIONS[name].words),
        "--json",
        stdin=INVOCATIONS[name].stdin,
    )
    assert (finished.code, finished.out) == (1, "")
    assert finished.error["code"] == "E027" and finished.error["next"]
    async with opensesh.connect() as node:
        with pytest.raises(opensesh.OpenSeshError) as caught:
            result = INVOCATIONS[name].call(node)
            if isinstance(result, AsyncIterator):
                [line async for line in result]
            else:
                await result
    assert caught.value.kind is DISK_FULL


@pytest.mark.parametrize("name", sorted(VERBS.keys() - {"relay serve"}))  # which the relay explains
async def test_each_command_explains_itself_with_an_example(name: str, cli: Inside) -> None:
    finished = await cli(*name.split(), "--help")
    assert (finished.code, finished.err) == (0, "")
    assert VERBS[name].summary in finished.out and VERBS[name].examples[0] in finished.out
    assert max(map(len, finished.out.splitlines())) <= 120
    for operation in VERBS[name].operations:
        keys = [f'"{key}"' if key != "*" else "<any other>" for key in OPERATIONS[operation].result]
        assert VERBS[name].json or all(key in finished.out for key in keys)


def test_the_tables_of_groups_and_aliases_name_what_there_is() -> None:
    assert {verb.group for verb in VERBS.values()} == set(GROUPS)
    assert set(ALIASES.values()) <= set(VERBS) and not set(ALIASES) & set(VERBS)


@pytest.mark.parametrize("words", [["new", "T"], ["say", "k3v9", "hi"], ["ask", "k3v9", "why?"]])
async def test_what_writes_can_be_repeated_under_one_request_id(
    served: FakeNode, cli: Inside, words: list[str]
) -> None:
    assert (await cli(*words, "--request-id", "r 1", "--json")).code == 0
    async with opensesh.connect() as node:
        await node.create_thread("T", request_id="r 1")
        await node.say("k3v9", "hi", request_id="r 1")
        assert [event async for event in node.ask("k3v9", "why?", request_id="r 1")]
    assert [call.request_id for call in served.calls if call.operation != "status"] == ["r 1"] * 4
    finished = await cli(*words, "--request-id", "a\r\nHost: evil", "--json")
    assert (finished.code, finished.error["name"]) == (1, "REQUEST_INVALID")
