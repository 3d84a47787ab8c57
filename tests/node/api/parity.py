"""What any test needs to hold something against the table of operations."""

from typing import Any

from node.api.operation import Operation
from node.api.operations import OPERATIONS


def differences(names: set[str]) -> list[str]:
    """How a set of operation names (of handlers, methods, documented sections) differs from the table."""
    missing = [f"{name} is missing" for name in sorted(set(OPERATIONS) - names)]
    return missing + [f"{name} is no operation" for name in sorted(names - set(OPERATIONS))]


def shape_faults(shape: object, value: Any, where: str = "result") -> list[str]:
    """Where a value lacks a key that the table promises. Texts in a shape stand for any scalar."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        faults = []
        for key, inner in shape.items():
            name = key.removesuffix("?")
            if name in value and (value[name] is not None or not key.endswith("?")):
                faults += shape_faults(inner, value[name], f"{where}.{name}")
            elif not key.endswith("?"):
                faults.append(f"{where}.{name} is missing")
        return faults
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{where} is no list"]
        return [
            fault for index, item in enumerate(value) for fault in shape_faults(shape[0], item, f"{where}[{index}]")
        ]
    return []


def line_faults(operation: Operation, line: dict[str, Any]) -> list[str]:
    """As `shape_faults`, for one line of a stream."""
    kind = line.get("type")
    if kind == "error":
        return shape_faults({"error": {"code": "", "name": "", "message": "", "next": "", "details": ""}}, line)
    shape = operation.result.get(str(kind), operation.result.get("*"))
    if shape is None:
        return [f"{operation.name} has no line of type {kind}"]
    return shape_faults(shape, line, str(kind))
