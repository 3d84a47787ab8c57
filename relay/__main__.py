"""`python -m relay`, and what `opensesh relay serve` runs: arguments, start, graceful stop.

Prints one line to stdout when it takes connections, `listening on ws://HOST:PORT`, and nothing else.
Errors go to stderr with their code, as one JSON line with `--json`. Exit 0 after SIGTERM or SIGINT
once everything is stored, 1 when it can't start, 2 for wrong arguments.
"""

import argparse
import asyncio
import contextlib
import errno
import json
import os
import resource
import signal
import ssl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Final

from aiohttp import web

from crdt import errors
from relay import database, logs
from relay.app import Relay
from relay.handlers import Door
from relay.limits import Limits
from relay.store import SqliteStore

_TUNABLE: Final = {
    "frames_per_second": "frames one connection may publish per second",
    "burst_frames": "frames it may publish at once before that rate binds",
    "connections": "connections in all",
    "connections_per_address": "connections from one address",
    "room_bytes": "bytes one room may hold (default: no bound)",
    "rooms": "rooms in all",
    "max_frame_bytes": "size of one frame",
    "stall_s": "seconds without progress after which a reader is closed",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says, read and checked."""

    host: str
    port: int
    data: Path
    tls: ssl.SSLContext | None
    door: Door
    behind_proxy: bool
    limits: Limits


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal. Returns the exit code; never raises for what a person can put right."""
    arguments = _parser().parse_args(argv)
    logs.configure(arguments.log_level)
    # The writing thread asks for the interpreter in the middle of a commit: 5 ms would be long to wait.
    sys.setswitchinterval(0.0005)
    try:
        asyncio.run(_serve(_settings(arguments)))
    except errors.OpenSeshError as error:
        _report(error, as_json=arguments.json)
        return error.kind.exit_code
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="opensesh relay serve",
        description="Store sealed frames and pass them on. A relay can read nothing of what it carries.",
        epilog="example: opensesh relay serve --host 0.0.0.0 --port 8765 --data ./relay-data",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8765, help="port; 0 takes a free one (default: %(default)s)")
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="folder of its own for the database")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="certificate chain, PEM")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument("--access-key-file", type=Path, metavar="FILE", help="ask for this key before opening a room")
    parser.add_argument(
        "--public-host", action="append", default=[], metavar="HOST:PORT",
        help="the name nodes dial; proofs made for any other are refused (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--behind-proxy", action="store_true", help="take addresses from X-Forwarded-For")
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--json", action="store_true", help="errors as one JSON line on stderr")
    limits = parser.add_argument_group("limits")
    for name, meaning in _TUNABLE.items():
        kind = float if name.endswith("_s") else int
        limits.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar="N", help=meaning)
    return parser


def _settings(arguments: argparse.Namespace) -> Settings:
    chosen = {name: value for name in _TUNABLE if (value := getattr(arguments, name)) is not None}
    unknown = set(chosen) - {field.name for field in fields(Limits)}
    assert not unknown
    if any(value <= 0 for value in chosen.values()):
        raise errors.USAGE("A limit must be greater than zero.")
    return Settings(
        arguments.host,
        arguments.port,
        arguments.data,
        _tls(arguments.tls_cert, arguments.tls_key),
        Door(_access_key(arguments.access_key_file), tuple(arguments.public_host)),
        arguments.behind_proxy,
        replace(Limits(), **chosen),
    )


def _tls(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise errors.USAGE("--tls-cert and --tls-key go together.")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise errors.FILE_UNREADABLE("The TLS certificate or its key can't be read.") from error
    return context


def _access_key(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise errors.FILE_UNREADABLE("The access key's file can't be read.") from error
    if not key:
        raise errors.FILE_UNREADABLE("The access key's file is empty.")
    return key


async def _serve(settings: Settings) -> None:
    logs.watch(asyncio.get_running_loop())
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    _raise_descriptor_limit()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(os.close, database.prepare_folder(settings.data))
        store = await SqliteStore.open(settings.data, settings.limits)
        stack.push_async_callback(store.close)
        relay = Relay(store, settings.limits, settings.door, behind_proxy=settings.behind_proxy)
        runner = relay.runner()
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, settings.host, settings.port, ssl_context=settings.tls, backlog=256)
        try:
            await site.start()
        except OSError as error:
            raise _no_listening(error, settings) from error
        print(f"listening on {_address(runner, settings)}", flush=True)
        await stop.wait()
        await site.stop()
        await relay.stop()


def _address(runner: web.AppRunner, settings: Settings) -> str:
    host, port = runner.addresses[0][:2]
    scheme = "wss" if settings.tls else "ws"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _no_listening(error: OSError, settings: Settings) -> errors.OpenSeshError:
    where = f"{settings.host}:{settings.port}"
    if error.errno == errno.EADDRINUSE:
        return errors.PORT_IN_USE(f"{where} is already in use.")
    return errors.PORT_IN_USE(f"Can't listen on {where}: {error.strerror}.", next="Give another --host or --port.")


def _raise_descriptor_limit() -> None:
    """Every connection takes a descriptor: use what the system allows without being asked."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    with contextlib.suppress(OSError, ValueError):  # macOS refuses more than kern.maxfilesperproc
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _report(error: errors.OpenSeshError, *, as_json: bool) -> None:
    shape = error.to_json()
    if as_json:
        print(json.dumps({"error": shape}), file=sys.stderr, flush=True)
    else:
        print(f"{shape['code']} {shape['name']}: {shape['message']}\n{shape['next']}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
