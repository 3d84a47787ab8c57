"""From an HTTP request to checked parameters: everything a caller could get wrong is found here.

For each row of the table one `msgspec` struct is built when it is first called, so that what a handler receives
has exactly the row's names and types, within bounds, with the row's defaults; an unknown name is refused.
"""

import functools
import os
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from aiohttp import http_exceptions, web
from msgspec import Meta

from crdt.errors import PERMISSION_DENIED, REQUEST_INVALID, TOO_LARGE
from crdt.ids import to_text
from node.api.operation import Operation, Parameter, unquote
from node.api.operations import OPERATIONS

MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_REFERENCE_CHARACTERS = 500
MAX_PATH_CHARACTERS = 4096
MAX_REQUEST_ID_CHARACTERS = 200
HOSTS = frozenset(("opensesh", "localhost"))


class Context(msgspec.Struct, frozen=True):
    """What a handler may know of a call besides its parameters.

    `client_request_id` is the caller's `Idempotency-Key`: the same id means the same request, sent again.
    """

    operation: str
    client_request_id: str | None = None

    def request_id(self) -> str:
        """The caller's, or one that is drawn with each call: then nobody can send it again."""
        return self.client_request_id or to_text(os.urandom(16))


def refuse_browsers(request: web.BaseRequest) -> None:
    """Raise PERMISSION_DENIED for a request that a web page could have caused, directly or by DNS rebinding.

    Our own clients name a host that no DNS answers for, and never send an Origin.
    """
    headers = request.headers
    if "Origin" in headers or any(name.lower().startswith("sec-fetch-") for name in headers):
        raise PERMISSION_DENIED("The local API doesn't answer web pages.", next="Use the command line or the API.")
    if headers.getall("Host", []) not in ([host] for host in HOSTS):
        raise PERMISSION_DENIED("The request was meant for another host.", next="Send the header Host: opensesh")


def context_of(request: web.BaseRequest, operation: Operation) -> Context:
    """The call's context. Raises REQUEST_INVALID for an unusable `Idempotency-Key`."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= MAX_REQUEST_ID_CHARACTERS and key.isascii() and key.isprintable()):
        raise REQUEST_INVALID("Idempotency-Key must be printable ASCII of at most 200 characters.")
    return Context(operation.name, key)


async def read_body(request: web.BaseRequest) -> bytes:
    """The whole body, at most `MAX_BODY_BYTES`. Raises TOO_LARGE or REQUEST_INVALID."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise REQUEST_INVALID("Compressed requests are not accepted.")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise TOO_LARGE(limit_bytes=MAX_BODY_BYTES)
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                raise TOO_LARGE(limit_bytes=MAX_BODY_BYTES)
    except (web.RequestPayloadError, http_exceptions.HttpProcessingError) as error:
        raise REQUEST_INVALID("The body is not sent as its headers say.") from error
    return bytes(body)


def parameters_of(operation: Operation, path_values: dict[str, str], query: str, body: bytes) -> Any:
    """The operation's parameters as attributes of one frozen struct. Raises REQUEST_INVALID, saying which is wrong."""
    shapes = _shapes(operation.name)
    try:
        values = msgspec.json.decode(body, type=shapes.body) if body.strip() else None
        body_values = {} if values is None else msgspec.structs.asdict(values)
        text_values = {**_query_values(operation, query), **path_values}
        # Texts become numbers and booleans here, so only what came as text goes through.
        texts = msgspec.convert(text_values, shapes.texts, strict=False)
        merged = {**msgspec.structs.asdict(texts), **body_values}
        for parameter in operation.parameters:
            merged[parameter.name] = _checked(parameter, merged.get(parameter.name, msgspec.UNSET))
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Neither says what a value was, only which name had what kind of it.
        raise REQUEST_INVALID(_explain(error), operation=operation.name) from error
    except ValueError as error:
        raise REQUEST_INVALID(f"{error}.", operation=operation.name) from error
    return shapes.call(**merged)


def _checked(parameter: Parameter, value: Any) -> Any:
    """The value, or the default where none was given. Raises `ValueError` with a sentence for the caller."""
    if value is msgspec.UNSET or (value is None and parameter.type != "any"):
        if parameter.required:
            raise ValueError(f"{parameter.name} is missing")
        return parameter.default
    if parameter.type == "yes" and value is not True:
        raise ValueError(f"{parameter.name} must be true")
    if parameter.type == "path" and (not value.startswith("/") or "\0" in value):
        raise ValueError(f"{parameter.name} must be an absolute path")
    return value


def _query_values(operation: Operation, query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        name = unquote(name)
        parameter = operation.parameter(name)
        if parameter is None or parameter.place != "query":
            raise ValueError(f"{operation.name} has no query parameter {name[:100]!r}")
        if name in values:
            raise ValueError(f"{name} is given twice")
        values[name] = unquote(value)
    return values


def _explain(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "The body is not UTF-8."
    if isinstance(error, RecursionError):
        return "The body is nested too deeply."
    return f"{error}."


def _type_of(parameter: Parameter) -> Any:
    kind = parameter.type
    if parameter.choices:
        return Literal[parameter.choices]
    if kind in ("thread", "device"):
        return Annotated[str, Meta(min_length=1, max_length=MAX_REFERENCE_CHARACTERS)]
    if kind == "path":
        return Annotated[str, Meta(min_length=1, max_length=MAX_PATH_CHARACTERS)]
    if kind in ("text", "secret"):
        return Annotated[str, Meta(max_length=parameter.maximum or MAX_BODY_BYTES)]
    if kind == "integer":
        return Annotated[int, Meta(ge=0, le=parameter.maximum or 2**53)]
    if kind == "number":
        return Annotated[float, Meta(ge=0, le=parameter.maximum or 2**53)]
    if kind in ("boolean", "yes"):
        return bool
    return str | bool | int | float | list[str] | None


def _struct(operation: Operation, suffix: str, places: tuple[str, ...]) -> Any:
    """A struct of the parameters in these places; each may be left out, which `_checked` then judges."""
    fields: list[tuple[str, Any, Any]] = [
        (parameter.name, _type_of(parameter) | None | msgspec.UnsetType, msgspec.UNSET)
        for parameter in operation.parameters
        if parameter.place in places
    ]
    return msgspec.defstruct(operation.name.replace(".", "_") + suffix, fields, frozen=True, forbid_unknown_fields=True)


def _call(operation: Operation) -> Any:
    fields: list[tuple[str, Any]] = [(parameter.name, Any) for parameter in operation.parameters]
    return msgspec.defstruct(operation.name.replace(".", "_"), fields, frozen=True, kw_only=True)


class _Shapes(NamedTuple):
    """The structs of one operation: what comes in its body, what comes as text, and what its handler is given."""

    body: Any
    texts: Any
    call: Any


@functools.cache  # as many as there are operations; built for none of them, an idle node is a megabyte smaller
def _shapes(name: str) -> _Shapes:
    operation = OPERATIONS[name]
    return _Shapes(
        _struct(operation, "_body", ("body",)), _struct(operation, "_texts", ("path", "query")), _call(operation)
    )
