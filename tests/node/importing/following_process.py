"""A node that follows a folder until it is killed: `python following_process.py DATA PLACE`."""

import asyncio
import sys
from pathlib import Path

from tests.node.importing.installation import Installation


async def main(data: Path, place: str) -> None:
    """Follow, and say on stdout how many messages there are whenever that has changed."""
    here = await Installation.start(data)
    follows = here.follows(data)
    await follows.start()
    await follows.add(place)
    told = -1
    while True:
        number = len(await here.texts())
        if number != told:
            told = number
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()
        await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
