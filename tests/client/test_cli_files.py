"""Export and import: bytes to files and pipes, files to the node."""

from pathlib import Path

import pytest

from crdt.errors import FILE_UNREADABLE, IMPORT_UNRECOGNISED
from tests.client.handlers import HOSTILE, FakeNode
from tests.client.inside import Inside


async def test_a_pipe_gets_the_export_to_the_byte(served: FakeNode, cli: Inside) -> None:
    assert (await cli("export", "k3v9")).out == f"# Parser\n\n{HOSTILE}\n"
    assert (await cli("export", "k3v9", "--format", "json")).out == '{"title": "Parser"}\n'


async def test_json_alone_is_the_json_export_and_with_markdown_an_object(served: FakeNode, cli: Inside) -> None:
    assert (await cli("export", "k3v9", "--json")).value == {"title": "Parser"}
    finished = await cli("export", "k3v9", "--json", "--format", "markdown")
    assert finished.value["text"] == f"# Parser\n\n{HOSTILE}\n"


async def test_an_export_is_written_into_a_new_file_only(served: FakeNode, cli: Inside, tmp_path: Path) -> None:
    target = tmp_path / "thread.md"
    finished = await cli("export", "k3v9", "-o", str(target), "--json", "--format", "markdown")
    assert finished.value["path"] == str(target)
    assert target.read_bytes() == f"# Parser\n\n{HOSTILE}\n".encode()
    target.write_text("mine")
    finished = await cli("export", "k3v9", "-o", str(target), "--json")
    assert (finished.code, finished.error["code"]) == (1, "E030")
    assert target.read_text() == "mine"
    assert (await cli("export", "k3v9", "-o", str(tmp_path / "no" / "where"))).code == 1


async def test_several_files_are_one_answer(served: FakeNode, cli: Inside) -> None:
    finished = await cli("import", "/tmp/a.jsonl", "/tmp/b.jsonl", "--json")
    assert [thread["title"] for thread in finished.value["threads"]] == ["a.jsonl", "b.jsonl"]


async def test_a_file_that_is_none_does_not_keep_the_others_out(served: FakeNode, cli: Inside) -> None:
    good = served.answers.get("import.file", None)
    assert good is None

    def answer(parameters: object) -> object:
        path = str(getattr(parameters, "path", ""))
        if path.endswith("bad.jsonl"):
            raise IMPORT_UNRECOGNISED(path=path)
        row = {"id": "t1", "title": path, "new": False, "messages": 1, "tool_calls": 0}
        return {"threads": [{**row, "placeholders": 2, "skipped_lines": 1}]}

    served.answers["import.file"] = answer
    finished = await cli("import", "/tmp/bad.jsonl", "/tmp/good.jsonl", "--json")
    assert finished.code == 1
    assert [thread["title"] for thread in finished.value["threads"]] == ["/tmp/good.jsonl"]
    assert finished.error["code"] == "E029" and finished.error["details"]["files"] == ["/tmp/bad.jsonl"]
    finished = await cli("import", "/tmp/bad.jsonl", "/tmp/good.jsonl")
    assert (
        finished.code == 1 and "known" in finished.out and "2 unknown records kept, 1 line unreadable" in finished.out
    )


async def test_one_file_that_can_not_be_read_is_the_nodes_own_error(served: FakeNode, cli: Inside) -> None:
    served.errors["import.file"] = FILE_UNREADABLE("No such file.", path="/x")
    finished = await cli("import", "/x", "--json")
    assert (finished.code, finished.out, finished.error["message"]) == (1, "", "No such file.")


async def test_paths_are_made_absolute_here_and_tools_are_not(
    served: FakeNode, cli: Inside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = Path.cwd()
    await cli("import", "s.jsonl")
    assert served.last("import.file")["path"] == str(here / "s.jsonl")
    await cli("import", "--follow", "sessions")
    assert served.last("import.follow")["source"] == str(here / "sessions")
    await cli("import", "--follow")
    assert served.last("import.follow")["source"] is None
    await cli("import", "--unfollow", "./sessions")
    assert served.last("import.unfollow")["follow"] == str(here / "sessions")
    await cli("import", "--unfollow", "f1")
    assert served.last("import.unfollow")["follow"] == "f1"
    await cli("new", "T", "--project", ".")
    assert served.last("thread.create")["project"] == str(here)


@pytest.mark.parametrize(
    "words", [["import"], ["import", "--unfollow"], ["import", "--follow", "--followed"], ["import", "--followed", "x"]]
)
async def test_what_makes_no_sense_is_a_usage_error(served: FakeNode, cli: Inside, words: list[str]) -> None:
    finished = await cli(*words, "--json")
    assert (finished.code, finished.error["code"]) == (2, "E011")
    assert not served.calls


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("5", 5),
        ('["a"]', ["a"]),
        ("plain words", "plain words"),
        ('"5"', "5"),
        ('{"a": 1}', '{"a": 1}'),
    ],
)
async def test_a_setting_is_read_as_what_it_looks_like(served: FakeNode, cli: Inside, text: str, value: object) -> None:
    assert (await cli("config", "set", "k", text, "--json")).value["value"] == value
    assert served.last("config.set")["value"] == value


async def test_a_setting_is_taken_back_with_null(served: FakeNode, cli: Inside) -> None:
    assert (await cli("config", "unset", "k")).code == 0
    assert served.last("config.set") == {"key": "k", "value": None}
