"""The people of a thread in memory, as a node tells them: one who is asked for, and whoever comes."""

from collections.abc import Callable
from typing import Any

from tests.client.screen.told import WHEN

JSON = dict[str, Any]
LINK = "opensesh://join/relay.example/" + "k3v9" * 40 + "#secret"


def member(name: str, role: str = "editor", **more: Any) -> JSON:
    """A row of `member.list`."""
    devices = [{"id": f"{name}-device", "name": f"{name}'s laptop"}]
    about = {"devices": devices, "verified": False, "present": False, "me": name == "Me", "warning": None}
    return {"identity": f"id-{name}", "name": name, "permission": role, **about, **more}


def present(name: str, **more: Any) -> JSON:
    """A row of `presence.show`."""
    device = {"id": f"{name}-device", "name": f"{name}'s laptop"}
    about = {"device": device, "this": name == "Me", "state": "active", "writing": False, "last_seen": WHEN}
    return {
        "identity": f"id-{name}",
        "name": name,
        "role": "editor",
        "looking_at": None,
        "cursor": None,
        **about,
        **more,
    }


class LiveTeam:
    """One thread's people; `happen` tells every watcher what changes."""

    def __init__(self, happen: Callable[..., None]) -> None:
        self._happen = happen
        self.members = [member("Me", "owner")]
        self.present = [present("Me")]
        self.driver, self.requests, self.waiting = "Me", list[JSON](), list[JSON]()
        self.secrets, self.leftovers = 0, list[JSON]()
        self.links: list[JSON] = []
        self.answers: dict[str, Any] = {
            "member.list": lambda p: {"members": self.members},
            "presence.show": lambda p: {"thread": p.thread, "people": self.present},
            "presence.set": lambda p: {"thread": p.thread, "state": p.state, "for_s": 30},
            "control.show": lambda p: self._control(p.thread),
            "control.set": self._set_control,
            "member.permit": lambda p: self._permit(p, p.permission),
            "member.kick": lambda p: self._permit(p, "none"),
            "member.leave": lambda p: {"thread": p.thread, "permission": "none", "state": "left"},
            "share.leftovers": lambda p: {"thread": p.thread, "leftovers": self.leftovers},
            "share.list": lambda p: {"shares": self.links, "requests": self.waiting},
            "share.preview": self._preview,
            "share.create": self._share,
            "share.decide": lambda p: {"thread": "t1", "identity": "id-Eve", "state": "admitted"},
            "share.withdraw": lambda p: {"id": p.share, "thread": "t1", "state": "withdrawn"},
        }

    def be(self, role: str, owner: str = "Ana") -> None:
        """From the beginning this is somebody else's thread."""
        self.members, self.driver = [member(owner, "owner"), member("Me", role)], owner

    def come(self, name: str, thread: str, role: str = "editor", **more: Any) -> None:
        """Somebody is let in, and looks."""
        self.members = [*self.members, member(name, role, **more)]
        self._tell_members(thread)
        self.look(name, thread)

    def look(self, name: str, thread: str, **more: Any) -> None:
        """Somebody looks at something else."""
        row = present(name, **more)
        self.present = [each for each in self.present if each["identity"] != row["identity"]] + [row]
        self._happen("presence.changed", thread, people=[row], gone=[])

    def go(self, name: str, thread: str) -> None:
        """Somebody goes."""
        self.present = [each for each in self.present if each["identity"] != f"id-{name}"]
        self._happen("presence.changed", thread, people=[], gone=[f"{name}-device"])

    def give(self, name: str, thread: str, role: str) -> None:
        """Somebody has another role from now on; "none" puts them out."""
        changed = [each | {"permission": role} if each["name"] == name else each for each in self.members]
        self.members = [each for each in changed if each["permission"] != "none"]
        self._tell_members(thread)

    def drive(self, name: str, thread: str, *asking: str) -> None:
        """Somebody drives, others ask."""
        self.driver = name
        self.requests = [{**self._person(each), "at": WHEN, "text": "it is my turn"} for each in asking]
        self._happen("control.changed", thread, **{k: v for k, v in self._control(thread).items() if k != "thread"})

    def _tell_members(self, thread: str) -> None:
        mine = next((each["permission"] for each in self.members if each["me"]), "none")
        rows = [{"identity": each["identity"], "permission": each["permission"]} for each in self.members]
        self._happen("members.changed", thread, permission=mine, members=rows)

    def _person(self, name: str) -> JSON:
        return {"identity": f"id-{name}", "name": name, "me": name == "Me"}

    def _control(self, thread: str) -> JSON:
        about = {"terminal": None, "since": None, "typing": [], "requests": self.requests}
        return {"thread": thread, "driver": self._person(self.driver), **about}

    def _set_control(self, p: Any) -> JSON:
        if p.action == "request":
            self.drive(self.driver, p.thread, "Me")
        elif p.action in ("grant", "hand"):
            self.drive(p.who.removeprefix("id-"), p.thread)
        return self._control(p.thread)

    def _permit(self, p: Any, role: str) -> JSON:
        name = p.who.removeprefix("id-")
        self.give(name, p.thread, role)
        return {"thread": p.thread, "identity": p.who, "name": name, "permission": role}

    def _preview(self, p: Any) -> JSON:
        finding = {
            "kind": "AWS key",
            "message": "m",
            "part": 0,
            "field": "text",
            "line": 3,
            "excerpt": "AKIA…",
            "why": "",
        }
        counts = {"messages": 2, "tool_results": 0, "characters": 20, "people": 1, "secrets": self.secrets}
        about = {"title": "Parser", "project": None, "first": "first", "last": "last"}
        return {**about, **counts, "findings": [finding] * self.secrets}

    def _share(self, p: Any) -> JSON:
        self.links.append(
            {
                **{"id": "3f0a9c1d", "thread": p.thread, "title": "Parser", "permission": p.permission, "link": LINK},
                **{"uses": 1, "used": 0, "expires_at": WHEN, "approve": False, "state": "open", "people": []},
            }
        )
        made = {"link": LINK, "id": "3f0a9c1d", "thread": p.thread, "permission": p.permission}
        return {**made, "expires_at": WHEN, "uses": 1}
