"""Sharing threads with other people: links, who comes by them, rights, and what follows from a removal."""
