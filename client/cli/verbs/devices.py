"""Commands on devices, pairing and recovery."""

from client.cli.verb import Argument, Verb
from client.cli.verbs.common import ACCESS_FILE, DEVICE, PHRASE, RELAY, TIMEOUT

DEVICES = (
    Verb(
        "pair",
        "Show a code for another device, or join the device that shows one.",
        Argument("code", "CODE", "the code or link the other device shows; `-` reads standard input"),
        RELAY,
        Argument(
            "phrase", "", "read this device's recovery words from standard input", "--phrase-stdin", kind="secret"
        ),
        Argument("yes", "", "let the other device in without asking", "--yes", kind="flag"),
        Argument("confirm", "", "wait for a yes even where nobody can be asked", "--confirm", kind="flag"),
        TIMEOUT,
        group="devices",
        operations=("pair.show", "pair.join", "pair.confirm"),
        run="pairing:pair",
        json='first {"type": "pair.code", "code", "link?", "expires_at"}, of the device that shows the code\n'
        'then {"type": "pair.joining", "device": {"name"}}\n'
        'last {"type": "pair.done", "paired": {"device": {"id", "name"}, "identity", "threads": <count>}}',
        examples=("opensesh pair", "opensesh pair 6-diet-eagle"),
        detail="Both devices then have one identity and all threads of both. A wrong code burns the code. On a"
        " terminal the device that joins is named and asked about; elsewhere, and with --json, knowing the code is"
        " enough unless --confirm is given. The words are needed to join if this device has threads and its words"
        " are confirmed.",
    ),
    Verb(
        "devices list",
        "List your devices.",
        group="devices",
        operations=("device.list",),
        text="devices:listed",
        examples=("opensesh devices",),
    ),
    Verb(
        "devices admit",
        "Let the device in that asks to join, or turn it away.",
        Argument("decline", "", "turn it away", "--decline", kind="flag"),
        group="devices",
        operations=("pair.confirm",),
        run="pairing:admit",
        examples=("opensesh devices admit", "opensesh devices admit --decline"),
        detail="For a code shown by `opensesh pair --confirm`, or by the screen.",
    ),
    Verb(
        "devices rename",
        "Give a device another name.",
        DEVICE,
        Argument("name", "NAME", "the new name", required=True),
        group="devices",
        operations=("device.rename",),
        text="devices:renamed",
        examples=("opensesh devices rename laptop old-laptop",),
    ),
    Verb(
        "devices revoke",
        "Cut a device off in every thread, and replace every key.",
        DEVICE,
        PHRASE,
        group="devices",
        operations=("device.revoke",),
        text="devices:revoked",
        examples=("opensesh devices revoke old-laptop",),
        detail="To end a device that is older than this one takes the recovery words.",
    ),
    Verb(
        "whoami",
        "Say who this installation is.",
        group="devices",
        operations=("identity.whoami",),
        text="devices:myself",
        examples=("opensesh whoami",),
    ),
    Verb(
        "recovery show",
        "Print the recovery words, until they are confirmed.",
        group="devices",
        operations=("recovery.show",),
        text="devices:phrase",
        examples=("opensesh recovery show",),
    ),
    Verb(
        "recovery confirm",
        "Say that the words are written down; they are then erased here.",
        PHRASE,
        group="devices",
        operations=("recovery.confirm",),
        text="devices:confirmed",
        examples=("opensesh recovery confirm", "opensesh recovery confirm --phrase-stdin < words"),
    ),
    Verb(
        "recovery restore",
        "Bring everything back from the words and a relay alone.",
        PHRASE,
        Argument("relay", "URL", "the relay's address", "--relay", required=True),
        ACCESS_FILE,
        TIMEOUT,
        group="devices",
        operations=("recovery.restore",),
        text="devices:recovered",
        examples=("opensesh recovery restore --phrase-stdin --relay wss://relay.example:8765 < words",),
    ),
)
