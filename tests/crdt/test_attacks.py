"""attacks.md names a test for each attack; each of them has to exist."""

import re
from pathlib import Path

HERE = Path(__file__).parent
TEXT = (HERE / "attacks.md").read_text(encoding="utf-8")


def test_every_test_that_is_named_after_an_attack_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    found = {
        name
        for path in HERE.glob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert len(named) > 100
    assert named <= found, named - found


def test_every_file_that_is_named_exists() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert links and all((HERE / link).is_file() for link in links)
