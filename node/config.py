"""The settings a person may write down: `config.toml`, its table of keys, and the environment above it.

One table names every key with its type, default and meaning; reading, `config get`, `config set` and the
docs are made from it. A key that is not in the table is a mistake that is named, never ignored. An
environment variable wins over the file, for one start.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from crdt.errors import CONFIG_INVALID, OpenSeshError
from node.storage import faults, files

Value = bool | int | str | list[str]
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Setting:
    """One key. `allowed` lists the choices of a string, `least` and `most` bound a number."""

    name: str
    default: Value
    meaning: str
    environment: str | None = None
    allowed: tuple[str, ...] = ()
    least: int = 0
    most: int = 2**31

    @property
    def kind(self) -> str:
        """What may be written, in words."""
        if self.allowed:
            return "one of " + ", ".join(f'"{choice}"' for choice in self.allowed)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number from {self.least} to {self.most}"
        return "a text in quotes" if isinstance(self.default, str) else "a list of texts"


_SETTINGS = (
    Setting("sync.lan", True, "Find and sync with own devices on the local network.", "OPENSESH_LAN"),
    Setting("sync.lan_port", 0, "TCP port for devices on the local network; 0 lets the system choose.", most=65535),
    Setting("node.log_level", "info", "How much the node writes to its log.", "OPENSESH_LOG_LEVEL", allowed=_LEVELS),
    Setting(
        "node.device_name",
        "",
        "The name other devices show for this one; empty: the host's name.",
        "OPENSESH_DEVICE_NAME",
    ),
    Setting(
        "node.event_history", 100_000, "How many events a watcher may be behind before it starts over.", least=1000
    ),
    Setting("import.follow", [], "What `import --follow` watches from the start: claude, codex, or folders."),
    Setting("models.default", "", "The model that `ask` uses, as PROVIDER/MODEL; empty: the built-in guide."),
)
TABLE: Mapping[str, Setting] = {setting.name: setting for setting in _SETTINGS}


@dataclass(frozen=True)
class Config:
    """The settings in force, and for each that is not its default where it comes from."""

    values: Mapping[str, Value]
    sources: Mapping[str, str] = field(default_factory=dict)

    def flag(self, name: str) -> bool:
        return msgspec.convert(self.values[name], bool)

    def number(self, name: str) -> int:
        return msgspec.convert(self.values[name], int)

    def text(self, name: str) -> str:
        return msgspec.convert(self.values[name], str)

    def texts(self, name: str) -> list[str]:
        return msgspec.convert(self.values[name], list[str])


def load(path: Path, environ: Mapping[str, str] = os.environ) -> Config:
    """The defaults, the file (which need not exist), the environment. Raises CONFIG_INVALID, FILE_UNREADABLE."""
    values: dict[str, Value] = {name: setting.default for name, setting in TABLE.items()}
    sources: dict[str, str] = {}
    text = _read(path)
    for name, value in _flatten(_parse(path, text)).items():
        setting = TABLE.get(name)
        if setting is None:
            raise _invalid(path, text, name, f"there is no setting '{name}'", _similar(name))
        try:
            values[name] = _checked(setting, value)
        except ValueError as error:
            raise _invalid(path, text, name, f"'{name}' is {error}", setting.kind) from None
        sources[name] = str(path)
    for setting in TABLE.values():
        if setting.environment and environ.get(setting.environment):
            values[setting.name] = _from_environment(setting, environ[setting.environment])
            sources[setting.name] = setting.environment
    return Config(values, sources)


def get(config: Config, name: str) -> Value:
    """One value. Raises CONFIG_INVALID for a name that is not in the table."""
    _known(name)
    return config.values[name]


def describe(config: Config) -> list[dict[str, Any]]:
    """Every setting as `config get` lists it: name, value, default, allowed, meaning, source."""
    return [
        {
            "name": name,
            "value": config.values[name],
            "default": setting.default,
            "allowed": setting.kind,
            "meaning": setting.meaning,
            "source": config.sources.get(name, "default"),
        }
        for name, setting in TABLE.items()
    ]


def set_value(path: Path, name: str, typed: str) -> Value:
    """Change one key in the file to what a person typed, and leave every other byte and comment alone.

    Raises CONFIG_INVALID for an unknown name or a wrong value, and when the file is not sound to begin with.
    """
    import tomlkit  # loaded by this one command, not by every start

    setting = _known(name)
    try:
        value = _checked(setting, _understand(setting, typed))
    except ValueError as error:
        raise CONFIG_INVALID(f"'{name}' can't be {error}: it is {setting.kind}.", name=name) from None
    load(path, {})
    document: Any = tomlkit.parse(_read(path))
    *folders, last = name.split(".")
    table = document
    for folder in folders:
        if folder not in table:
            table[folder] = tomlkit.table()
        table = table[folder]
    table[last] = value
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_private(path, tomlkit.dumps(document).encode())
    except OSError as error:
        raise faults.translate(error, path) from error
    return value


def unset_value(path: Path, name: str) -> None:
    """Put one key back to its default, and leave every other byte and comment alone. Raises as `set_value`."""
    import tomlkit

    _known(name)
    load(path, {})
    document: Any = tomlkit.parse(_read(path))
    *folders, last = name.split(".")
    table = document
    for folder in folders:
        table = table.get(folder, {})
    if last not in table:
        return
    del table[last]
    try:
        files.write_private(path, tomlkit.dumps(document).encode())
    except OSError as error:
        raise faults.translate(error, path) from error


def _known(name: str) -> Setting:
    if name not in TABLE:
        raise CONFIG_INVALID(f"There is no setting '{name}'.", next=_similar(name).capitalize() + ".", name=name)
    return TABLE[name]


def _similar(name: str) -> str:
    near = difflib.get_close_matches(name, TABLE, n=3) or list(TABLE)
    return "use one of " + ", ".join(near)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise CONFIG_INVALID(f"{path} is no UTF-8 text.", path=str(path)) from error
    except OSError as error:
        raise faults.translate(error, path) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CONFIG_INVALID(f"{path} is no valid TOML: {error}.", path=str(path)) from error


def _flatten(shape: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in shape.items():
        name = f"{before}{key}"
        if isinstance(value, dict) and name not in TABLE:
            flat.update(_flatten(value, name + "."))
        else:
            flat[name] = value
    return flat


def _checked(setting: Setting, value: Any) -> Value:
    """The value, if it is of the setting's type and within its bounds. Raises ValueError saying what it is."""
    kind: Any = list[str] if isinstance(setting.default, list) else type(setting.default)
    try:
        converted: Value = msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError:
        raise ValueError(repr(value)) from None
    if setting.allowed and converted not in setting.allowed:
        raise ValueError(repr(value))
    if (
        isinstance(converted, int)
        and not isinstance(converted, bool)
        and not setting.least <= converted <= setting.most
    ):
        raise ValueError(repr(value))
    return converted


def _understand(setting: Setting, typed: str) -> Any:
    if isinstance(setting.default, bool):
        words = {
            "true": True,
            "on": True,
            "yes": True,
            "1": True,
            "false": False,
            "off": False,
            "no": False,
            "0": False,
        }
        return words.get(typed.strip().lower(), typed)
    if isinstance(setting.default, int):
        return int(typed) if re.fullmatch(r"\d{1,12}", typed.strip()) else typed
    if isinstance(setting.default, list):
        return [part.strip() for part in typed.split(",") if part.strip()]
    return typed


def _from_environment(setting: Setting, typed: str) -> Value:
    try:
        return _checked(setting, _understand(setting, typed.lower() if setting.allowed else typed))
    except ValueError as error:
        raise CONFIG_INVALID(
            f"{setting.environment} is {error}; it must be {setting.kind}.",
            next=f"Correct or unset {setting.environment}.",
            name=setting.name,
        ) from None


def _invalid(path: Path, text: str, name: str, what: str, allowed: str) -> OpenSeshError:
    line = _line_of(text, name)
    where = f"{path}, line {line}" if line else str(path)
    return CONFIG_INVALID(f"{where}: {what}; {allowed}.", path=str(path), line=line, name=name, allowed=allowed)


def _line_of(text: str, name: str) -> int | None:
    """The line on which a key or its table stands; tomllib tells no positions, so it is looked for."""
    parts, table = name.split("."), ""
    nearest = None
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            table = header[1] + "."
            if name == header[1] or name.startswith(table):
                nearest = number
        elif (key := re.match(r"\s*([A-Za-z0-9_.\"'-]+)\s*=", line)) and _matches(table + key[1].strip("\"'"), parts):
            return number
    return nearest


def _matches(found: str, parts: list[str]) -> bool:
    split = found.split(".")
    return split == parts[: len(split)]
