"""Which version of OpenSesh this is."""

from importlib import metadata

# A checkout that was never installed has no metadata to ask. The node says the same (`node/version.py`).
UNINSTALLED = "0+checkout"


def version() -> str:
    """The installed distribution's version."""
    try:
        return metadata.version("opensesh")
    except metadata.PackageNotFoundError:
        return UNINSTALLED
