"""The version of this installation, as `status` and `--version` give it."""

from importlib import metadata

try:
    VERSION = metadata.version("opensesh")
except metadata.PackageNotFoundError:  # run from a checkout that is not installed
    VERSION = "0+checkout"
