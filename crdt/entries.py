"""The root maps of a lane's document, and the entries in them, which are maps of plain values."""

from typing import Any

import pycrdt


def root(doc: "pycrdt.Doc[Any]", name: str) -> "pycrdt.Map[Any]":
    """The root map of that name."""
    found: pycrdt.Map[Any] = doc.get(name, type=pycrdt.Map)
    return found


def entry(doc: "pycrdt.Doc[Any]", of: str, name: str) -> "pycrdt.Map[Any] | None":
    """An entry of a root map; None if there is none. Its fields are to be read one by one: there may be any number of
    others in it."""
    found = root(doc, of).get(name)
    return found if isinstance(found, pycrdt.Map) else None
