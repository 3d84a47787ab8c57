"""`opensesh`, with the stand-in of `fake_node_process.py` for the node that it starts."""

import sys
from pathlib import Path

import opensesh
from client import starting

starting.node_command = lambda: [sys.executable, "-P", str(Path(__file__).with_name("fake_node_process.py"))]
sys.exit(opensesh.main())
