"""The arrows between packages: who may import whom. A new arrow has to be drawn here first."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("crdt", "relay", "node", "client", "opensesh")

PURE = ("crdt.errors", "crdt.text_change")  # of the core: the standard library alone

# What each package may import of ours. A dotted name allows that module alone.
ALLOWED = {
    "crdt": ("crdt",),
    "relay": ("relay", "crdt.wire", "crdt.keys", "crdt.errors", "crdt.ids"),
    "node": ("node", "crdt"),
    "client": ("client", *(f"node.api.{name}" for name in ("operations", "operation", "endpoint")), *PURE),
}


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in PACKAGES}


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_a_package_imports_only_along_the_drawn_arrows(package: str) -> None:
    strangers = {
        f"{path.relative_to(ROOT)} → {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imports_of(path)
        if not any(name == allowed or name.startswith(allowed + ".") for allowed in ALLOWED[package])
    }
    assert strangers == set()


def test_the_core_does_no_input_or_output() -> None:
    forbidden = {
        "socket",
        "asyncio",
        "aiohttp",
        "sqlite3",
        "aiosqlite",
        "os",
        "time",
        "random",
        "secrets",
        "subprocess",
    }
    users = {
        f"{path.name} → {name}"
        for path in (ROOT / "crdt").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if name.split(".")[0] in forbidden
    }
    assert users == set()
