"""The threads of this device as a person names and lists them: by id, prefix or title, by project, by state."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crdt import errors
from crdt.ids import ThreadId, to_text
from node.account import Account
from node.nearest import nearest
from node.store import Store
from node.summary import ThreadSummary, decode_summary

MIN_PREFIX = 4  # characters of an id that may stand for it


@dataclass(frozen=True, slots=True)
class Listed:
    """One thread in a list."""

    id: ThreadId
    summary: ThreadSummary
    state: str  # active | trashed | deleted

    @property
    def text(self) -> str:
        """The id as it is written."""
        return to_text(self.id)


class Library:
    """Every thread that is here, with the state that the identity's index gives it."""

    def __init__(self, store: Store, account: Account) -> None:
        self._store = store
        self._account = account

    async def all(self) -> list[Listed]:
        """All ordinary threads, the latest change first."""
        found = []
        for stored in await self._store.summaries():
            summary = decode_summary(stored.payload)
            if summary.purpose == "thread":
                thread = ThreadId(stored.thread)
                room = self._account.room_of(thread)
                found.append(Listed(thread, summary, room.state if room else "active"))
        return sorted(found, key=lambda each: (-each.summary.updated_at_ms, each.id))

    async def list(self, *, trash: bool = False, project: str | None = None) -> list[Listed]:
        """Those that are in use, or those in the trash."""
        wanted = "trashed" if trash else "active"
        chosen = [each for each in await self.all() if each.state == wanted]
        return [each for each in chosen if project is None or is_within(each.summary.project, project)]

    async def find(self, name: str, *, deleted: bool = False) -> Listed:
        """The thread of that id, unique prefix of an id, or exact title.

        Raises THREAD_NOT_FOUND with the nearest, AMBIGUOUS_THREAD, or THREAD_DELETED unless those are wanted too.
        """
        everything = await self.all()
        exact = [each for each in everything if each.text == name]
        by_prefix = [each for each in everything if len(name) >= MIN_PREFIX and each.text.startswith(name.lower())]
        by_title = [each for each in everything if each.summary.title == name]
        for candidates in (exact, by_prefix, by_title):
            chosen = _in_use(candidates)
            if len(chosen) > 1:
                listed = [{"id": each.text, "title": each.summary.title} for each in chosen[:10]]
                raise errors.AMBIGUOUS_THREAD(matches=listed)
            if chosen:
                if chosen[0].state == "deleted" and not deleted:
                    raise errors.THREAD_DELETED(thread=chosen[0].text)
                return chosen[0]
        raise errors.THREAD_NOT_FOUND(thread=name[:200], **_nearest(name[:200], everything))


def _nearest(name: str, everything: list[Listed]) -> dict[str, list[dict[str, str]]]:
    """What may have been meant, as an error's detail."""
    there = [each for each in everything if each.state != "deleted"]
    near = nearest(name, [each.summary.title for each in there], [each.text for each in there])
    listed = [{"id": there[number].text, "title": there[number].summary.title} for number in near]
    return {"nearest": listed} if listed else {}


def _in_use(candidates: Iterable[Listed]) -> list[Listed]:
    """Of several threads with one name those in use come before those in the trash."""
    listed = list(candidates)
    for state in ("active", "trashed", "deleted"):
        chosen = [each for each in listed if each.state == state]
        if chosen:
            return chosen
    return []


def is_within(root: str | None, folder: str) -> bool:
    """Whether a project's root is that folder or lies below it."""
    return root is not None and Path(root).is_relative_to(folder)
