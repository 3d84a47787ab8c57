"""Who is in the open thread, as the node tells it (pure): members and their roles, who is here, who drives.

What is said by others is settled here once, so that whatever draws it needs no care.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from client.screen.text import settled_line

JSON = dict[str, Any]
RANKS = ("none", "viewer", "commenter", "editor", "owner")
NAME_COLUMNS = 64  # characters of a name that are kept


class Member(NamedTuple):
    """Somebody with a role."""

    identity: str
    name: str
    role: str
    devices: tuple[str, ...] = ()
    is_verified: bool = False
    is_me: bool = False
    warning: str = ""


class Present(NamedTuple):
    """A device that somebody looks at the thread on."""

    identity: str
    device: str
    device_name: str
    is_this: bool
    is_away: bool
    kind: str = ""  # message, terminal or draft; "" is the thread
    place: str = ""  # id of the message or terminal
    is_writing: bool = False


class Asking(NamedTuple):
    """Somebody who asks: for control, or (`request` is then its id) to be let in."""

    identity: str
    name: str
    text: str = ""
    is_me: bool = False
    request: str = ""


@dataclass(frozen=True, slots=True)
class Company:
    """The people of one thread. `role` is our own, "" while it is not known; "none" once we were put out."""

    thread: str | None = None
    role: str = ""
    members: tuple[Member, ...] = ()
    present: tuple[Present, ...] = ()
    seen: Mapping[str, float] = field(default_factory=dict)  # identity → when they were here last, Unix seconds
    driver: str = ""  # identity
    driver_name: str = ""
    drives: bool = False  # whether we do
    asking: tuple[Asking, ...] = ()  # for control
    waiting: tuple[Asking, ...] = ()  # to be let in, by a link whose owner has to agree
    left_out: int = 0  # how much of what was written here does not count any more

    @property
    def me(self) -> Member | None:
        """Ourselves."""
        return next((member for member in self.members if member.is_me), None)

    @property
    def owner(self) -> str:
        """The owner's name."""
        return next((member.name for member in self.members if member.role == "owner"), "") or "the owner"

    @property
    def others_here(self) -> list[Member]:
        """Everybody else of whom a device is here, whether they look or are away; those who look first."""
        here = [member for member in self.members if not member.is_me and self.devices(member.identity)]
        return sorted(here, key=lambda member: self.is_away(member.identity))

    @property
    def own_here(self) -> list[Present]:
        """Our other devices that are here."""
        me = self.me
        return [each for each in self.devices(me.identity) if not each.is_this] if me is not None else []

    @property
    def is_shared(self) -> bool:
        """Whether there is anybody to tell anything: other people, or another device of ours."""
        return len(self.members) > 1 or (self.me is not None and len(self.me.devices) > 1)

    def member(self, identity: str) -> Member | None:
        """The member of that identity."""
        return next((member for member in self.members if member.identity == identity), None)

    def devices(self, identity: str) -> list[Present]:
        """Somebody's devices that are here."""
        return [each for each in self.present if each.identity == identity]

    def is_away(self, identity: str) -> bool:
        """Whether nobody sits in front of any of somebody's devices."""
        return all(each.is_away for each in self.devices(identity))

    def may(self, role: str) -> bool:
        """Whether our role is at least that; while it is not known nothing is forbidden here: the node decides."""
        return self.role not in RANKS or RANKS.index(self.role) >= RANKS.index(role)


NOBODY = Company()


# ---- what was asked for


def gathered(before: Company, thread: str, members: list[JSON], present: list[JSON], control: JSON) -> Company:
    """A thread's people. What only this screen remembers of the same thread stays."""
    known = tuple(_member(each) for each in members)
    mine = next((member.role for member in known if member.is_me), "none" if known else "")
    base = before if before.thread == thread else Company(thread)
    rows = tuple(_present(each) for each in present)
    return _controlled(replace(base, role=mine, members=known, present=rows), control)


def knocked(company: Company, requests: Iterable[JSON]) -> Company:
    """Who waits to be let into this thread."""
    mine = [each for each in requests if each["thread"] == company.thread]
    return replace(company, waiting=tuple(Asking(r["identity"], _name(r), request=r["request"]) for r in mine))


# ---- what happened


def told(company: Company, event: JSON, now: float) -> Company:
    """What one event of the node changes. `now` in Unix seconds."""
    if event.get("thread") != company.thread or company.thread is None:
        return company
    kind = event["type"]
    if kind == "presence.changed":
        return _moved(company, event, now)
    if kind == "members.changed":
        return _changed(company, event)
    if kind == "control.changed" and event.get("terminal") is None:
        return _controlled(company, event)
    if kind == "work.left_out":
        return replace(company, left_out=int(event.get("count") or 0))
    return company


def _moved(company: Company, event: JSON, now: float) -> Company:
    come = {row.device: row for row in map(_present, event["people"])}
    gone = set(event["gone"])
    left = {each.identity: now for each in company.present if each.device in gone}
    stayed = [each for each in company.present if each.device not in come and each.device not in gone]
    every = sorted((*stayed, *come.values()), key=lambda each: (each.identity, each.device))
    return replace(company, present=tuple(every), seen={**company.seen, **left})


def _changed(company: Company, event: JSON) -> Company:
    """Roles hold at once; the names of those who are new are read after."""
    roles = {each["identity"]: str(each["permission"]) for each in event["members"]}
    known = tuple(each._replace(role=roles[each.identity]) for each in company.members if each.identity in roles)
    here = tuple(each for each in company.present if each.identity in roles)
    return replace(company, role=str(event["permission"]), members=known, present=here)


def _controlled(company: Company, control: JSON) -> Company:
    driver = control["driver"]
    asking = tuple(
        Asking(each["identity"], _name(each), settled_line(each["text"]), bool(each["me"]))
        for each in control["requests"]
    )
    name, me = _name(driver), bool(driver["me"])
    return replace(company, driver=driver["identity"], driver_name=name, drives=me, asking=asking)


def _member(row: JSON) -> Member:
    devices = tuple(settled_line(device["name"]) or "a device" for device in row["devices"])
    warning = settled_line(row.get("warning") or "")
    verified, me = bool(row["verified"]), bool(row["me"])
    return Member(row["identity"], _name(row), str(row["permission"]), devices, verified, me, warning)


def _present(row: JSON) -> Present:
    place = row.get("looking_at") or {}
    device, name = row["device"]["id"], settled_line(row["device"]["name"]) or "a device"
    where = (str(place.get("kind") or ""), str(place.get("id") or ""))
    return Present(row["identity"], device, name, bool(row["this"]), row["state"] != "active", *where, row["writing"])


def _name(row: JSON) -> str:
    return settled_line(row["name"])[:NAME_COLUMNS].strip() or "somebody"
