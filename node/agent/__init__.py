"""Model runs: the pure turn machine, who runs it, and the processes that talk to models.

`turn`, `lease`, `context`, `guide` and `redact` are pure; `driver` and `runtime` perform what they
decide against the interfaces in `ports`; `models` and `worker` are the two ends of one pipe.
"""
