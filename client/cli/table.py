"""The one table of the commands: parsing, `--help`, shell completion and the parity test are made from it.

To add a command: a row in its area's file of `client/cli/verbs`, and the function it names. Its
operations have to be rows of `node/api/operations`; a test holds the two tables, and the Python API, together.
"""

from client.cli.verb import Verb
from client.cli.verbs.control import CONTROL
from client.cli.verbs.devices import DEVICES
from client.cli.verbs.discussion import DISCUSSION
from client.cli.verbs.models import MODELS
from client.cli.verbs.node import NODE
from client.cli.verbs.presence import PRESENCE
from client.cli.verbs.sharing import SHARING
from client.cli.verbs.sync import SYNC
from client.cli.verbs.terminals import TERMINALS
from client.cli.verbs.threads import THREADS

GROUPS = {
    "threads": "Threads",
    "together": "Working together",
    "terminals": "Terminals",
    "devices": "Devices",
    "sync": "Sync",
    "models": "Models",
    "node": "Node and data",
}

AREAS = (THREADS, SHARING, DISCUSSION, PRESENCE, CONTROL, TERMINALS, DEVICES, SYNC, MODELS, NODE)
VERBS: dict[str, Verb] = {verb.name: verb for area in AREAS for verb in area}

# The one word that stands for the first thing one wants of its group.
ALIASES = {"devices": "devices list", "sync": "sync status", "node": "node status", "config": "config list"}
