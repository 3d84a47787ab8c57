"""The node's database, file by file: what is stored, how it is sealed, how it is written and read.

`node.store` is the door; nothing else in the node imports from here except the row types in `rows`.
"""
