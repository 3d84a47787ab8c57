"""Sessions of other coding agents, read as they lie on disk: bytes in, neutral records out.

`reader` turns the bytes of one transcript into events (`records`), whole or piece by piece; `follow`
watches the folders in which those tools write and says what was appended. Nothing here knows
threads, storage or networks: the node turns events into commits.
"""
