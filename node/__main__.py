"""`python -m node`: one node in the foreground, for the home that the environment names.

Takes no arguments and prints nothing but, on stderr, the error that kept it from starting as one line of
JSON: whoever started it reads it there.
"""

import asyncio
import json
import os
import sys

from crdt.errors import OpenSeshError
from node.api.failures import error_body, failure_of
from node.home import Home


def main() -> int:
    """Run until stopped; the exit code."""
    os.umask(0o077)
    try:
        with Home.of() as home:
            from node.daemon import Daemon

            asyncio.run(Daemon(home).run())
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        failure = error if isinstance(error, OpenSeshError) else failure_of(error, "start")
        print(json.dumps(error_body(failure)), file=sys.stderr)
        return failure.kind.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
