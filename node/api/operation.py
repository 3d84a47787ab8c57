"""What one operation of the local API is, and how a call of it is spelt as an HTTP request.

Relies on `crdt.errors` and nothing else, not even `typing`: the command line imports this on every
call, where each millisecond of imports is a millisecond of `opensesh list`.
"""

from crdt.errors import ErrorKind

# How a parameter's value is checked. "thread" is an id, a unique prefix or an exact title, resolved by
# the node; "path" is absolute, since the node's working folder is nobody's business; a "secret" is
# never put into a URL, a log or an error; a "yes" must be true, and says that one means it; "any" is
# a JSON scalar or a list of texts.
TYPES = ("text", "thread", "device", "path", "secret", "integer", "number", "boolean", "yes", "any")
PLACES = ("path", "query", "body")

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~")


class Parameter:
    """One named input. `choices` lists the only values allowed; `maximum` bounds a number, or a text's characters."""

    __slots__ = ("choices", "default", "doc", "maximum", "name", "place", "required", "type")

    def __init__(
        self,
        name: str,
        type: str,
        doc: str,
        *,
        place: str = "body",
        required: bool = False,
        default: object = None,
        choices: tuple[str, ...] = (),
        maximum: int | None = None,
    ) -> None:
        assert type in TYPES and place in PLACES, name
        assert not (type == "secret" and place != "body"), f"{name}: a secret travels in the body only"
        self.name, self.type, self.doc, self.place = name, type, doc, place
        self.required, self.default, self.choices, self.maximum = required, default, choices, maximum


class Operation:
    """One row of the table.

    `result` is the shape of the answer: a dict of key → short description, nested as the JSON is. A
    key ending in "?" may be absent or null. More keys may be there, never fewer.
    Of a `stream`, `result` maps each line's `type` to the shape of that line ("*" for any other type);
    `last` names the types that end it well. Any stream may end instead with
    `{"type": "error", "error": {…}}`.
    An operation that `waits` changes nothing and is given up when its client leaves.
    """

    __slots__ = (
        *("name", "method", "path", "segments", "summary", "parameters", "result", "errors"),
        *("stream", "last", "waits"),
    )

    def __init__(
        self,
        name: str,
        method: str,
        path: str,
        summary: str,
        *parameters: Parameter,
        result: dict[str, object],
        errors: tuple[ErrorKind, ...] = (),
        stream: bool = False,
        last: tuple[str, ...] = (),
        waits: bool = False,
    ) -> None:
        self.name, self.method, self.path, self.summary = name, method, path, summary
        self.parameters, self.result, self.errors = parameters, result, errors
        self.stream, self.last, self.waits = stream, last, waits
        self.segments = tuple(path.strip("/").split("/"))
        placeholders = {segment[1:-1] for segment in self.segments if segment.startswith("{")}
        assert placeholders == {parameter.name for parameter in parameters if parameter.place == "path"}, name

    def parameter(self, name: str) -> Parameter | None:
        """The parameter of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


def format_path(operation: Operation, values: dict[str, object]) -> str:
    """The request target: path with its placeholders filled, then the query. A value of None is left out.

    Raises `ValueError` naming a path parameter that is missing or empty.
    """
    segments = []
    for segment in operation.segments:
        if segment.startswith("{"):
            value = values.get(segment[1:-1])
            if value is None or value == "":
                raise ValueError(f"{segment[1:-1]} is missing")
            segment = quote(str(value))
        segments.append(segment)
    pairs = []
    for parameter in operation.parameters:
        value = values.get(parameter.name)
        if parameter.place == "query" and value is not None:
            text = ("true" if value else "false") if isinstance(value, bool) else str(value)
            pairs.append(f"{parameter.name}={quote(text)}")
    return "/" + "/".join(segments) + ("?" + "&".join(pairs) if pairs else "")


def body_of(operation: Operation, values: dict[str, object]) -> dict[str, object]:
    """What of `values` travels as the JSON body. Raises `ValueError` for a name the operation doesn't have."""
    body = {}
    for name, value in values.items():
        parameter = operation.parameter(name)
        if parameter is None:
            raise ValueError(f"{operation.name} has no parameter {name}")
        if parameter.place == "body" and value is not None:
            body[name] = value
    return body


def quote(text: str) -> str:
    """Percent-encode everything but letters, digits, `-`, `_`, `~`; dots too, so that no title reads as `..`."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def unquote(text: str) -> str:
    """Undo `quote`. Raises `ValueError` for a broken escape or for bytes that are not UTF-8."""
    head, *rest = text.split("%")
    raw = bytearray(head.encode())
    for part in rest:
        if len(part) < 2 or not all(digit in "0123456789abcdefABCDEF" for digit in part[:2]):
            raise ValueError("broken percent escape")
        raw.append(int(part[:2], 16))
        raw += part[2:].encode()
    return raw.decode()
