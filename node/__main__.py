"""`python -m node [--plain]`: one node in the foreground, for the home that the environment names.

Prints nothing but, on stderr, the error that kept it from starting: as one line of JSON for the program
that started it, or plainly for a person or a service manager's log.
"""

import asyncio
import contextlib
import gc
import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from crdt.errors import OpenSeshError
from node.api.failures import error_body, failure_of
from node.home import Home


def main() -> int:
    """Run until stopped; the exit code."""
    os.umask(0o077)
    try:
        with Home.of() as home:
            with _no_collecting(), _without_certificates():
                from node.daemon import Daemon

            asyncio.run(Daemon(home).run())
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        failure = error if isinstance(error, OpenSeshError) else failure_of(error, "start")
        body = error_body(failure)
        print(_plain(body["error"]) if "--plain" in sys.argv[1:] else json.dumps(body), file=sys.stderr)
        return failure.kind.exit_code
    return 0


@contextlib.contextmanager
def _no_collecting() -> Iterator[None]:
    """What is imported stays: looking through it for garbage, then and ever after, finds none and takes time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _without_certificates() -> Iterator[None]:
    """aiohttp reads all of the system's certificates while it is imported: 20 to 60 ms and 2 MB at each start,
    for a node that may never dial a wss:// address. Who does makes a context of its own (`transports/relay.py`)."""
    names = ("SSL_CERT_FILE", "SSL_CERT_DIR")
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, os.devnull))
    try:
        yield
    finally:
        for name, value in kept.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _plain(error: dict[str, Any]) -> str:
    details = [f"  {name}: {value}\n" for name, value in error["details"].items()]
    text = f"error {error['code']}: {error['message']}\n{''.join(details)}next: {error['next']}"
    return "".join(each if each.isprintable() or each == "\n" else "?" for each in text)


if __name__ == "__main__":
    sys.exit(main())
