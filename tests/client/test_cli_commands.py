"""Commands as a script meets them: real processes against a served node."""

from tests.client.handlers import HOSTILE, THREAD_IDS, FakeNode, faults
from tests.client.shell import Shell


def test_the_fake_node_answers_in_the_tables_shapes() -> None:
    assert faults() == []


async def test_new_list_show_say_and_rename_print_the_operations_result_as_json(served: FakeNode, shell: Shell) -> None:
    assert (await shell("new", "Parser", "--json")).value == {"id": THREAD_IDS[0], "title": "Parser", "project": None}
    assert (await shell("list", "--json")).value["threads"][1]["title"] == HOSTILE
    assert (await shell("show", "k3v9", "--json")).value["messages"][1]["tool_calls"][0]["agent"] == "scout"
    assert (await shell("say", "k3v9", "hi", "--json")).value["message_id"] == "m" * 26
    assert (await shell("--json", "rename", "k3v9", "Tokenizer")).value["title"] == "Tokenizer"


async def test_without_a_node_the_error_names_what_to_do(shell: Shell) -> None:
    finished = await shell("list")
    assert (finished.code, finished.out) == (1, "")
    assert finished.err.startswith("error E001: ")
    assert "next: Start it with: opensesh node start" in finished.err
    finished = await shell("list", "--json")
    assert (finished.code, finished.out, finished.error["name"]) == (1, "", "DAEMON_NOT_RUNNING")
