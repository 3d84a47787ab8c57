"""A shared terminal's lane: who may print into it, and what everybody then shows, in whatever order it came."""

import hashlib
import random
from types import SimpleNamespace
from typing import Any

import pytest

from crdt import errors
from crdt.drafts import drafts
from crdt.envelope import open_body
from crdt.errors import PeerFault
from crdt.output import (
    MAX_DATA_BYTES,
    TERMINAL_BYTES,
    Chunk,
    Data,
    Ended,
    Opened,
    Output,
    Resized,
    decode_chunk,
    encode_chunk,
    is_terminal,
    note_of,
    terminal_id,
)
from crdt.permissions import Lane, LaneKind, Role
from crdt.replica import Replica
from tests.crdt.people import Desk, Person
from tests.crdt.steps import function_calls
from tests.crdt.world import envelope_of, forged, gather, pass_round, rebuilt, restrict

ANA, BEN = Person("ana"), Person("ben")
TERMINAL = b"terminal-of-test"
OPENED = Opened(("sh", "-c", "ls"), 80, 24, "", 1)


def together(role: Role = Role.EDITOR) -> tuple[Desk, Desk]:
    """A thread of Ana's that Ben has joined."""
    ana, ben = gather(ANA, BEN, role=role)
    ben.introduce(BEN)
    pass_round(ana, ben)
    return ana, ben


def lane_of(desk: Desk, terminal: bytes = TERMINAL) -> Lane:
    assert desk.replica.author
    return Lane(LaneKind.OUTPUT, desk.replica.author.device.id, terminal)


def prints(desk: Desk, *chunks: Chunk | bytes, terminal: bytes = TERMINAL) -> list[bytes]:
    """Have a terminal say these chunks, an envelope each; bytes are what it printed."""
    said = [Data(each) if isinstance(each, bytes) else each for each in chunks]
    return [desk.kept(desk.replica.commit_output(terminal, each)) for each in said]


def shown(replica: Replica, frames: list[bytes], reader: Desk, lane: Lane) -> list[Chunk | None]:
    """What a reader with these frames shows of a terminal, chunk by chunk; None for one in no known form."""
    bodies = {}
    for frame in frames:
        envelope = envelope_of(reader, frame)
        epoch = reader.replica.keyring.get(envelope.header.epoch)
        assert epoch is not None
        bodies[envelope.id] = (envelope, epoch)
    found: list[Chunk | None] = []
    terminal = replica.outputs.get(lane, Output(lane))
    for identifier in terminal.page(0, len(terminal)):
        envelope, epoch = bodies[identifier]
        try:
            found.append(decode_chunk(open_body(envelope, epoch.body_key)))
        except PeerFault:
            found.append(None)
    return found


# ---- what an editor prints


def test_what_an_editor_prints_is_shown_to_everybody_in_its_order() -> None:
    ana, ben = together()
    prints(ben, OPENED, b"$ ", b"ls\r\n", Resized(100, 30), Ended(3, ""))
    pass_round(ana, ben)
    terminal = ana.replica.outputs[lane_of(ben)]
    assert (terminal.opened, terminal.size, terminal.ended) == (OPENED, (100, 30), Ended(3, ""))
    wanted = [OPENED, Data(b"$ "), Data(b"ls\r\n"), Resized(100, 30), Ended(3, "")]
    assert shown(ana.replica, ana.frames, ana, lane_of(ben)) == wanted
    assert terminal.page(1, 2) == terminal.page(0, 9)[1:3] and terminal.page(5, 9) == []


def test_two_terminals_of_one_device_stand_side_by_side() -> None:
    ana, ben = together()
    other = b"another-terminal"
    prints(ben, OPENED, b"one")
    prints(ben, OPENED, b"two", terminal=other)
    prints(ben, b" more")
    pass_round(ana, ben)
    assert shown(ana.replica, ana.frames, ana, lane_of(ben)) == [OPENED, Data(b"one"), Data(b" more")]
    assert shown(ana.replica, ana.frames, ana, lane_of(ben, other)) == [OPENED, Data(b"two")]


def test_of_what_was_printed_memory_keeps_nothing() -> None:
    ana, ben = together()
    prints(ben, OPENED, *[b"x" * MAX_DATA_BYTES] * 20)
    pass_round(ana, ben)
    links = [link for link in ana.replica.chains if link.lane == lane_of(ben)]
    assert len(links) == 21 and not any(link.update for link in links)
    held = Replica(ana.replica.thread, ana.replica.own_keys)
    with held.loading():
        for frame in ana.frames:
            held.receive(frame)
        waiting = [link.update or b"" for link in held.chains if link.lane == lane_of(ben)]
        assert len(waiting) == 21 and sum(map(len, waiting)) == len(encode_chunk(OPENED))
    assert len(held.outputs[lane_of(ben)]) == 21


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_arrival_plays_no_part(seed: int) -> None:
    ana, ben = together()
    prints(ben, OPENED, *(b"%d" % number for number in range(12)))
    again = BEN.desk(ana.replica.thread, session=1)  # after a restart of his node
    again.read(ben.frames)
    pass_round(ana, again)
    prints(again, b"after", Ended(None, "the node stopped"))
    pass_round(ana, again)
    expected = shown(ana.replica, ana.frames, ana, lane_of(ben))
    assert expected[-2:] == [Data(b"after"), Ended(None, "the node stopped")] and len(expected) == 15
    frames = list(ana.frames)
    random.Random(seed).shuffle(frames)
    replica = Replica(ana.replica.thread, ana.replica.own_keys)
    for frame in frames:
        replica.receive(frame)
    if replica.stale:
        replica = rebuilt(replica, frames)
    assert shown(replica, frames, ana, lane_of(ben)) == expected


def test_sessions_side_by_side_from_a_copied_disk_are_shown_alike_by_all() -> None:
    ana, ben = together()
    prints(ben, OPENED)
    copies = [BEN.desk(ana.replica.thread, session=number) for number in (1, 2)]
    for copy in copies:
        copy.read(ana.frames + ben.frames[len(ana.frames) :])
    first, second = (prints(copy, b"from %d" % number) for number, copy in enumerate(copies))
    readers = []
    for order in ([*first, *second], [*second, *first]):
        reader = Replica(ana.replica.thread, ana.replica.own_keys)
        for frame in [*ana.frames, *ben.frames, *order]:
            reader.receive(frame)
        readers.append(reader.outputs[lane_of(ben)])
    assert readers[0].page(0, 9) == readers[1].page(0, 9)
    assert sorted(reader.revision for reader in readers) == [0, 1], "one of them has to show it anew"


# ---- who may not


def test_a_commenters_output_is_refused() -> None:
    ana, ben = together(Role.COMMENTER)
    with pytest.raises(errors.OpenSeshError) as caught:
        ben.replica.commit_output(TERMINAL, OPENED)
    assert caught.value.kind is errors.PERMISSION_DENIED
    ana.replica.receive(forged(ben, lane_of(ben), encode_chunk(OPENED)))
    assert lane_of(ben) not in ana.replica.outputs and not list(ana.replica.accepted(lane_of(ben)))


def test_a_removed_editors_fresh_terminal_is_refused_and_what_he_had_printed_stays() -> None:
    ana, ben = together()
    prints(ben, OPENED, b"before")
    pass_round(ana, ben)
    restrict(ana, BEN)
    late = prints(ben, b"after", Ended(0, ""))
    fresh = prints(ben, OPENED, b"hello", terminal=b"a-fresh-terminal")
    for frame in (*late, *fresh):
        ana.replica.receive(frame)
    assert shown(ana.replica, [*ana.frames, *late, *fresh], ana, lane_of(ben)) == [OPENED, Data(b"before")]
    assert lane_of(ben, b"a-fresh-terminal") not in ana.replica.outputs


def test_a_cut_that_comes_late_takes_back_what_was_shown() -> None:
    ana, ben = together()
    prints(ben, OPENED, b"before")
    pass_round(ana, ben)
    restrict(ana, BEN, Role.VIEWER)
    late = prints(ben, b"after")
    watcher = Replica(ana.replica.thread, ana.replica.own_keys)
    *most, newest = ana.frames
    for frame in [*most, *late]:
        watcher.receive(frame)
    assert len(watcher.outputs[lane_of(ben)]) == 3
    watcher.receive(newest)
    assert watcher.stale, "what it shows is not what counts"
    again = rebuilt(watcher, [*ana.frames, *late])
    assert shown(again, [*ana.frames, *late], ana, lane_of(ben)) == [OPENED, Data(b"before")]


def test_what_a_removed_editor_printed_too_late_is_no_draft_and_opens_no_document() -> None:
    ana, ben = together()
    prints(ben, OPENED)
    pass_round(ana, ben)
    restrict(ana, BEN, Role.VIEWER)
    prints(ben, b"late")
    again = BEN.desk(ana.replica.thread, session=1)
    with again.replica.loading():
        again.read([*ana.frames, *ben.frames])
    assert again.replica.left_out() and drafts(again.replica) == []
    assert not [lane for lane in again.replica.lanes if lane.kind is LaneKind.OUTPUT]


def test_a_device_can_not_print_into_the_terminal_of_another() -> None:
    ana, ben = together()
    prints(ana, OPENED, b"mine")
    pass_round(ana, ben)
    ana.replica.receive(forged(ben, lane_of(ana), encode_chunk(Data(b"forged"))))
    assert len(ana.replica.outputs[lane_of(ana)]) == 2


# ---- forged chunks, and floods


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"rubbish",
        encode_chunk(Data(b"x"))[:-1],
        encode_chunk(Data(b"x")) + b"\0",
        encode_chunk(Data(b"x" * (MAX_DATA_BYTES + 1))),
        encode_chunk(Data(b"")),
        encode_chunk(Resized(0, 24)),
        encode_chunk(Resized(10**6, 10**6)),
        encode_chunk(Opened((), 80, 24, "", 0)),
        encode_chunk(Ended(256, "")),
        b"\x92\xa7unknown\x01",
    ],
)
def test_a_forged_chunk_is_passed_over_by_name_and_what_follows_counts(body: bytes) -> None:
    ana, ben = together()
    prints(ben, OPENED)
    pass_round(ana, ben)
    frame = forged(ben, lane_of(ben), body)
    receipt = ana.replica.receive(frame)
    assert [reason.partition(":")[0] for _, reason in receipt.refused] == ["bad chunk"]
    ben.replica.receive(frame)
    (after,) = prints(ben, b"and on")
    ana.replica.receive(after)
    frames = [*ana.frames, frame, after]
    assert shown(ana.replica, frames, ana, lane_of(ben)) == [OPENED, None, Data(b"and on")]
    with pytest.raises(PeerFault, match="bad chunk"):
        note_of(body)


def test_a_terminal_begins_once_and_what_is_said_after_its_end_changes_nothing() -> None:
    ana, ben = together()
    prints(ben, OPENED, Opened(("another",), 10, 10, "", 0), Ended(1, ""), Resized(5, 5), Ended(0, "no, it went well"))
    pass_round(ana, ben)
    terminal = ana.replica.outputs[lane_of(ben)]
    assert (terminal.opened, terminal.ended, terminal.size) == (OPENED, Ended(1, ""), (10, 10))


def test_a_flood_of_output_that_counts_for_nothing_is_held_without_its_bodies() -> None:
    ana, ben = together(Role.COMMENTER)
    previous = b""
    for number in range(40):
        frame = forged(ben, lane_of(ben), encode_chunk(Data(bytes(MAX_DATA_BYTES))), sequence=number, previous=previous)
        previous = envelope_of(ben, frame).id
        ana.replica.receive(frame)
    links = [link for link in ana.replica.chains if link.lane == lane_of(ben)]
    assert len(links) == 40 and sum(len(link.update or b"") for link in links) == 0


def test_it_is_told_once_that_a_terminal_began_or_ended() -> None:
    ana, _ = together()
    prints(ana, OPENED)
    terminal = ana.replica.outputs[lane_of(ana)]
    assert (terminal.news(), terminal.news()) == (True, False)
    prints(ana, b"text")
    assert not terminal.news()
    prints(ana, Ended(0, ""))
    assert (terminal.news(), terminal.news()) == (True, False)


def test_sessions_without_end_cost_no_look_at_all_of_them_for_each() -> None:
    def taken(count: int) -> Output:
        terminal = Output(Lane(LaneKind.OUTPUT, bytes(32), TERMINAL))
        for number in range(count):
            header = SimpleNamespace(session=hashlib.md5(b"%d" % number).digest())
            link: Any = SimpleNamespace(header=header, parent=None, id=number.to_bytes(32, "big"))
            terminal.take(link, [], encode_chunk(OPENED if number % 2 else Resized(10, 10)))
            assert terminal.news() or number != 1
        return terminal

    assert function_calls(lambda: taken(800)) < 6 * function_calls(lambda: taken(200))
    assert len(taken(9)) == 9


def test_no_other_device_can_have_a_terminal_of_the_same_name() -> None:
    """Words on who drives it name it: a guest's terminal of the same scope would share them."""
    one, other = (Lane(LaneKind.OUTPUT, person.devices["laptop"].id, TERMINAL) for person in (ANA, BEN))
    assert terminal_id(one) != terminal_id(other)
    assert terminal_id(one) != terminal_id(one._replace(scope=bytes(TERMINAL_BYTES)))


def test_what_is_not_named_as_a_terminal_is_none() -> None:
    owner = ANA.devices["laptop"].id
    assert is_terminal(Lane(LaneKind.OUTPUT, owner, TERMINAL))
    for scope in (b"", TERMINAL[:-1]):
        assert not is_terminal(Lane(LaneKind.OUTPUT, owner, scope))


@pytest.mark.parametrize("size", [(501, 24), (80, 201), (0, 24), (80, 0)])
def test_a_terminal_has_at_most_five_hundred_columns_and_two_hundred_rows(size: tuple[int, int]) -> None:
    """Whoever shows it keeps a cell for each."""
    assert decode_chunk(encode_chunk(Resized(500, 200))) == Resized(500, 200)
    for chunk in (Resized(*size), Opened(("sh",), *size, "", 1)):
        with pytest.raises(PeerFault, match="bad chunk"):
            decode_chunk(encode_chunk(chunk))
