"""The accepted state of a replica as one comparable value: what P2 speaks of."""

from typing import Any

import pycrdt

from crdt.chains import Link
from crdt.content import messages
from crdt.permissions import LaneKind
from crdt.replica import Replica
from crdt.thread import SHARED, Thread

State = dict[str, Any]


def state(replica: Replica) -> State:
    """Rights, accepted envelopes, documents, and the order in which messages are shown."""
    membership = replica.membership
    applied = (link for openers in replica.chains.openers.values() for opener in openers for link in _below(opener))
    return {
        "members": sorted(membership.members().items()),
        "limits": sorted(limit.node.id for limit in membership.limits),
        "settled": sorted(each.node.id for each in membership.settlements),
        "carried": sorted((link, sorted(keepers)) for link, keepers in replica.carried().items()),
        "grants": sorted(given.node.id for given in membership.grants),
        "epochs": [epoch.id for epoch in membership.writing_epochs()],
        "applied": sorted(link.id for link in applied if link.state == Link.APPLIED),
        "timelines": {
            lane.owner: messages(document.doc).to_py()
            for lane, document in replica.lanes.items()
            if lane.kind is LaneKind.TIMELINE and len(messages(document.doc))
        },
        "shared": _shared(replica),
        "order": [message.place for message in Thread(replica).messages()],
    }


def differing(one: State, other: State) -> list[str]:
    """The names of the parts that differ."""
    return [name for name in one if one[name] != other[name]]


def spelled(value: Any) -> str:
    """A value's one spelling: maps come out of the native library in any order, and sets in that of their making."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{spelled(name)}:{spelled(each)}" for name, each in value.items())) + "}"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(map(spelled, value))) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(spelled, value)) + "]"
    return repr(value)


def _below(opener: Link) -> list[Link]:
    found, due = [], [opener]
    while due:
        link = due.pop()
        found.append(link)
        due += link.children
    return found


def _shared(replica: Replica) -> Any:
    doc = replica.document(SHARED).doc
    return doc.get("meta", type=pycrdt.Map).to_py(), str(doc.get("notes", type=pycrdt.Text))
