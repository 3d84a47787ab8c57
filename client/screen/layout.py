"""Where things are on the screen: header, sidebar and conversation, notice, status, composer, help.

A pane draws itself in the size it is given, so nothing here counts rows: the composer takes what it needs, the
conversation what is left.
"""

import time
from collections.abc import Callable

from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.data_structures import Point, Size
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, Container, Dimension, HSplit, Layout, VSplit, Window
from prompt_toolkit.layout.controls import BufferControl, UIContent, UIControl
from prompt_toolkit.layout.processors import (
    AfterInput,
    ConditionalProcessor,
    Processor,
    Transformation,
    TransformationInput,
)

from client.cli.text import clean
from client.screen import render, sidebar, status
from client.screen.choosing import MODES
from client.screen.commands import help_line
from client.screen.panel import panel
from client.screen.standing import lock
from client.screen.state import State
from client.screen.styled import Line

MAX_COMPOSER = 10
_PROMPTS = {
    "": "› ",
    "rename": "title› ",
    "comment": "comment› ",
    "answer": "answer› ",
    "draft": "draft› ",
    "join": "link› ",
    **MODES,
}
_HINTS = {
    "": "Ask something",
    "comment": "about what is marked; “3-5: …” is about its lines",
    "answer": "to what is marked",
    "draft": "all who may edit write this together",
    "join": "opensesh://…",
    "people": "a part of a name, or of what to do",
}
Draw = Callable[[int, int], list[Line]]


class Pane(UIControl):
    """Lines drawn for the size there is; `columns` and `height` are those of the last drawing."""

    def __init__(self, draw: Draw) -> None:
        self.columns, self.height = 80, 20
        self._draw = draw

    def create_content(self, width: int, height: int) -> UIContent:
        """Draw."""
        self.columns, self.height = max(1, width), max(1, height)
        lines = self._draw(self.columns, self.height)

        def line(number: int) -> StyleAndTextTuples:
            return list(lines[number])

        return UIContent(line, line_count=len(lines), cursor_position=Point(0, 0), show_cursor=False)


class Harmless(Processor):
    """What is pasted may come from anybody: each character a terminal would obey or hide is shown as a mark."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """The same number of characters, so that the cursor stands where it should."""
        return Transformation(
            [(style, clean(text).replace("\t", " ")) for style, text, *_ in transformation_input.fragments]
        )


class Places:
    """The layout, and the pane of the conversation, whose size scrolling needs."""

    def __init__(self, state: Callable[[], State], composer: Buffer) -> None:
        self._state = state
        self.conversation = Pane(lambda columns, height: _middle(state(), columns, height))
        side = Pane(lambda columns, height: sidebar.sidebar(state(), columns, height, time.time()))
        is_wide = Condition(lambda: _size().columns >= render.NARROW and not state().alone)
        is_locked = Condition(lambda: state().is_locked and not state().mode)
        talk = VSplit([Window(width=1), Window(self.conversation), Window(width=1)])
        listing = Window(side, width=lambda: sidebar.columns_of(_size().columns))
        divided = VSplit([listing, Window(width=1, char="│", style="class:line")])
        field = self._composer(composer)
        rows: list[Container] = [
            _one_line(lambda columns: render.header(state(), columns)),
            VSplit([ConditionalContainer(divided, is_wide), talk]),
            self._notice(),
            _one_line(lambda columns: status.status(state(), columns, time.time())),
            ConditionalContainer(field, ~is_locked | Condition(lambda: bool(composer.text))),
            ConditionalContainer(self._lock(), is_locked),
            _one_line(self._help),
        ]
        self.layout = Layout(HSplit(rows), focused_element=field)

    def _composer(self, buffer: Buffer) -> Window:
        def prefix(line: int, wrapped: int) -> StyleAndTextTuples:
            mark = _PROMPTS[_use(self._state())]
            return [("class:prompt", mark if line == 0 and wrapped == 0 else " " * len(mark))]

        def hint() -> StyleAndTextTuples:
            return [("class:dim", _HINTS.get(_use(self._state()), ""))]

        def height() -> Dimension:
            return Dimension(min=1, max=max(1, min(MAX_COMPOSER, _size().rows // 3)))

        hinted = ConditionalProcessor(AfterInput(hint), Condition(lambda: not buffer.text))
        return Window(
            BufferControl(buffer, input_processors=[Harmless(), hinted]),
            height=height,
            dont_extend_height=True,
            wrap_lines=True,
            get_line_prefix=prefix,
        )

    def _notice(self) -> Container:
        def height() -> Dimension:
            return Dimension.exact(len(render.notice(self._state(), _size().columns)))

        window = Window(Pane(lambda columns, _: render.notice(self._state(), columns)), height=height)
        return ConditionalContainer(window, Condition(lambda: bool(self._state().notice or self._state().told)))

    def _lock(self) -> Window:
        def lines(columns: int, _: int) -> list[Line]:
            return [(("class:lock", line),) for line in lock(self._state(), columns)]

        return Window(Pane(lines), height=lambda: Dimension.exact(len(lines(_size().columns, 0))))

    def _help(self, columns: int) -> Line:
        state = self._state()
        return (("class:help", help_line(columns, state.mode, state.run is not None, _may(state))),)


def _middle(state: State, columns: int, height: int) -> list[Line]:
    if state.mode == "people" and not state.helping:
        return panel(state, columns, height, time.time())
    return render.conversation(state, columns, height)


def _may(state: State) -> str:
    return "write" if not state.is_locked else "comment" if state.company.may("commenter") else "read"


def _use(state: State) -> str:
    """What is written in the composer."""
    is_answer = state.mode == "comment" and state.spot is not None and state.spot.talk
    return "answer" if is_answer else state.mode


def _one_line(draw: Callable[[int], Line]) -> Window:
    return Window(Pane(lambda columns, _: [draw(columns)]), height=1)


def _size() -> Size:
    return get_app().output.get_size()
