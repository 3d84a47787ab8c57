"""The clocks that envelopes build on: what plain maps would say, in less room."""

import random
import tracemalloc

import msgspec
import pytest

from crdt.clocks import Clocks
from tests.crdt.people import Person
from tests.crdt.world import envelope_of, frame_of, invite

ANA, MALLORY = Person("Ana"), Person("Mallory")


@pytest.mark.parametrize("seed", range(8))
def test_maps_joined_at_random_say_what_plain_ones_would(seed: int) -> None:
    source = random.Random(seed)
    made: list[tuple[Clocks, dict[int, int]]] = [(Clocks(), {})]
    for _ in range(400):
        chosen = source.choices(made[-source.choice([1, 5, len(made)]) :], k=source.randrange(1, 4))
        more = [(source.randrange(30 + seed * 40), source.randrange(1_000)) for _ in range(source.randrange(3))]
        plain: dict[int, int] = {}
        for client, clock in [*(each for _, one in chosen for each in one.items()), *more]:
            plain[client] = max(plain.get(client, 0), clock)
        made.append((Clocks.joined([each for each, _ in chosen], more), plain))
    for clocks, plain in made:
        assert dict(clocks) == plain and len(clocks) == len(plain)
        assert all(clocks.get(client, -1) == plain.get(client, -1) for client in range(400))


def test_a_map_is_found_through_few_layers_and_shares_what_is_old() -> None:
    clocks = Clocks()
    for client in range(2_000):
        clocks = Clocks.joined([clocks], [(client, 1)])
    assert len(clocks) == 2_000 and len(list(clocks._layers())) <= 12
    assert Clocks.joined([clocks, clocks], [(5, 1)]) is clocks


def test_the_memory_of_sessions_that_follow_one_another_grows_with_their_number() -> None:
    """Of a device that starts every day for years, or of somebody who makes up as many as they can."""

    def taken(sessions: int) -> int:
        ana = ANA.found()
        invite(ana, MALLORY)
        mallory = MALLORY.desk(ana.replica.thread)
        mallory.read(ana.frames)
        header, seen, frames = mallory.replica.next_header(mallory.timeline), (), list[bytes]()
        for number in range(sessions):
            opener = msgspec.structs.replace(header, session=number.to_bytes(16, "big"), seen=seen)
            frames.append(frame_of(mallory, opener, b"\0\0"))
            seen = (envelope_of(mallory, frames[-1]).id,)
        tracemalloc.start()
        try:
            for frame in frames:
                ana.replica.receive(frame)
            return tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()

    taken(10)
    assert taken(600) < 3 * taken(300)
