"""The node, put together: what is built, in which order it starts, and the same backwards.

Everything is made here and handed what it needs; nothing below reaches back up. The API's socket comes
last, so that whoever reaches it finds a node that is ready.
"""

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Mapping
from pathlib import Path

from node import config, keychain, logs
from node.account import Account
from node.agent.models import ModelWorker
from node.agent.providers import Providers
from node.api.server import Handler, Server
from node.bus import Bus
from node.checkup import Checkup
from node.control import Control
from node.follows import Follows
from node.handlers.coediting import CoeditingHandlers
from node.handlers.comments import CommentHandlers
from node.handlers.control import ControlHandlers
from node.handlers.events import EventHandlers
from node.handlers.identity import IdentityHandlers
from node.handlers.imports import ImportHandlers
from node.handlers.presence import PresenceHandlers
from node.handlers.runs import RunHandlers
from node.handlers.sharing import SharingHandlers
from node.handlers.sync import SyncHandlers
from node.handlers.system import SystemHandlers
from node.handlers.terminals import TerminalHandlers
from node.handlers.threads import ThreadHandlers
from node.heartbeats import Heartbeats
from node.home import Home
from node.identity import device_name
from node.imports import Importer
from node.keeping import Keeping
from node.library import Library
from node.neighbours import Neighbours
from node.presence import Presence
from node.recovery import Recovery
from node.runs import Runs
from node.sharing.door import Door
from node.sharing.forking import Forking
from node.sharing.joining import Joining
from node.sharing.leftovers import Leftovers
from node.sharing.links import Links
from node.sharing.people import People
from node.sharing.rights import Rights
from node.sharing.steward import Steward
from node.store import Store
from node.synchronizer import Synchronizer
from node.terminals.driving import Driving
from node.terminals.service import Terminals
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
        library = Library(store, account)

        synchronizer = Synchronizer(account, threads)
        lan, port = self._settings.flag("sync.lan"), self._settings.number("sync.lan_port")
        neighbours = Neighbours(account, threads, synchronizer.may_sync, enabled=lan, port=port)
        synchronizer.use_local_network(neighbours)
        door, joining = Door(account, threads), Joining(account, threads)
        door.on_answer = joining.answered
        synchronizer.doorkeeper = door
        Leftovers(threads)
        steward = Steward(account, threads, synchronizer)
        presence = Presence(account, threads, bus, synchronizer.whisper, neighbours.whisper)
        synchronizer.on_heard = neighbours.on_heard = presence.heard
        heartbeats = Heartbeats(account, threads, presence)
        recovery = Recovery(account, threads, synchronizer)
        worker = ModelWorker()
        stack.push_async_callback(worker.close)
        providers = Providers(store, worker, self._settings.text("models.default"))
        runs = Runs(account, threads, bus, providers)
        terminals = Terminals(account, threads, bus)

        checkup = Checkup(home, installation, store, account, synchronizer, providers, neighbours.problem)
        keeping = Keeping(home, installation, store, account, threads, library)
        threading = ThreadHandlers(store, account, threads, library, synchronizer.words, heartbeats)
        system = SystemHandlers(
            home, installation, account, library, synchronizer.overall, checkup, keeping, threading.forget
        )
        people = IdentityHandlers(account, threads, recovery, neighbours, neighbours.is_online)
        events = EventHandlers(store, bus, library, presence.looking)
        being = PresenceHandlers(presence, library)
        syncing = SyncHandlers(synchronizer, library, heartbeats)
        people_in = People(account, presence.is_here)
        control = Control(account, threads, people_in)
        hands = terminals.hands
        hands.control, hands.whispers, control.host_of = Driving(control), presence, hands.host_of
        stack.push_async_callback(control.close)
        controlling = ControlHandlers(control, library)
        links = Links(account, threads, synchronizer, door)
        rights = Rights(account, threads, people_in)
        forking = Forking(threads, threading.begin)
        sharing = SharingHandlers(account, threads, library, links, joining, rights, people_in, forking)
        running = RunHandlers(runs, providers, library)
        comments = CommentHandlers(threads, library, runs)
        coediting = CoeditingHandlers(threads, library, runs)
        showing = TerminalHandlers(terminals, library, presence.looking)

        importer = Importer(threads, threading.begin, account.is_deleted)
        follows = Follows(store, importer, Path.home(), self._settings.texts("import.follow"))
        importing = ImportHandlers(account, importer, follows)

        await runs.start()
        stack.push_async_callback(runs.close)
        await follows.start()
        stack.push_async_callback(follows.close)
        await synchronizer.start()
        stack.push_async_callback(synchronizer.close)
        steward.start()
        stack.push_async_callback(steward.close)
        await neighbours.start()
        stack.push_async_callback(neighbours.close)
        stack.push_async_callback(presence.close)
        await heartbeats.start()
        stack.push_async_callback(heartbeats.close)
        await terminals.start()
        stack.push_async_callback(terminals.close)  # while its last word still gets to the others
        keeping_up: list[Task] = [people.finish_transfers, account.enter_recovery, people.enforce_revocations]
        upkeep = Upkeep(account, [*keeping_up, threading.forget_deleted])
        upkeep.start()
        stack.push_async_callback(upkeep.close)
        routes = _routes(system, threading, running, importing, people, syncing, events, sharing)
        server = Server(
            {
                **routes,
                **_routes_together(comments, coediting),
                **_routes_live(being, controlling),
                **_routes_of_terminals(showing),
            },
            home.socket,
        )
        await server.start()
        stack.push_async_callback(server.stop)
        return system

    def _stop_on_signals(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)


def _routes(
    system: SystemHandlers,
    threads: ThreadHandlers,
    runs: RunHandlers,
    imports: ImportHandlers,
    people: IdentityHandlers,
    sync: SyncHandlers,
    events: EventHandlers,
    sharing: SharingHandlers,
) -> dict[str, Handler]:
    """Operation → handler: the one place where the two names meet."""
    return {
        "status": system.status,
        "node.stop": system.stop,
        "doctor": system.doctor,
        "backup.create": system.backup_create,
        "backup.restore": system.backup_restore,
        "purge": system.purge,
        "config.get": system.config_get,
        "config.set": system.config_set,
        "events.watch": events.watch,
        "thread.create": threads.create,
        "thread.list": threads.list,
        "thread.show": threads.show,
        "thread.rename": threads.rename,
        "thread.trash": threads.trash,
        "thread.restore": threads.restore,
        "thread.delete": threads.delete,
        "thread.export": threads.export,
        "search": threads.search,
        "message.say": threads.say,
        "run.ask": runs.ask,
        "run.cancel": runs.cancel,
        "provider.add": runs.provider_add,
        "provider.list": runs.provider_list,
        "provider.test": runs.provider_test,
        "provider.remove": runs.provider_remove,
        "model.list": runs.models,
        "import.file": imports.file,
        "import.follow": imports.follow,
        "import.unfollow": imports.unfollow,
        "import.followed": imports.followed,
        "identity.whoami": system.whoami,
        "pair.show": people.pair_show,
        "pair.confirm": people.pair_confirm,
        "pair.join": people.pair_join,
        "device.list": people.device_list,
        "device.rename": people.device_rename,
        "device.revoke": people.device_revoke,
        "recovery.show": people.recovery_show,
        "recovery.confirm": people.recovery_confirm,
        "recovery.restore": people.recovery_restore,
        "sync.status": sync.status,
        "sync.enable": sync.enable,
        "sync.disable": sync.disable,
        "sync.connect": sync.connect,
        "sync.disconnect": sync.disconnect,
        "sync.wait": sync.wait,
        "relay.status": sync.relay_status,
        "share.preview": sharing.preview,
        "share.create": sharing.create,
        "share.list": sharing.list,
        "share.withdraw": sharing.withdraw,
        "share.decide": sharing.decide,
        "share.join": sharing.join,
        "share.leftovers": sharing.leftovers,
        "member.list": sharing.members,
        "member.permit": sharing.permit,
        "member.kick": sharing.kick,
        "member.leave": sharing.leave,
        "member.transfer": sharing.transfer,
        "member.accept": sharing.accept,
        "member.verify": sharing.verify,
    }


def _routes_together(comments: CommentHandlers, coediting: CoeditingHandlers) -> dict[str, Handler]:
    """The same, of what people do in one thread side by side."""
    return {
        "comment.list": comments.list,
        "comment.add": comments.add,
        "comment.reply": comments.reply,
        "comment.edit": comments.edit,
        "comment.delete": comments.delete,
        "comment.resolve": comments.resolve,
        "comment.reopen": comments.reopen,
        "comment.react": comments.react,
        "comment.quote": comments.quote,
        "comment.prompt": comments.prompt,
        "draft.show": coediting.draft_show,
        "draft.set": coediting.draft_set,
        "draft.edit": coediting.draft_edit,
        "draft.send": coediting.draft_send,
        "notes.show": coediting.notes_show,
        "notes.set": coediting.notes_set,
        "tags.show": coediting.tags_show,
        "tags.change": coediting.tags_change,
    }


def _routes_live(presence: PresenceHandlers, control: ControlHandlers) -> dict[str, Handler]:
    """The same, of what happens in a thread right now."""
    return {
        "presence.show": presence.show,
        "presence.set": presence.set,
        "control.show": control.show,
        "control.set": control.set,
    }


def _routes_of_terminals(terminals: TerminalHandlers) -> dict[str, Handler]:
    """The same, of shared terminals."""
    return {
        "terminal.run": terminals.run,
        "terminal.list": terminals.list,
        "terminal.watch": terminals.watch,
        "terminal.input": terminals.input,
        "terminal.resize": terminals.resize,
        "terminal.close": terminals.close,
    }
