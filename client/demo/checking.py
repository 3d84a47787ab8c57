"""What the demonstration claims is checked, and it fails by name."""

from crdt.errors import DEMO_FAILED


def check(holds: bool, otherwise: str) -> None:
    """Raise DEMO_FAILED unless it holds."""
    if not holds:
        raise DEMO_FAILED(f"A step of the demonstration did not hold: {otherwise}.")
