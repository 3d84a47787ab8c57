"""The node's parts, from the inside out: what each is handed, and how they hear of one another.

Nothing is started here, and nothing below reaches back up; `daemon.py` says what starts in which order.
"""

from dataclasses import dataclass
from pathlib import Path

from node import routes
from node.account import Account
from node.agent.models import ModelWorker
from node.agent.providers import Providers
from node.api.server import Handler
from node.bus import Bus
from node.checkup import Checkup
from node.config import Config
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
from node.imports import Importer
from node.keeping import Keeping
from node.keychain import Installation
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


@dataclass(frozen=True, slots=True)
class Core:
    """What every part stands on."""

    home: Home
    settings: Config
    installation: Installation
    store: Store
    bus: Bus
    account: Account
    threads: Threads
    library: Library


class Network:
    """How this device meets others: over relays and the local network, and who is there."""

    def __init__(self, core: Core) -> None:
        account, threads, settings = core.account, core.threads, core.settings
        self.synchronizer = Synchronizer(account, threads)
        lan, port = settings.flag("sync.lan"), settings.number("sync.lan_port")
        self.neighbours = Neighbours(account, threads, self.synchronizer.may_sync, enabled=lan, port=port)
        self.synchronizer.use_local_network(self.neighbours)
        self.presence = Presence(account, threads, core.bus, self.synchronizer.whisper, self.neighbours.whisper)
        self.synchronizer.on_heard = self.neighbours.on_heard = self.presence.heard
        self.heartbeats = Heartbeats(account, threads, self.presence)


class Company:
    """Other people: how they come into threads, what they may do there, and who drives."""

    def __init__(self, core: Core, network: Network) -> None:
        account, threads = core.account, core.threads
        self.door, self.joining = Door(account, threads), Joining(account, threads)
        self.door.on_answer = self.joining.answered
        network.synchronizer.doorkeeper = self.door
        self.steward = Steward(account, threads, network.synchronizer)
        self.people = People(account, network.presence.is_here)
        self.control = Control(account, threads, self.people)
        Leftovers(threads)


class Work:
    """What runs on this device: models, and programs in terminals."""

    def __init__(self, core: Core, network: Network, company: Company) -> None:
        self.worker = ModelWorker()
        self.providers = Providers(core.store, self.worker, core.settings.text("models.default"))
        self.runs = Runs(core.account, core.threads, core.bus, self.providers)
        self.terminals = Terminals(core.account, core.threads)
        hands = self.terminals.hands
        hands.control, hands.whispers = Driving(company.control), network.presence
        company.control.host_of = hands.host_of


class Front:
    """What answers the API: the handlers over all of these."""

    def __init__(self, core: Core, network: Network, company: Company, work: Work) -> None:
        account, threads, library = core.account, core.threads, core.library
        sync, neighbours = network.synchronizer, network.neighbours
        checkup = Checkup(
            *(core.home, core.installation, core.store, account, sync, work.providers, neighbours.problem)
        )
        keeping = Keeping(core.home, core.installation, core.store, account, threads, library)
        self.threads = ThreadHandlers(core.store, account, threads, library, sync.words, network.heartbeats)
        self.system = SystemHandlers(
            *(core.home, core.installation, account, library, sync.overall, checkup, keeping, self.threads.forget)
        )
        recovery = Recovery(account, threads, sync)
        self.people = IdentityHandlers(account, threads, recovery, neighbours, neighbours.is_online)
        importer = Importer(threads, self.threads.begin, account.is_deleted)
        self.follows = Follows(core.store, importer, Path.home(), core.settings.texts("import.follow"))
        self.imports = ImportHandlers(account, importer, self.follows)
        links = Links(account, threads, sync, company.door)
        rights = Rights(account, threads, company.people)
        forking = Forking(threads, self.threads.begin)
        self.sharing = SharingHandlers(
            *(account, threads, library, links, company.joining, rights, company.people, forking)
        )
        self._rest = self._routes_of_the_rest(core, network, company, work)

    @property
    def routes(self) -> dict[str, Handler]:
        """Operation → handler, of all."""
        return {
            **routes.of_threads(self.threads),
            **routes.of_people(self.people),
            **routes.of_imports(self.imports),
            **routes.of_sharing(self.sharing),
            **self._rest,
        }

    def _routes_of_the_rest(self, core: Core, network: Network, company: Company, work: Work) -> dict[str, Handler]:
        threads, library, looking = core.threads, core.library, network.presence.looking
        comments, coediting = (
            CommentHandlers(threads, library, work.runs),
            CoeditingHandlers(threads, library, work.runs),
        )
        presence = PresenceHandlers(network.presence, library)
        control = ControlHandlers(company.control, library, work.terminals)
        return {
            **routes.of_node(self.system, EventHandlers(core.store, core.bus, library, looking)),
            **routes.of_runs(RunHandlers(work.runs, work.providers, library)),
            **routes.of_sync(SyncHandlers(network.synchronizer, library, network.heartbeats)),
            **routes.of_discussion(comments, coediting),
            **routes.of_presence(presence, control),
            **routes.of_terminals(TerminalHandlers(work.terminals, library, looking)),
        }
