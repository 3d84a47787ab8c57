"""Which project a folder belongs to."""

from pathlib import Path

import pytest

from client.screen.project import current, name_of, root_of


def test_a_folder_belongs_to_the_nearest_repository_above_it(tmp_path: Path) -> None:
    inner = tmp_path / "outer" / "inner" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / ".git").mkdir()
    assert root_of(inner) == tmp_path / "outer"
    (tmp_path / "outer" / "inner" / ".git").write_text("gitdir: elsewhere")  # a worktree's is a file
    assert root_of(inner) == tmp_path / "outer" / "inner"


def test_outside_of_any_there_is_none() -> None:
    assert root_of(Path("/nowhere/at/all")) is None


def test_a_folder_that_is_gone_belongs_to_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert current() is None


@pytest.mark.parametrize("root", ["/home/ana/parser", "/home/ana/parser/", "C:\\work\\parser"])
def test_a_project_is_called_as_its_folder(root: str) -> None:
    assert name_of(root) == "parser"
