"""What config.toml may say, and how a mistake in it is named."""

from pathlib import Path

import pytest

from crdt.errors import CONFIG_INVALID, FILE_UNREADABLE, OpenSeshError
from node import config


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "config.toml"


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def refused(path: Path, environ: dict[str, str] | None = None) -> OpenSeshError:
    with pytest.raises(OpenSeshError) as error:
        config.load(path, environ or {})
    assert error.value.kind is CONFIG_INVALID
    return error.value


def test_without_a_file_the_defaults_hold(path: Path) -> None:
    loaded = config.load(path, {})
    assert loaded.flag("sync.lan") is True
    assert loaded.text("node.log_level") == "info"
    assert loaded.number("sync.lan_port") == 0


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(path: Path) -> None:
    written(path, '[sync]\nlan = false\n[node]\nlog_level = "debug"\n')
    assert config.load(path, {}).flag("sync.lan") is False
    loaded = config.load(path, {"OPENSESH_LAN": "1", "OPENSESH_LOG_LEVEL": "WARNING"})
    assert loaded.flag("sync.lan") is True
    assert loaded.text("node.log_level") == "warning"
    assert loaded.sources["sync.lan"] == "OPENSESH_LAN"
    assert config.load(path, {"OPENSESH_LAN": "0"}).flag("sync.lan") is False


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("[sync]\n\nlann = true\n", 3, "sync.lan"),
        ('# a comment\n[sync]\nlan = "yes"\n', 3, "true or false"),
        ('[node]\nlog_level = "loud"\n', 2, '"debug"'),
        ("sync.lan_port = 70000\n", 1, "65535"),
        ("[sync]\nlan_port = true\n", 2, "whole number"),
        ("[import]\nfollow = [1]\n", 2, "list of texts"),
        ("[sync.lan]\nx = 1\n", 1, "true or false"),
        ("[unknown]\nx = 1\n", 2, "use one of"),
    ],
)
def test_a_mistake_names_file_line_and_what_is_allowed(path: Path, text: str, line: int, named: str) -> None:
    error = refused(written(path, text))
    assert f"{path}, line {line}: " in error.message
    assert named in error.message
    assert error.details["line"] == line


def test_broken_toml_names_the_place(path: Path) -> None:
    assert "line 2" in refused(written(path, "[sync]\nlan = \n")).message


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"\xff\xfe")
    refused(path)


def test_a_folder_in_the_files_place_is_named(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OpenSeshError) as error:
        config.load(path, {})
    assert error.value.kind is FILE_UNREADABLE


def test_a_wrong_environment_variable_is_named(path: Path) -> None:
    assert "OPENSESH_LAN" in refused(path, {"OPENSESH_LAN": "maybe"}).message


def test_setting_a_key_keeps_every_comment_and_key(path: Path) -> None:
    text = '# mine\n[sync]  # network\nlan = true  # at home\n\n[node]\nlog_level = "debug"\n'
    written(path, text)
    assert config.set_value(path, "sync.lan", "off") is False
    assert path.read_text() == text.replace("lan = true", "lan = false")
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", list(config.TABLE))
def test_every_key_of_the_table_can_be_set_and_read_back(path: Path, name: str) -> None:
    setting = config.TABLE[name]
    typed = {bool: "false", int: "2000", str: "text", list: "one, two"}[type(setting.default)]
    typed = setting.allowed[-1] if setting.allowed else typed
    stored = config.set_value(path, name, typed)
    loaded = config.load(path, {})
    assert config.get(loaded, name) == stored != setting.default
    row = next(row for row in config.describe(loaded) if row["name"] == name)
    assert row["meaning"]
    assert row["source"] == str(path)


@pytest.mark.parametrize(("name", "typed"), [("sync.lam", "1"), ("sync.lan", "maybe"), ("sync.lan_port", "-1")])
def test_a_refused_change_leaves_the_file_alone(path: Path, name: str, typed: str) -> None:
    written(path, "# as it was\n")
    with pytest.raises(OpenSeshError) as error:
        config.set_value(path, name, typed)
    assert error.value.kind is CONFIG_INVALID
    assert path.read_text() == "# as it was\n"


def test_a_file_with_a_mistake_is_not_rewritten(path: Path) -> None:
    written(path, "[sync]\nlann = 1\n")
    with pytest.raises(OpenSeshError):
        config.set_value(path, "sync.lan", "on")
    assert path.read_text() == "[sync]\nlann = 1\n"
