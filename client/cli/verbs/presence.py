"""Commands on who is here."""

from client.cli.verb import Argument, Verb
from client.cli.verbs.common import THREAD

PRESENCE = (
    Verb(
        "who",
        "Say who is in a thread right now, and what they look at.",
        THREAD,
        group="together",
        operations=("presence.show",),
        text="presence:people",
        examples=("opensesh who k3v9", "opensesh who k3v9 --json"),
    ),
    Verb(
        "look",
        "Say what you look at in a thread, for half a minute.",
        THREAD,
        Argument("place", "PLACE", "message, terminal or draft", "--at", choices=("message", "terminal", "draft")),
        Argument("id", "ID", "of the message or terminal", "--id"),
        Argument("cursor", "N", "place in the draft, in characters", "--cursor", kind="integer"),
        Argument("writing", "", "you write there", "--writing", kind="flag"),
        Argument("state", "STATE", "active, away or leaving", "--state", choices=("active", "away", "leaving")),
        group="together",
        operations=("presence.set",),
        text="presence:looked",
        examples=("opensesh look k3v9 --at draft --cursor 12 --writing", "opensesh look k3v9 --state leaving"),
        detail="`opensesh watch THREAD` shows you as well, for as long as it runs.",
    ),
)
