"""Commands on shared terminals."""

from client.cli.verb import Argument, Verb
from client.cli.verbs.common import THREAD

_TERMINAL = Argument("terminal", "TERMINAL", "its id, or a unique beginning of it", required=True)
_COLUMNS = Argument("columns", "N", "its width in characters (default: as here, or 80)", "--columns", kind="integer")
_ROWS = Argument("rows", "N", "its height in lines (default: as here, or 24)", "--rows", kind="integer")

TERMINALS = (
    Verb(
        "run",
        "Run a program in a terminal that the thread's members see.",
        THREAD,
        Argument("command", "COMMAND", "the program and its arguments, after `--`", required=True, many=True),
        Argument("folder", "DIR", "run it there (default: here)", "--folder", kind="path"),
        Argument("detach", "", "only start it, and print the terminal's id", "--detach", kind="flag"),
        _COLUMNS,
        _ROWS,
        group="terminals",
        operations=("terminal.run", "terminal.watch", "terminal.input", "terminal.resize"),
        run="terminals:run",
        json='{"terminal", "thread"}, and it returns at once',
        examples=("opensesh run k3v9 -- bash", "opensesh run k3v9 --detach -- make test"),
        detail="On a terminal it is attached at once: Ctrl-] d detaches, the program goes on; its exit code is this"
        " command's. Every member of the thread sees what it shows; only who controls it types.",
    ),
    Verb(
        "attach",
        "Watch a terminal of a thread, and type into it if you control it.",
        THREAD,
        Argument("terminal", "TERMINAL", "its id (default: the newest that runs, or else the newest)"),
        Argument("fit", "", "give it the size of this window, now and as it changes", "--fit", kind="flag"),
        group="terminals",
        operations=("terminal.watch", "terminal.input", "terminal.resize"),
        run="terminals:attach",
        json="a line for each event: terminal.screen, terminal.changed, …, terminal.ended",
        examples=("opensesh attach k3v9", "opensesh attach k3v9 --json"),
        detail="Ctrl-] d detaches; Ctrl-] twice types one. Elsewhere than on a terminal it prints the text.",
    ),
    Verb(
        "terminals",
        "List a thread's terminals, oldest first.",
        THREAD,
        group="terminals",
        operations=("terminal.list",),
        text="terminals:listed",
        examples=("opensesh terminals k3v9", "opensesh terminals k3v9 --json"),
    ),
    Verb(
        "terminal type",
        "Type into a terminal, as a script does.",
        THREAD,
        _TERMINAL,
        Argument("text", "TEXT", "what is typed; `-` reads standard input"),
        Argument("enter", "", "press Enter, behind the text if there is one", "--enter", kind="flag"),
        group="terminals",
        operations=("terminal.input",),
        run="terminals:type_text",
        json='{"terminal", "thread"}',
        examples=('opensesh terminal type k3v9 4xq2 "make test" --enter',),
    ),
    Verb(
        "terminal resize",
        "Give a terminal another size.",
        THREAD,
        _TERMINAL,
        Argument("columns", "COLUMNS", "its width in characters", kind="integer", required=True),
        Argument("rows", "ROWS", "its height in lines", kind="integer", required=True),
        group="terminals",
        operations=("terminal.resize",),
        text="terminals:done",
        examples=("opensesh terminal resize k3v9 4xq2 120 40",),
    ),
    Verb(
        "terminal close",
        "End the program in a terminal.",
        THREAD,
        _TERMINAL,
        group="terminals",
        operations=("terminal.close",),
        text="terminals:done",
        examples=("opensesh terminal close k3v9 4xq2",),
    ),
)
