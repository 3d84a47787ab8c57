"""The front door: the console entry point. Imports what a command needs, when it needs it."""

import sys
from collections.abc import Sequence

from crdt import errors

USAGE = "usage: opensesh relay serve [--host HOST] [--port PORT] --data DIR [more: --help]"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 refused, 2 not understood, 130 interrupted)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:2] == ["relay", "serve"]:
        from relay.__main__ import main as serve

        return serve(words[2:])
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE)
        return 0
    error = errors.USAGE(next=USAGE)
    print(f"error {error.kind.code}: {error.message}\nnext: {error.kind.next}\n{USAGE}", file=sys.stderr)
    return error.kind.exit_code


if __name__ == "__main__":
    sys.exit(main())
