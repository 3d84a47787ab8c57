"""One thread's life: who takes part, what befalls them, how all is made well again, and what must hold then."""

from collections import Counter

from crdt.content import messages
from crdt.permissions import LaneKind, Role
from crdt.replica import Replica
from crdt.stewardship import Birth, found
from crdt.thread import shared_values
from crdt.wire import frame_hash
from tests.crdt.people import Person
from tests.simulating.actions import Actions
from tests.simulating.device import Device
from tests.simulating.ledger import Ledger, Written
from tests.simulating.links import Links
from tests.simulating.malice import Malice
from tests.simulating.network import Network, Relay
from tests.simulating.planted import Planted
from tests.simulating.state import State, differing, spelled, state
from tests.simulating.world import HOUR, MINUTE, SECOND, Violation, World

ACTIONS_AN_HOUR = 58
CAST = ("Ana", "Ben", "Cleo")
KEYS = ("laptop", "phone", "tablet")
COUNTS_FROM = {"commits": 30, "faults": 3}  # in one device's hour
HEALING_ROUNDS = 60


class Scenario:
    """See the file. Everything follows from the world's seed."""

    def __init__(self, world: World, planted: Planted) -> None:
        self.world = world
        self.network = Network(world)
        self.relay = Relay(self.network)
        self.ledger = Ledger()
        self.hours = world.rng.choice((1, 1, 2))
        self.commits: Counter[tuple[str, int]] = Counter()
        self.faults: Counter[tuple[str, int]] = Counter()
        people = [Person(name) for name in CAST[: world.rng.randint(1, 3)]]
        self.devices: list[Device] = []
        for person in people:
            for key in KEYS[: world.rng.randint(2 if len(people) == 1 else 1, 3 if len(people) < 3 else 2)]:
                if key != "laptop":
                    person.add(key)
                self.devices.append(Device(world, self.network, self.ledger, person, key, planted))
        for device in self.devices:
            device.peers = [other for other in self.devices if other is not device]
            device.skew_ms = world.rng.choice((0, 0, 200, -5 * MINUTE, 7 * MINUTE, HOUR))
        self.actions = Actions(world, self.ledger, people, self.devices, self._committed)
        if world.rng.random() < 0.4:
            self.actions.links = Links(world, [device for device in self.devices if device.person is people[0]])
        if len(people) > 1 and world.rng.random() < 0.7:
            self.actions.malice = Malice(world, self.ledger, self.network, people, people[-1])

    def live(self) -> None:
        """From the thread's birth to its last check. Raises `Violation`."""
        self._found()
        self._plan()
        self.world.run(self.hours * HOUR)
        self._heal()
        self._check_the_end()
        self._add_up()

    def _found(self) -> None:
        first, owner = self.devices[0], self.actions.people[0]
        birth = Birth("thread", bytes(32), (), owner.entries, [owner.identity_key.public], 0, bytes(32))
        replica, commit = found(owner.author("laptop"), [owner.identity_key], birth)
        first.founded(replica, commit)
        for device in self.devices[1:]:
            device.thread = first.thread
            device.start()
        for person in self.actions.people[1:]:
            is_villain = self.actions.malice is not None and person is self.actions.malice.person
            role = Role.VIEWER if is_villain and self.world.rng.random() < 0.4 else Role.EDITOR
            self.actions.welcome(first, person, role)

    # ---- what is going to happen

    def _plan(self) -> None:
        rng, end = self.world.rng, self.hours * HOUR
        for device in self.devices:
            for _ in range(ACTIONS_AN_HOUR * self.hours):
                self.world.after(rng.randrange(end), lambda of=device: self.actions.step(of))  # type: ignore[misc]
            for at in range(rng.randrange(30) * SECOND, end, 40 * SECOND):
                self.world.after(at, device.tick)
            for hour in range(self.hours):
                for _ in range(rng.randint(3, 6)):
                    at = hour * HOUR + rng.randrange(HOUR)
                    self.world.after(at, lambda of=device: self._befall(of))  # type: ignore[misc]
                for _ in range(2):
                    self.world.after(hour * HOUR + rng.randrange(HOUR), lambda of=device: of.check(self.relay))  # type: ignore[misc]
                    self.world.after(hour * HOUR + rng.randrange(HOUR), lambda of=device: _back_up(of))  # type: ignore[misc]
        for _ in range(2 * self.hours):
            self.world.after(rng.randrange(end), self.relay.back_up)
        if rng.random() < 0.5:
            self.world.after(rng.randrange(end), self._roll_back)
        if rng.random() < 0.6:
            for _ in range(2 * self.hours):
                self.world.after(rng.randrange(end), self._turn_hostile)

    def _befall(self, device: Device) -> None:
        rng = self.world.rng
        fault = rng.choices(("crash", "put back", "cut off", "clock jumps", "bad network"), (35, 10, 30, 15, 10))[0]
        if not device.is_up and fault in ("crash", "put back"):
            fault = "cut off"
        match fault:
            case "crash":
                device.crash()
            case "put back":
                device.put_back(self.relay)
            case "cut off":
                self.network.part(device.name, rng.choice((1, 3, 10, 25)))
            case "clock jumps":
                device.skew_ms += rng.choice((-HOUR, -MINUTE, MINUTE, 20 * MINUTE))
            case _:
                self.network.bad_until = self.world.now + 5 * MINUTE
        self.world.note(f"{fault} {device.name}")
        self.world.totals[f"fault {fault}"] += 1
        self.faults[device.name, self.world.now // HOUR] += 1

    def _roll_back(self) -> None:
        before = set(self.relay.known)
        self.relay.roll_back()
        kept = set(self.relay.known).union(*(device.disk.safe for device in self.devices if not device.deaf))
        self.ledger.waive(before - kept)
        self.world.totals["relay put back"] += 1

    def _turn_hostile(self) -> None:
        self.relay.lies_until = self.world.now + self.world.rng.choice((2, 10)) * MINUTE

    def _committed(self, device: Device) -> None:
        self.commits[device.name, self.world.now // HOUR] += 1

    # ---- the end

    def _heal(self) -> None:
        """Everything on, everybody reachable; until all have the same frames and nothing is left to do."""
        self.network.healed = True
        for device in self.devices:
            device._come_back()
        self.world.run(self.world.now + MINUTE)  # the last lies are still on their way
        for device in self.devices:
            if device.name in self.relay.lied_to:
                device.start_over_with_the_relay()
        self.world.run(self.world.now + 9 * MINUTE)  # and so are the last identity keys
        for _ in range(HEALING_ROUNDS):
            for device in self.devices:
                device._come_back()
                device.tick()
            self.world.run(self.world.now + MINUTE)
            if self._is_level() and not any(self.actions.tidy(d) for d in self.devices if not d.deaf):
                return
        raise Violation("healing", f"not all have the same frames after {HEALING_ROUNDS} minutes")

    def _is_level(self) -> bool:
        false = self.network.false  # who could open such a one when it came has left it out
        return all(
            device.disk.safe - false == self.relay.known.keys() - false and not device.disk.unsynced
            for device in self.devices
            if not device.deaf
        )

    def _check_the_end(self) -> None:
        by = self.devices[0].replica
        readers = [device for device in self.devices if not device.deaf and device.may_read(by)]
        standing = self.ledger.standing(set(self.relay.known), by)
        self._check_acknowledged(standing)
        expected = state(by)
        for device in readers:
            device.check(self.relay)
            if parts := differing(expected, state(device.replica)):
                raise Violation("P2", f"{device.name} has the same frames as the laptop and differs in {parts}")
            self._check_shown(device, standing)
        self._check_orders(by, expected)
        if self.actions.links is not None:
            self.actions.links.check(
                by, [frame for frame in self.relay.log if frame_hash(frame) not in self.network.false]
            )
        self.world.totals["carried across a cut"] += len(expected["carried"])
        self.world.note("end", spelled(expected).encode())

    def _check_orders(self, by: Replica, expected: State) -> None:
        """Whoever hears everything one by one, in any order, shows the same."""
        device = self.devices[0]
        frames = [frame for frame in device.disk.frames.values() if frame_hash(frame) not in self.network.false]
        self.world.rng.shuffle(frames)
        replica = Replica(by.thread, device.own_keys)
        for frame in frames:
            replica.receive(frame, verify=False)
        self.world.totals["read anew in another order"] += replica.stale
        if replica.stale:
            replica = Replica(by.thread, device.own_keys)
            with replica.loading():
                for frame in frames:
                    replica.receive(frame, verify=False)
        if parts := differing(expected, state(replica)):
            raise Violation("P2", f"another order of the same frames differs in {parts}")

    def _check_acknowledged(self, standing: list[Written]) -> None:
        """Nothing that was acknowledged is gone but what only an old backup could have kept."""
        deaf = {device.id for device in self.devices if device.deaf}
        for written in self.ledger.written.values():
            is_gone = written.frame not in self.relay.known and written.header.device not in deaf
            if written.acknowledged and not written.waived and is_gone:
                raise Violation("acknowledged", f"{written.name!r} is nowhere anymore")
        self.world.totals["changes standing"] += len(standing)

    def _check_shown(self, device: Device, standing: list[Written]) -> None:
        taken_back = {written.deletes for written in standing if written.deletes}
        for kind, shown in (
            (LaneKind.TIMELINE, self._messages(device)),
            (LaneKind.SHARED, {name for name in shared_values(device.replica, "meta") if name != "title"}),
        ):
            wanted = {w.name for w in standing if w.name and w.header.kind == kind} - taken_back
            if wanted != shown:
                lost, extra = sorted(wanted - shown), sorted(shown - wanted)
                raise Violation("shown", f"{device.name} lacks {lost} and shows {extra} in {kind.name.lower()}")
            self.world.totals["names compared"] += len(wanted)

    def _messages(self, device: Device) -> set[str]:
        lanes = [each for each in device.replica.lanes.items() if each[0].kind is LaneKind.TIMELINE]
        return {name for _, document in lanes for name in messages(document.doc)}

    def _add_up(self) -> None:
        totals = self.world.totals
        totals["commits"] += sum(self.commits.values())
        totals["faults"] += sum(self.faults.values())
        totals["frames"] += len(self.relay.log)
        for device in self.devices:
            for hour in range(self.hours):
                place = device.name, hour
                enough = self.commits[place] >= COUNTS_FROM["commits"] and self.faults[place] >= COUNTS_FROM["faults"]
                totals["node-hours that count" if enough else "node-hours that don't"] += 1


def _back_up(device: Device) -> None:
    if device.is_up:
        device.backup = device.disk.backup()
