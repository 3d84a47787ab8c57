"""The public Python API: `async with opensesh.connect() as node: …` (`client/api/node.py`)."""
