"""`opensesh bench`: what it costs on this machine, measured from outside through the public command line."""
