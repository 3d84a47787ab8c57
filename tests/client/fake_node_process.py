"""A process in the node's place: takes the home's lock and serves the in-memory handlers until told to stop.

`FAKE_NODE` says how it behaves: `ready`; `starting` (ready after its second status); `refuses` (prints an
error and exits, as the node does); `crashes` (a log, then exit 3). Each start is noted in `FAKE_STARTS`.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from crdt.errors import DATABASE_CORRUPT, OpenSeshError
from node.api.server import Server
from node.home import Home
from tests.client.handlers import ANSWERS, FakeNode


async def serve(home: Home, behaviour: str) -> None:
    """Serve until `node.stop`."""
    fake, stopping, asked = FakeNode(), asyncio.Event(), 0

    def status(parameters: Any) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        state = "starting" if behaviour == "starting" and asked < 3 else "ready"
        return {**ANSWERS["status"], "state": state, "pid": os.getpid()}

    def stop(parameters: Any) -> dict[str, Any]:
        stopping.set()
        return {"stopping": True, "pid": os.getpid()}

    fake.answers.update({"status": status, "node.stop": stop})
    server = Server(fake.handlers, home.socket)
    await server.start()
    await stopping.wait()
    await server.stop()


def main() -> int:
    """Behave as told."""
    behaviour = os.environ["FAKE_NODE"]
    with Path(os.environ["FAKE_STARTS"]).open("a") as starts:
        descriptors = Path("/proc/self/fd")  # of Linux alone
        inherited = [entry.name for entry in descriptors.glob("*") if int(entry.name) > 2]
        start = {"pid": os.getpid(), "cwd": str(Path.cwd()), "session": os.getsid(0), "fds": inherited}
        starts.write(json.dumps(start))
        starts.write("\n")
    home = Home.of()
    try:
        with home:
            if behaviour == "refuses":
                raise DATABASE_CORRUPT(path="opensesh.db")
            if behaviour == "crashes":
                home.log_file.write_text("first line\nthe cause\n")
                return 3
            asyncio.run(serve(home, behaviour))
    except OpenSeshError as error:
        print(json.dumps({"error": error.to_json()}), file=sys.stderr)
        return error.kind.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
