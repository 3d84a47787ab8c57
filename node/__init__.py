"""The node: the daemon on a device. Storage, sync, model runs, and the local API."""
