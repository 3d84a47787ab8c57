"""Commands on control."""

from client.cli.verb import Argument, Verb
from client.cli.verbs.common import THREAD

CONTROL = (
    Verb(
        "control",
        "Say who drives a thread or a terminal; ask for it, give it, take it back.",
        THREAD,
        Argument("terminal", "TERMINAL", "one of its terminals: its id, or a unique beginning of it", "--terminal"),
        Argument("request", "", "ask for control", "--request", kind="flag"),
        Argument("text", "TEXT", "with --request: why", "--text"),
        Argument("withdraw", "", "ask no more", "--withdraw", kind="flag"),
        Argument("grant", "WHO", "give control, as whoever runs it", "--grant"),
        Argument("hand", "WHO", "hand on what you drive", "--hand"),
        Argument("revoke", "", "take it from whoever drives", "--revoke", kind="flag"),
        Argument("take", "", "drive it yourself again", "--take", kind="flag"),
        Argument("type_only", "WHO", "let them type while another drives and presses Enter", "--type-only"),
        Argument("watch_only", "WHO", "let them type no more", "--watch-only"),
        group="together",
        operations=("control.show", "control.set"),
        run="control:control",
        examples=("opensesh control k3v9", "opensesh control k3v9 --request", "opensesh control k3v9 --grant Ben"),
        detail="One person drives; of a thread it is the owner at first. WHO is a name, a device of theirs, or an id."
        " Who is made to type only, or loses the right to edit, drives no more.",
        json='{"thread", "terminal", "driver": {"identity", "name", "me"}, "since", "typing", "requests"}',
    ),
)
