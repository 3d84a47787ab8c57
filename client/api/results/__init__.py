"""What the Python API gives back: one frozen type per shape of `docs/api.md`, area by area.

A newer node may send more than these types know; that is ignored. Times are aware, in UTC.
"""
