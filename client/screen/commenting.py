"""What a person does with comments: choose what to comment on, write, answer, settle, ask a model about it."""

from collections.abc import Callable
from dataclasses import replace

from client.screen import render
from client.screen.around import Around
from client.screen.commands import BY_NAME
from client.screen.composer import Composer
from client.screen.feed import Feed
from client.screen.standing import refusal
from client.screen.state import State
from client.screen.talk import Spot, next_open, stepped
from client.screen.talking import Talker


class Commenting:
    """`turn_to` uses the composer for something else, as `Actions` does."""

    def __init__(
        self, screen: Around, composer: Composer, feed: Feed, talker: Talker, turn_to: Callable[[str], None]
    ) -> None:
        self._screen, self._composer, self._feed, self._talker = screen, composer, feed, talker
        self._turn_to = turn_to

    @property
    def _state(self) -> State:
        return self._screen.state

    def _tell(self, text: str) -> None:
        self._screen.put(replace(self._state, told=text))

    # ---- choosing

    def turn(self) -> None:
        """Choose what to comment on, beginning with the message at the bottom; pressed again: write messages."""
        state = self._state
        if state.thread is None or not state.messages:
            self._tell("There is nothing to comment on yet.")
            return
        if not state.company.may("commenter"):
            self._tell(refusal(state.company, "comment"))
            return
        self._turn_to("comment")
        if state.mode != "comment":
            self._choose(Spot(state.anchor or state.messages[-1].id))

    def step(self, down: int) -> None:
        """To the next message or conversation."""
        self._choose(stepped(self._state.spots, self._state.spot, down))

    def _choose(self, spot: Spot | None) -> None:
        self._screen.put(render.focused(replace(self._state, spot=spot), *self._screen.size))

    def next_open(self) -> None:
        """To the next conversation that is not settled."""
        state = self._state
        spot = next_open(state.spots, state.placed, state.spot if state.mode == "comment" else None)
        if spot is not None:
            if state.mode != "comment":
                self._turn_to("comment")
            self._choose(spot)
        elif state.open_talks and not state.is_whole:
            self._screen.later(self._far_open())
        else:
            self._tell("No comment here is open.")

    async def _far_open(self) -> None:
        """The same, once everything further back was read."""
        thread = self._state.thread
        await self._feed.load_all()
        if self._state.thread == thread and self._state.is_whole:
            self.next_open()

    # ---- doing something with what is chosen

    def send(self) -> None:
        """Comment on the message, or answer the conversation."""
        state, text = self._state, self._composer.text.strip()
        if state.thread is not None and state.spot is not None and text:
            self._composer.clear()
            self._screen.later(self._talker.comment(state.thread, state.spot, text))

    def settle(self) -> None:
        """Settle the conversation; open it again if it is."""
        if talk := self._chosen():
            known = next(each for found in self._state.talks.values() for each in found if each.id == talk)
            self._screen.later(self._talker.settle(self._state.thread or "", talk, not known.is_settled))

    def quote(self) -> None:
        """Make it a prompt, in the composer."""
        if talk := self._chosen():
            self._screen.later(self._write_prompt(self._state.thread or "", talk))

    def _chosen(self) -> str:
        """The conversation that is chosen; if none is, that is said."""
        state = self._state
        if state.mode == "comment" and state.spot is not None and state.spot.talk:
            return state.spot.talk
        self._tell(f"Choose a comment first: {BY_NAME['open'].shown}, or {BY_NAME['comment'].shown} and ↑ ↓.")
        return ""

    async def _write_prompt(self, thread: str, talk: str) -> None:
        """Put the conversation behind what is written already, as a prompt to go on with."""
        text = await self._talker.quote(thread, talk)
        if text is not None and self._state.thread == thread and self._state.mode == "comment":
            self._turn_to("comment")
            self._composer.put(f"{self._composer.text}\n\n{text}\n\n".lstrip("\n"))
