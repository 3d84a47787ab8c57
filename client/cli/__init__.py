"""The command line: thin, quick, and driven by one table (`client/cli/table.py`)."""
