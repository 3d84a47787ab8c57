"""One command's way to the node: calls over the socket, with the node started first where that is needed."""

from collections.abc import Iterator
from typing import Any

from client import http
from client.cli.out import Out
from crdt.errors import DAEMON_NOT_RUNNING, REQUEST_INVALID, USAGE, OpenSeshError
from node.api.endpoint import socket_path


class Session:
    """What a command gets: the node, and where its output goes.

    `start` says whether the node may be started for it.
    """

    def __init__(self, out: Out, start: bool = True) -> None:
        self.out = out
        self._start = start

    def keep_down(self) -> None:
        """From now on, don't start a node that has gone away."""
        self._start = False

    def call(self, name: str, /, **values: Any) -> dict[str, Any]:
        """Call an operation; values of None are left out. Raises what `client.http.call` raises."""
        _check(values)
        try:
            return self._explained(lambda: http.call(socket_path(), name, **values))
        except OpenSeshError as error:
            if not _absent(error):
                raise
        self._bring_up()
        return http.call(socket_path(), name, **values)

    def stream(self, name: str, deadline: float | None = None, /, **values: Any) -> Iterator[dict[str, Any]]:
        """Call a streaming operation; gives its lines. Raises what `client.http.stream` raises."""
        _check(values)
        try:
            yield from http.stream(socket_path(), name, deadline, **values)
            return
        except OpenSeshError as error:
            if not _absent(error):
                raise
        self._bring_up()
        yield from http.stream(socket_path(), name, deadline, **values)

    def _bring_up(self) -> None:
        from client import starting

        if not self._start or not starting.may_start():
            raise DAEMON_NOT_RUNNING(path=socket_path())
        self.out.progress("Starting the node …")
        try:
            starting.start()
        finally:
            self.out.progress("")

    def _explained(self, call: Any) -> dict[str, Any]:
        """A node of another version may not know what we ask; then that is what there is to say."""
        try:
            result: dict[str, Any] = call()
        except OpenSeshError as error:
            if error.kind is REQUEST_INVALID and (other := self._other_version()) is not None:
                error.details["next"] = (
                    f"The running node is version {other[0]}, this command {other[1]}. Stop it, and the"
                    " next command starts the new one: opensesh node stop"
                )
            raise
        return result

    def _other_version(self) -> tuple[str, str] | None:
        """The node's version and ours, if they differ."""
        from client.version import version

        try:
            found = str(http.call(socket_path(), "status", 5.0).get("version"))
        except OpenSeshError:
            return None
        return (found, version()) if found != version() else None


def _absent(error: OpenSeshError) -> bool:
    """Whether nobody listens, so that nothing can have been done; one that went away midway is another matter."""
    return error.kind is DAEMON_NOT_RUNNING and "path" in error.details


def _check(values: dict[str, Any]) -> None:
    """What came as bytes that are no UTF-8 can't be sent as text."""
    for name, value in values.items():
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:
                raise USAGE(f"The {name} is not valid UTF-8.", next="Give it as UTF-8 text.") from None
