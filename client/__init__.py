"""The client: the command line, the terminal screen, and the public Python API."""
