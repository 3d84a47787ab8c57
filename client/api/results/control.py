"""Who drives a thread or a terminal."""

from datetime import datetime

from client.api.results.common import Result


class Driver(Result, frozen=True, kw_only=True):
    """Somebody who drives, may type, or asks for control."""

    identity: str
    name: str
    me: bool


class ControlRequest(Driver, frozen=True, kw_only=True):
    """Somebody who asks for control."""

    at: datetime
    text: str


class Control(Result, frozen=True, kw_only=True):
    """Who drives a thread, or the terminal named; `since` is None from the beginning."""

    thread: str
    terminal: str | None
    driver: Driver
    since: datetime | None
    typing: list[Driver]
    requests: list[ControlRequest]
