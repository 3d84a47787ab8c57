"""Measurements that need more people than a machine has room for nodes: real keys and a real store, one process."""
