"""Which version of OpenSesh this is."""

from importlib import metadata

# A checkout that was never installed has no metadata to ask.
UNINSTALLED = "0.1.0"


def version() -> str:
    """The installed distribution's version."""
    try:
        return metadata.version("opensesh")
    except metadata.PackageNotFoundError:
        return UNINSTALLED
