"""The pure core: what a thread is, who may change it, and how peers agree on it.

A thread is a set of *lanes*. Each lane has exactly one rule for who may write it, and grows by
*envelopes*: signed, encrypted, numbered and hash-chained units of change. `replica.py` is the one
door through which both local and remote changes enter; `membership.py` folds the governance lanes
into who may do what; `frames.py` is what travels. Nothing in here does I/O, reads a clock or draws
randomness of its own: time, entropy and keys are handed in.

This module stays empty on purpose: the relay imports `crdt.wire` and must not load pycrdt with it.
"""
