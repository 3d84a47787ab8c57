"""Ways for bytes to reach another device or the relay; see `base.py` for what all of them promise.

Empty on purpose: `relay.py` brings aiohttp and `lan.py` brings TLS, and each is loaded where it is used.
"""
