"""What the node does for each operation of its API, one file per group of the table."""
