"""The node's local API: one table of operations, the unix-socket server that carries it, and where the socket is."""
