"""Operation → handler, area by area: the one place where the two names meet."""

from node.api.server import Handler
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


def of_node(system: SystemHandlers, events: EventHandlers) -> dict[str, Handler]:
    """The node itself, and what happens in it."""
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
        "identity.whoami": system.whoami,
    }


def of_threads(threads: ThreadHandlers) -> dict[str, Handler]:
    """Threads and their messages."""
    return {
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
    }


def of_runs(runs: RunHandlers) -> dict[str, Handler]:
    """Model runs and providers."""
    return {
        "run.ask": runs.ask,
        "run.cancel": runs.cancel,
        "provider.add": runs.provider_add,
        "provider.list": runs.provider_list,
        "provider.test": runs.provider_test,
        "provider.remove": runs.provider_remove,
        "model.list": runs.models,
    }


def of_imports(imports: ImportHandlers) -> dict[str, Handler]:
    """Other tools' sessions."""
    return {
        "import.file": imports.file,
        "import.follow": imports.follow,
        "import.unfollow": imports.unfollow,
        "import.followed": imports.followed,
    }


def of_people(people: IdentityHandlers) -> dict[str, Handler]:
    """The identity and its devices."""
    return {
        "pair.show": people.pair_show,
        "pair.confirm": people.pair_confirm,
        "pair.join": people.pair_join,
        "device.list": people.device_list,
        "device.rename": people.device_rename,
        "device.revoke": people.device_revoke,
        "recovery.show": people.recovery_show,
        "recovery.confirm": people.recovery_confirm,
        "recovery.restore": people.recovery_restore,
    }


def of_sync(sync: SyncHandlers) -> dict[str, Handler]:
    """Sync and relays."""
    return {
        "sync.status": sync.status,
        "sync.enable": sync.enable,
        "sync.disable": sync.disable,
        "sync.connect": sync.connect,
        "sync.disconnect": sync.disconnect,
        "sync.wait": sync.wait,
        "relay.status": sync.relay_status,
    }


def of_sharing(sharing: SharingHandlers) -> dict[str, Handler]:
    """Links, joining, members."""
    return {
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


def of_discussion(comments: CommentHandlers, coediting: CoeditingHandlers) -> dict[str, Handler]:
    """What people do in one thread side by side."""
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


def of_presence(presence: PresenceHandlers, control: ControlHandlers) -> dict[str, Handler]:
    """What happens in a thread right now."""
    return {
        "presence.show": presence.show,
        "presence.set": presence.set,
        "control.show": control.show,
        "control.set": control.set,
    }


def of_terminals(terminals: TerminalHandlers) -> dict[str, Handler]:
    """Shared terminals."""
    return {
        "terminal.run": terminals.run,
        "terminal.list": terminals.list,
        "terminal.watch": terminals.watch,
        "terminal.input": terminals.input,
        "terminal.resize": terminals.resize,
        "terminal.close": terminals.close,
    }
