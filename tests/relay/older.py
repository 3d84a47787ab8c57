"""Databases as older versions of the relay wrote them."""

from typing import Any

from relay import tables

_TURNS = {2: "DROP TABLE letters", 3: "ALTER TABLE frames DROP COLUMN batch"}  # from that version to the one before


def turn_back(connection: Any, version: int) -> None:
    """Make the tables of an open database what that version wrote: the same without what came since."""
    for newer in range(tables.SCHEMA_VERSION, version, -1):
        connection.execute(_TURNS[newer])
    connection.execute(f"PRAGMA user_version={version}")
