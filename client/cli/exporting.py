# ruff: noqa: PTH123
"""`export`: a thread as text, byte for byte, to stdout or into a file."""

from client.cli.parse import Arguments
from client.cli.session import Session
from crdt.errors import DISK_FULL, FILE_UNREADABLE, OpenSeshError


def export(session: Session, arguments: Arguments) -> int:
    """Print the export, or write it into a new file."""
    out = session.out
    chosen = arguments.format or ("json" if out.as_json else "markdown")
    result = session.call("thread.export", thread=arguments.thread, format=chosen)
    if arguments.output is not None:
        _write(arguments.output, result["text"])
        if out.as_json:
            out.data({"id": result["id"], "format": chosen, "path": arguments.output})
        else:
            out.note(f"Written to {arguments.output}")
    elif out.as_json and chosen != "json":
        out.data(result)
    else:
        out.raw(result["text"])
    return 0


def _write(path: str, text: str) -> None:
    try:
        with open(path, "xb") as file:
            file.write(text.encode())
    except FileExistsError:
        raise FILE_UNREADABLE(f"{path} exists already.", next="Give another name, or remove it first.") from None
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: str, error: OSError) -> OpenSeshError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DISK_FULL(path=path)
    return FILE_UNREADABLE(f"{path} can't be written: {error.strerror}.", path=path)
