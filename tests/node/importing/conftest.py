"""An installation in a temporary folder, closed after the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.node.importing.installation import Installation


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    (tmp_path / "data").mkdir()
    started = await Installation.start(tmp_path / "data")
    yield started
    await started.stop()
