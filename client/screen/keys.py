"""Key bindings, made from the table of commands."""

from collections.abc import Callable

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from client.screen.commands import COMMANDS


def bindings(do: Callable[[str], None], composer: Buffer) -> KeyBindings:
    """`do` is called with the name of the command whose key was pressed."""
    conditions = {
        "": Condition(lambda: True),
        "is_empty": Condition(lambda: not composer.text),
        "at_first_line": Condition(lambda: composer.document.cursor_position_row == 0),
        "at_last_line": Condition(lambda: composer.document.cursor_position_row == composer.document.line_count - 1),
    }
    made = KeyBindings()
    for command in COMMANDS:
        for keys in command.keys:
            made.add(*keys, filter=conditions[command.when])(_binding(do, command.name))
    return made


def _binding(do: Callable[[str], None], name: str) -> Callable[[KeyPressEvent], None]:
    def pressed(event: KeyPressEvent) -> None:
        do(name)

    return pressed
