"""A thread that is let go of leaves nothing behind: the native library's observers are out of the collector's sight."""

import gc
import weakref

from crdt.thread import Thread
from tests.crdt.people import Person


def test_a_thread_that_nobody_holds_any_more_is_freed() -> None:
    desk = Person("ana").found()
    desk.say("before")
    view = Thread(desk.replica)
    desk.say("after")
    view.refresh(desk.replica.lanes)
    assert {message.id for message in view.messages()} == {"before", "after"}
    replica = weakref.ref(desk.replica)
    del desk, view
    gc.collect()
    assert replica() is None
