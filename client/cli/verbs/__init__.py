"""The rows of the commands, one file an area."""
