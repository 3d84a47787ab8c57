"""Write the pinned bytes anew: `python -m tests.vectors.make`.

A change in a file here is a change of the protocol. Two versions that differ in one can't work together.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.vectors import live, primitives, signed, spoken

HERE = Path(__file__).parent
FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "ids": primitives.of_ids,
    "keys": primitives.of_keys,
    "words": primitives.of_words,
    "devices": signed.of_devices,
    "envelopes": signed.of_envelopes,
    "records": signed.of_records,
    "thread": signed.of_thread,
    "endorsement": signed.of_endorsement,
    "invites": signed.of_invites,
    "terminals": spoken.of_terminals,
    "presence": live.of_presence,
    "relay": spoken.of_relay,
    "neighbours": spoken.of_neighbours,
    "pairing": spoken.of_pairing,
}


def text(name: str) -> str:
    """What the file of that name has to hold."""
    return json.dumps(FILES[name](), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in FILES:
        (HERE / f"{name}.json").write_text(text(name), encoding="utf-8")


if __name__ == "__main__":
    main()
