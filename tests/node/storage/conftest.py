"""A store in a temporary folder, closed after the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.store import Store
from tests.node.storage.store_rows import KEY


@pytest.fixture
def database_path(tmp_path: Path) -> Path:
    return tmp_path / "opensesh.db"


@pytest.fixture
async def store(database_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(database_path, KEY)
    yield opened
    await opened.close()
