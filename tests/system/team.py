"""Ana, who has two devices, and Ben, a teammate: a thread of theirs over a real relay."""

from tests.system.machines import Device, Relay, Room, pair, quiet, texts, threads
from tests.waiting import eventually


class Team:
    """A thread of Ana's that Ben may be let into. The processes may have other threads besides."""

    def __init__(self, relay: Relay, ana: Device, desktop: Device, ben: Device) -> None:
        self.relay, self.ana, self.desktop, self.ben = relay, ana, desktop, ben
        self.thread: str = ana.run("new", "Parser")["id"]
        self.words = {"THREAD": self.thread}  # ids by what stands for them in a table of commands

    @classmethod
    def gathered(cls, room: Room) -> "Team":
        """A team from scratch: three nodes and a relay of its own."""
        relay, ana, desktop, ben = room.relay(), room.device("ana"), room.device("desktop"), room.device("ben")
        ana.run("sync", "connect", relay.url)
        pair(ana, desktop, relay)
        return cls(relay, ana, desktop, ben)

    def again(self) -> "Team":
        """The same people and processes, another thread, in which nothing has been said."""
        return Team(self.relay, self.ana, self.desktop, self.ben)

    def begun(self) -> "Team":
        """With a message in the thread, and a comment on it, both Ana's."""
        message = self.ana.run("say", self.thread, "before anybody came")["message_id"]
        comment = self.ana.run("comment", self.thread, "Why?", "--message", message)["id"]
        self.words |= {"MESSAGE": message, "COMMENT": comment}
        return self

    def rest(self) -> None:
        """End whatever still watches."""
        quiet(self.ana, self.desktop, self.ben)

    def link(self, permission: str, *options: str) -> str:
        link: str = self.ana.run("share", self.thread, "--permission", permission, *options)["link"]
        return link

    def join(self, permission: str, *options: str) -> None:
        """Let Ben in by a link. Afterwards all three devices have the thread."""
        found = self.ben.run("join", self.link(permission, *options), "--name", "Ben")
        assert (found["thread"], found["state"]) == (self.thread, "admitted")
        eventually(lambda: self.thread in threads(self.desktop), "the thread on the desktop")

    def permit(self, permission: str) -> None:
        """Give Ben that role, and wait until all three know."""
        self.ana.run("permit", self.thread, "Ben", permission)
        for device in (self.ben, self.desktop):
            eventually(lambda device=device: role_of(device, self.thread, "Ben") == permission, f"Ben as {permission}")

    def everywhere(self, text: str) -> None:
        """Wait until a message is shown on all three."""
        for device in (self.ana, self.desktop, self.ben):
            eventually(lambda device=device: text in texts(device, self.thread), f"{text!r} on {device.name}")


def role_of(device: Device, thread: str, name: str) -> str:
    """A member's role as a device sees it."""
    rows = device.run("members", thread)["members"]
    return next((str(row["permission"]) for row in rows if row["name"] == name), "none")
