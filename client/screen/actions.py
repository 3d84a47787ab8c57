"""What each command does: to the state, to the composer, through the node."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from client.screen import render
from client.screen.around import Around
from client.screen.choosing import MODES, moved, picked, queried
from client.screen.clipboard import osc_52
from client.screen.commands import BY_SLASH
from client.screen.commenting import Commenting
from client.screen.composer import Composer
from client.screen.drafting import Drafting
from client.screen.feed import Feed
from client.screen.looking import Looking
from client.screen.peopling import Peopling
from client.screen.sending import Sender
from client.screen.standing import refusal
from client.screen.state import State, blank, next_thread
from client.screen.talking import Talker

LINK = "opensesh://join/"


class Actions:
    """`do` a command by its name."""

    def __init__(
        self,
        screen: Around,
        composer: Composer,
        feed: Feed,
        sender: Sender,
        talker: Talker,
        drafting: Drafting,
        looking: Looking,
        people: Callable[[Callable[[str], None]], Peopling],
    ) -> None:
        self._screen, self._composer, self._feed, self._sender = screen, composer, feed, sender
        self._drafting, self._looking = drafting, looking
        self._people = people(self._turn)
        self._commenting = Commenting(screen, composer, feed, talker, self._turn)
        self._warned = ""  # the command that leaves at once if it comes again
        self._argument = ""  # what stood behind the word after a slash
        self.table: dict[str, Callable[[], None]] = {
            "ask": lambda: self._send(is_said=False),
            "say": lambda: self._send(is_said=True),
            "newline": lambda: composer.buffer.insert_text("\n"),
            "escape": self._escape,
            "new": lambda: screen.put(blank(screen.state)),
            "next": lambda: self._step(1),
            "previous": lambda: self._step(-1),
            "find": lambda: self._turn("find"),
            "model": lambda: self._turn("model"),
            "rename": self._rename,
            "page_up": lambda: self._scroll(screen.size[1] - 2),
            "page_down": lambda: self._scroll(2 - screen.size[1]),
            "line_up": lambda: self._line(-1),
            "line_down": lambda: self._line(1),
            "oldest": lambda: screen.later(self._oldest()),
            "newest": lambda: self._change(anchor=None, line=0, unseen=0),
            "fold": lambda: self._change(unfolded=not screen.state.unfolded),
            "older": lambda: self._recall(1),
            "newer": lambda: self._recall(-1),
            "copy": self._copy,
            "comment": self._commenting.turn,
            "open": self._commenting.next_open,
            "settle": self._commenting.settle,
            "quote": self._commenting.quote,
            "draft": self._draft,
            "people": self._people.turn,
            "join": self._join,
            "import": lambda: screen.later(sender.bring_in(self._argument)),
            "sidebar": lambda: self._change(alone=not screen.state.alone),
            "interrupt": self._interrupt,
            "suspend": screen.suspend,
            "keys": lambda: self._change(helping=not screen.state.helping),
            "quit": self._quit,
        }

    def do(self, name: str, argument: str = "") -> None:
        """Do what a key stands for, or a word after a slash with its `argument`."""
        warned, self._warned = self._warned, ""
        self._argument = argument
        self._looking.pressed()
        if self._state.told:
            self._change(told="")
        if warned == name:
            self._screen.leave()
        else:
            self.table[name]()

    def typed(self, text: str) -> None:
        """Something is written; where one chooses from a list, that is what is looked for."""
        self._looking.typed()
        if self._state.mode == "draft":
            self._drafting.typed(text)
        if self._state.mode in MODES and text != self._state.query:
            self._screen.put(queried(self._state, text))
            if self._state.mode == "find":
                self._screen.later(self._feed.search(text))

    @property
    def _state(self) -> State:
        return self._screen.state

    def _change(self, **values: Any) -> None:
        self._screen.put(replace(self._state, **values))

    # ---- the composer

    def _send(self, is_said: bool) -> None:
        """Send what is written: as a prompt, to people only, as the first words of a thread, or as a title."""
        if self._state.mode == "comment":
            self._commenting.send()
            return
        if self._state.mode == "draft":
            if is_said or not self._composer.continue_line():
                self._change(anchor=None, line=0, unseen=0)
                self._screen.later(self._drafting.send(is_said))
            return
        if self._state.mode == "people":
            self._people.choose()
            return
        if self._state.mode:
            self._finish()
            return
        if self._state.is_locked:
            return  # the line in the composer's place says why
        if not is_said and self._composer.continue_line():
            return
        text, thread = self._composer.text, self._state.chosen
        first, _, rest = text.strip().partition(" ")
        command = BY_SLASH.get(first)
        if command == "say":
            is_said, text = True, rest
        elif command is not None:
            self._composer.clear()
            self.do(command, rest.strip())
            if rest and self._state.mode:
                self._composer.put(rest)
            return
        if not text.strip():
            return
        if text.strip().startswith(LINK) and len(text.split()) == 1:
            self._composer.clear()
            self._turn("join")  # its secret is for nobody's model, nor for those in this thread
            self._composer.put(text.strip())
            self._change(told="This is a link into somebody's thread: Enter asks to be let in.")
            return
        self._composer.clear()
        self._change(anchor=None, line=0, unseen=0, helping=False)
        if thread is None:
            self._screen.later(self._sender.begin(text, is_said))
        else:
            self._screen.later((self._sender.say if is_said else self._sender.ask)(thread, text))

    def _finish(self) -> None:
        """Take the title that is written, or what is picked."""
        state, text = self._state, self._composer.text.strip()
        item = picked(state) if state.mode in MODES else None
        self._change(mode="", model=item.id if item and state.mode == "model" else state.model)
        if state.mode == "join" and text:
            self._screen.later(self._people.join(text))
        elif state.mode == "rename" and text and state.thread is not None:
            self._screen.later(self._sender.rename(state.thread, text))
        elif state.mode == "find" and item is not None:
            self._screen.later(self._open_at(item.id, item.message))

    def _turn(self, mode: str) -> None:
        """Use the composer for something else; pressed again: for messages."""
        mode = "" if self._state.mode == mode else mode
        self._screen.put(replace(queried(self._state, ""), mode=mode, picked=0, helping=False))

    def _rename(self) -> None:
        if self._state.is_locked:
            self._change(told=refusal(self._state.company, "rename it"))
        else:
            self._turn("rename" if self._state.thread is not None else "")

    def _join(self) -> None:
        """Come in by the link that was given, or ask for it."""
        if self._argument:
            self._screen.later(self._people.join(self._argument))
        else:
            self._turn("join")

    def _recall(self, older: int) -> None:
        if not self._state.mode and not self._state.is_locked:
            self._composer.recall(self._state.prompts, older)

    def _copy(self) -> None:
        newest = next((m for m in reversed(self._state.messages) if m.role == "assistant" and m.text), None)
        if newest is None:
            told = "There is no answer to copy yet."
        elif (sequence := osc_52(newest.text)) is None:
            told = "This answer is too long for the clipboard. Get it with: opensesh export"
        else:
            self._screen.control(sequence)
            told = "The newest answer was given to the terminal's clipboard."
        self._change(told=told)

    def _draft(self) -> None:
        if self._state.thread is None:
            self._change(told="The draft belongs to a thread. Open one first.")
        else:
            self._turn("draft")

    # ---- moving

    def _step(self, step: int) -> None:
        thread = next_thread(self._state, step)
        if thread is not None:
            self._screen.later(self._feed.open(thread))

    def _line(self, down: int) -> None:
        if self._state.mode in MODES:
            self._screen.put(moved(self._state, down))
        elif self._state.mode == "comment":
            self._commenting.step(down)
        else:
            self._scroll(-down)

    def _scroll(self, lines: int) -> None:
        self._screen.put(render.scrolled(replace(self._state, helping=False), lines, *self._screen.size))
        if lines > 0 and render.is_near_top(self._state, *self._screen.size):
            self._screen.later(self._feed.load_earlier())

    async def _oldest(self) -> None:
        """To the thread's first message, once everything before the first one here was read."""
        thread = self._state.thread
        await self._feed.load_all()
        if self._state.messages and self._state.thread == thread:
            self._change(anchor=self._state.messages[0].id, line=1)
            self._scroll(1)

    async def _open_at(self, thread: str, message: str) -> None:
        """Open a thread, with this message at the top if one is named."""
        await self._feed.open(thread)
        if not message or self._state.thread != thread:
            return
        await self._feed.load_all(until=message)
        if self._state.thread == thread and any(known.id == message for known in self._state.messages):
            self._change(anchor=message, line=1)
            self._scroll(1 - self._screen.size[1])

    # ---- ending something

    def _escape(self) -> None:
        """Leave what is open above; else stop the answer; else back to the newest."""
        state = self._state
        if state.helping and state.mode == "people":
            self._change(helping=False)
        elif state.mode == "people" and self._people.back():
            return
        elif state.helping or state.mode:
            self._change(helping=False, mode="")
        elif state.run is not None and state.thread is not None:
            self._screen.later(self._sender.cancel(state.thread))
        else:
            self._change(anchor=None, line=0, unseen=0, notice="")

    def _interrupt(self) -> None:
        """What Ctrl-C means is what is nearest: the text, then the answer, then the screen."""
        if self._state.helping or self._state.mode:
            self._escape()
        elif self._composer.text and not self._state.is_locked:
            self._composer.put("")  # Ctrl-_ brings it back
        elif self._state.run is not None:
            self._warned = "interrupt"
            self._escape()
        else:
            self._screen.leave()

    def _quit(self) -> None:
        if self._composer.has_unsent(self._state.mode):
            self._warned = "quit"
            self._change(notice="What you wrote is not sent yet. Ctrl-Q again drops it and quits.")
        else:
            self._screen.leave()
