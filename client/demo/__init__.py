"""`opensesh demo`: the whole thing on this machine, checked step by step, through the public command line alone."""
