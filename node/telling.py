"""What is told of a change, once it is stored: whatever is shown otherwise than before it."""

from collections.abc import Iterable
from typing import Any

from crdt.permissions import GOVERNANCE, Lane, LaneKind
from crdt.thread import SHARED
from node import happenings
from node.open_thread import OpenThread, facts_of
from node.store import Batch, Text


def news(opened: OpenThread, lanes: Iterable[Lane], batch: Batch) -> list[tuple[str, dict[str, Any]]]:
    """The events of what has changed in these lanes; the texts that are to be found by searching go into the batch."""
    events = []
    for change in opened.view.refresh(lanes):
        events.append(happenings.of_message(change, opened.author_of(change.now.device)))
        if change.now.state != "streaming":
            batch.texts.append(Text(opened.id, change.now.id, change.now.text))
    events += [happenings.of_run(run, opened.view.runs().get(run, {})) for run in opened.view.changed_runs()]
    if any(lane.kind in GOVERNANCE for lane in lanes):
        before, opened.roles = opened.roles, opened.replica.membership.members()
        if before != opened.roles:
            events.append(("members.changed", happenings.of_members(opened.roles, opened.replica.role())))
    if changes := opened.discussion.refresh(lanes):
        events += opened.comment_shapes().told(changes)
    for output in (opened.replica.outputs[lane] for lane in lanes if lane.kind is LaneKind.OUTPUT):
        if output.news():
            events.append(happenings.of_terminal(output, opened.author_of(output.lane.owner)))
    if SHARED in lanes:
        texts = [(f"{name}.changed", text.refresh()) for name, text in opened.texts.items()]
        events += [(type, told) for type, told in texts if told is not None]
        known, opened.facts = opened.facts, facts_of(opened.view)
        events += [("thread.changed", opened.facts)] if known != opened.facts else []
    return events
