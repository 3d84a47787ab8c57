"""Model runs: the pure turn machine, who runs it, and the processes that talk to models.

Pure: `turn` and its words in `steps`, `lease`, `context`, `guide`, `names`, `redact`, and the frames of
`pipe`. `driver`, with `calls`, `pump`, `inbox` and `feed`, performs what a turn decides against the
interfaces in `ports`. `models` with `worker_process` and `worker` with `trouble` are the two ends of one
pipe; `providers` knows which models there are.
"""
