"""Find credentials in a thread before any of it is shared (pure): `scan` for a text, `thread` for messages."""
