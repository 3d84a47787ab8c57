"""Processes that many tests share. Starting three nodes and a relay takes longer than most tests go on.

Each test gets a thread of its own among them. A test that leaves behind what outlives its thread (a device, a mark
on a person) starts its own: `own_team`, or `room`. A node that was stopped starts at its next command, and a relay
is stopped by `without` alone.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.system.machines import Paired, Room, quiet
from tests.system.machines import room as room
from tests.system.team import Team


@pytest.fixture(scope="session")
def lasting_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    with ExitStack() as stack:
        yield Team.gathered(Room(tmp_path_factory.mktemp("team"), stack))


@pytest.fixture
def team(lasting_team: Team) -> Iterator[Team]:
    """A thread of its own among people who have others."""
    yield lasting_team.again().begun()
    lasting_team.rest()


@pytest.fixture
def own_team(room: Room) -> Team:
    """A team that nobody else sees."""
    return Team.gathered(room).begun()


@pytest.fixture(scope="session")
def lasting_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paired]:
    with ExitStack() as stack:
        yield Room(tmp_path_factory.mktemp("pair"), stack).paired()


@pytest.fixture
def paired(lasting_pair: Paired) -> Iterator[Paired]:
    """A relay, a laptop that uses it, and a desktop that was paired over it; there may be other threads."""
    yield lasting_pair
    quiet(*lasting_pair[1:])
