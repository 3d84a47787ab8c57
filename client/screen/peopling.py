"""What a person does on the people's panel: change roles, share, join, leave, ask for control or give it."""

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Final

import msgspec

from client.api.node import Node
from client.cli.sentences import EXPIRES_S, LEFT, NOT_VERIFIED, decided, lets_in, put_out, raised, waiting
from client.screen.around import Around
from client.screen.choosing import queried
from client.screen.clipboard import osc_52
from client.screen.composer import Composer
from client.screen.feed import Feed
from client.screen.gathering import Gatherer
from client.screen.page import NOWHERE, Choice, Page
from client.screen.pages import BACK, SECRETS_TOO, picked
from client.screen.previewing import found, previewed
from client.screen.state import State
from client.screen.text import settled_line

JOIN_S: Final = 30.0  # how long an answer is waited for; asking goes on after it
Work = Coroutine[Any, Any, None]


class Peopling:
    """`turn_to` uses the composer for something else, as `Actions` does."""

    def __init__(
        self,
        screen: Around,
        composer: Composer,
        node: Node,
        feed: Feed,
        gatherer: Gatherer,
        turn_to: Callable[[str], None],
    ) -> None:
        self._screen, self._composer, self._node, self._feed = screen, composer, node, feed
        self._gatherer, self._turn_to = gatherer, turn_to
        self._try = gatherer.try_
        self._works: dict[str, Callable[[str, Choice], Work]] = {
            "permit": self._permit, "give": self._give, "take": self._take, "ask": self._ask,
            "withdraw": self._withdraw, "out": self._kick, "left": self._leave, "words": self._words,
            "same": self._verify, "differ": self._verify, "admit": self._decide, "decline": self._decide,
            "preview": self._preview, "share": self._share, "links": self._links, "closed": self._close,
        }  # fmt: skip

    @property
    def _state(self) -> State:
        return self._screen.state

    # ---- moving about

    def turn(self) -> None:
        """Open the panel, or close it."""
        self._gatherer.opened()
        self._screen.put(replace(self._state, page=NOWHERE))
        self._turn_to("people")

    def back(self) -> bool:
        """To the page before; False if this is the first one."""
        kind = BACK[self._state.page.kind]
        if kind:
            page = self._state.page
            self._show(Page(kind, page.who, page.name) if kind == "person" else Page(kind))
        return bool(kind)

    def choose(self) -> None:
        """Do what is picked."""
        choice, state = picked(self._state), self._state
        if choice is None:
            return
        if choice.do == "back":
            self.back()
        elif choice.do == "join":
            self._turn_to("join")
        elif choice.do == "copy":
            self._copy()
        elif state.thread is not None and choice.do in self._works:
            self._screen.later(self._works[choice.do](state.thread, choice))
        else:
            self._show(Page(choice.do, choice.who, choice.value))

    def _show(self, page: Page, told: str = "") -> None:
        self._composer.clear()
        self._screen.put(replace(queried(self._state, ""), page=page, picked=0, told=told))

    def _land(self, page: Page, thread: str, told: str = "") -> None:
        """Show what the node answered, if the panel is still open on that thread."""
        if self._state.mode == "people" and self._state.thread == thread:
            self._show(page, told)
        elif told:
            self._screen.put(replace(self._state, told=told))

    # ---- members

    async def _permit(self, thread: str, choice: Choice) -> None:
        done = await self._try(self._node.permit(thread, choice.who, choice.value))
        if done is not None:
            self._land(NOWHERE, thread, raised(settled_line(done.name), done.permission))

    async def _kick(self, thread: str, choice: Choice) -> None:
        done = await self._try(self._node.kick(thread, choice.who, hard=choice.value == "hard"))
        if done is not None:
            self._land(NOWHERE, thread, put_out(settled_line(done.name)))

    async def _leave(self, thread: str, choice: Choice) -> None:
        async def left() -> bool:
            await self._node.leave(thread)
            return True

        if await self._try(left()):
            self._turn_away(thread)
            self._screen.put(replace(self._state, told=f"{LEFT}."))
            self._feed.refresh()

    def _turn_away(self, thread: str) -> None:
        if self._state.mode == "people" and self._state.thread == thread:
            self._turn_to("people")

    async def _words(self, thread: str, choice: Choice) -> None:
        shown = await self._try(self._node.verify(thread, choice.who))
        if shown is not None:
            name = settled_line(shown.name)
            lines = (("class:bold", f"{name}: {settled_line(shown.words)}"), ("class:bold", f"you: {shown.own_words}"))
            self._land(Page("words", choice.who, name, told=lines), thread)

    async def _verify(self, thread: str, choice: Choice) -> None:
        shown = await self._try(self._node.verify(thread, choice.who, choice.do == "same"))
        if shown is not None:
            told = f"{settled_line(shown.name)} is verified." if shown.verified else NOT_VERIFIED
            self._land(NOWHERE, thread, told)

    async def _decide(self, thread: str, choice: Choice) -> None:
        state = await self._try(self._node.decide(choice.who, choice.do == "admit"))
        if state is not None:
            self._land(NOWHERE, thread, decided(settled_line(state)))

    # ---- who drives

    async def _give(self, thread: str, choice: Choice) -> None:
        action = "grant" if self._state.company.role == "owner" else "hand"
        await self._control(thread, action, choice.who)

    async def _take(self, thread: str, choice: Choice) -> None:
        await self._control(thread, "take")

    async def _ask(self, thread: str, choice: Choice) -> None:
        await self._control(thread, "request")

    async def _withdraw(self, thread: str, choice: Choice) -> None:
        await self._control(thread, "withdraw")

    async def _control(self, thread: str, action: str, who: str | None = None) -> None:
        done = await self._try(self._node.set_control(thread, action, who))
        if done is not None:
            driver = "You drive." if done.driver.me else f"{settled_line(done.driver.name)} drives."
            asked = "You asked for control. " if action == "request" else ""
            self._land(NOWHERE, thread, asked + driver)

    # ---- links

    async def _preview(self, thread: str, choice: Choice) -> None:
        shown = await self._try(self._node.preview_share(thread))
        if shown is not None:
            page = Page("preview", role=choice.value, told=previewed(shown), is_risky=shown.secrets > 0)
            self._land(page, thread)

    async def _share(self, thread: str, choice: Choice) -> None:
        agreed = choice.who == SECRETS_TOO
        made = await self._try(self._node.share(thread, choice.value, expires_s=EXPIRES_S, allow_secrets=agreed))
        if made is not None:
            told = lets_in(made.uses, made.permission, made.expires_at)
            self._land(Page("link", told=(("", told),), link=settled_line(made.link)), thread)

    async def _links(self, thread: str, choice: Choice) -> None:
        shown = await self._try(self._node.shares(thread))
        if shown is not None:
            rows = [msgspec.to_builtins(each) for each in shown.shares]
            self._land(Page("links", choices=found(rows)), thread)

    async def _close(self, thread: str, choice: Choice) -> None:
        async def closed() -> bool:
            await self._node.unshare(choice.who)
            return True

        if await self._try(closed()):
            self._land(NOWHERE, thread, "The link lets nobody in any more.")

    def _copy(self) -> None:
        if (sequence := osc_52(self._state.page.link)) is not None:
            self._screen.control(sequence)
            self._screen.put(replace(self._state, told="The link was given to the terminal's clipboard."))

    # ---- joining

    async def join(self, link: str) -> None:
        """Come into somebody's thread."""
        self._screen.put(replace(self._state, told="Asking to be let in …"))
        joined = await self._try(self._node.join(link, timeout_s=JOIN_S))
        if joined is None:
            self._screen.put(replace(self._state, told=""))
        elif joined.state == "admitted":
            self._screen.put(replace(self._state, told=f"You are in, as {settled_line(joined.permission)}."))
            self._feed.refresh()
            await self._feed.open(joined.thread)
        else:
            what = settled_line(joined.waiting_for or "an answer")
            self._screen.put(replace(self._state, told=waiting(what)))
