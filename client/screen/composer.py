"""What is being written: one text per thread and purpose, and earlier prompts brought back.

The buffer is prompt-toolkit's; which text it holds follows from the state.
"""

from collections.abc import Callable, Sequence

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition

from client.screen.state import State


class Composer:
    """`typed` is told each text that is written; while it `is_read_only`, keys change nothing."""

    def __init__(self, typed: Callable[[str], None], is_read_only: Callable[[], bool] = lambda: False) -> None:
        self.buffer = Buffer(
            multiline=True,
            on_text_changed=lambda buffer: typed(buffer.text),
            read_only=Condition(is_read_only),
        )
        self._drafts: dict[str | None, str] = {}
        self._recalled = (0, "")  # how many prompts back, and what was written there
        self._before = ""  # what was being written before one went back

    @property
    def text(self) -> str:
        """What is written now."""
        return self.buffer.text

    def has_unsent(self, mode: str = "") -> bool:
        """Whether anything is written, here or for another thread, that only this screen has."""
        own = "" if mode == "draft" else self.text
        return any(text.strip() for text in (own, *self._drafts.values()))

    def put(self, text: str) -> None:
        """Write this instead, the cursor behind it."""
        self.buffer.set_document(Document(text), bypass_readonly=True)

    @property
    def cursor(self) -> int:
        """Where one writes, in characters."""
        return self.buffer.cursor_position

    def write(self, text: str, cursor: int) -> None:
        """The text as others have changed it, and where one goes on writing. To undo what was typed before would undo
        what they did, too: there is nothing to undo then."""
        if (text, cursor) != (self.text, self.cursor):
            self.buffer.reset(Document(text, min(cursor, len(text))))

    def clear(self) -> None:
        """Begin anew: nothing is left to undo."""
        self._recalled = (0, "")
        self.buffer.reset()

    def turn(self, before: State, state: State) -> None:
        """With another thread or purpose, the text is another one."""
        if _use(before) == _use(state):
            return
        if not before.mode:
            self._drafts[before.chosen] = self.text
        begun = {"": self._drafts.get(state.chosen, ""), "rename": state.title}
        self.clear()
        self.buffer.reset(Document(begun.get(state.mode, "")))
        if not state.mode:
            self._drafts.pop(state.chosen, None)

    def give_back(self, state: State, thread: str | None, text: str) -> None:
        """Put a text that could not be sent back to where it was written, unless something else is written there."""
        if (state.mode, state.chosen) != ("", thread):
            self._drafts[thread] = self._drafts.get(thread) or text
        elif not self.text:
            self.put(text)

    def continue_line(self) -> bool:
        """Turn a backslash at the cursor into a new line; whether there was one."""
        if self.buffer.read_only() or not self.buffer.document.current_line_before_cursor.endswith("\\"):
            return False
        self.buffer.delete_before_cursor()
        self.buffer.insert_text("\n")
        return True

    def recall(self, prompts: Sequence[str], older: int) -> None:
        """Write the prompt that many further back again; `prompts` is newest first. Before them is what was there."""
        if self.text != self._recalled[1]:
            self._recalled, self._before = (0, ""), self.text
        number = max(0, min(len(prompts), self._recalled[0] + older))
        self._recalled = (number, prompts[number - 1] if number else self._before)
        self.put(self._recalled[1])


def _use(state: State) -> tuple[str, str | None]:
    return state.mode, None if state.mode else state.chosen
