"""The node's life: in which order its parts start, and the same backwards. `assembly.py` says how they hang together.

The API's socket comes last, so that whoever reaches it finds a node that is ready.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Awaitable, Mapping
from typing import Protocol

from node import config, keychain, logs
from node.account import Account
from node.api.server import Server
from node.assembly import Company, Core, Front, Network, Work
from node.bus import Bus
from node.handlers.system import SystemHandlers
from node.home import Home
from node.identity import device_name
from node.library import Library
from node.store import Store
from node.threads import Threads
from node.upkeep import Task, Upkeep

log = logging.getLogger(__name__)


class Daemon:
    """One node of one home. `run` returns when it was asked to stop."""

    def __init__(self, home: Home, environ: Mapping[str, str] = os.environ) -> None:
        self._home = home
        self._environ = environ
        self._settings = config.load(home.config_file, environ)

    async def run(self) -> None:
        """Start, serve until told to stop, stop. Raises what keeps it from starting."""
        logs.configure(self._home.log_file, self._settings.text("node.log_level"))
        async with contextlib.AsyncExitStack() as stack:
            system = await self._start(stack)
            system.state = "ready"
            log.info("ready")
            self._stop_on_signals(system.stop_asked)
            await system.stop_asked.wait()
            log.info("stopping")

    async def _start(self, stack: contextlib.AsyncExitStack) -> SystemHandlers:
        core = await self._open(stack)
        network = Network(core)
        company = Company(core, network)
        work = Work(core, network, company)
        front = Front(core, network, company, work)
        people, threads, account = front.people, front.threads, core.account
        keeping_up: list[Task] = [people.finish_transfers, account.enter_recovery, people.enforce_revocations]
        stack.push_async_callback(work.worker.close)
        stack.push_async_callback(company.control.close)
        stack.push_async_callback(company.joining.close)
        await _begin(stack, work.runs, front.follows, network.synchronizer, company.steward, network.neighbours)
        stack.push_async_callback(network.presence.close)
        # Terminals end before what carries their last word to the others.
        upkeep = Upkeep(account, [*keeping_up, threads.forget_deleted])
        await _begin(stack, network.heartbeats, work.terminals, upkeep)
        server = Server(front.routes, self._home.socket)
        await server.start()
        stack.push_async_callback(server.stop)
        return front.system

    async def _open(self, stack: contextlib.AsyncExitStack) -> Core:
        home = self._home
        installation = await asyncio.to_thread(keychain.unlock, home.data, home.database, self._environ)
        store = await Store.open(home.database, installation.key)
        stack.push_async_callback(store.close)
        await store.keep_events(self._settings.number("node.event_history"))
        bus = Bus()
        stack.callback(bus.close)
        account = Account(store, device_name(self._settings.text("node.device_name")))
        threads = Threads(store, bus, account)
        await account.load(threads)
        return Core(home, self._settings, installation, store, bus, account, threads, Library(store, account))

    def _stop_on_signals(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)


class Part(Protocol):
    """What is started, and closed in the reverse order."""

    def start(self) -> Awaitable[None] | None:
        """Begin."""

    async def close(self) -> None:
        """End."""


async def _begin(stack: contextlib.AsyncExitStack, *parts: Part) -> None:
    for part in parts:
        started = part.start()
        if started is not None:
            await started
        stack.push_async_callback(part.close)
