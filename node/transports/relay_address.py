"""A relay's address, and what its refusals and silences mean in words a person can use.

The relay's own texts are never repeated: they are a stranger's, and could say anything.
"""

import asyncio
import ssl
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import msgspec

from crdt.errors import RELAY_UNREACHABLE, OpenSeshError

REFUSALS: Final = {
    "bad-message": "The relay could not read what was sent.",
    "bad-login": "The relay did not accept this device's login.",
    "bad-certificate": "The relay did not accept this device's right to the room.",
    "no-room": "The relay doesn't have that room.",
    "access-key": "The relay asks for an access key before it opens a room.",
    "no-right": "This device has no right to that in the room.",
    "too-large": "That is larger than the relay takes.",
    "rate": "The relay asks for a pause.",
    "quota": "The room is full.",
    "full": "The relay is full.",
    "no-nameplate": "Nobody waits under that nameplate.",
    "busy": "The relay is busy.",
    "stopping": "The relay is stopping.",
    "internal": "The relay has a fault of its own.",
}

CLOSE_CODES: Final = {
    1000: "the relay hung up",
    1001: "the relay is stopping",
    1002: "the relay found a fault in what was sent",
    1006: "the line was cut",
    1008: "the relay's policy forbids it",
    1009: "a message was too large",
    1011: "the relay has a fault of its own",
    1012: "the relay is restarting",
    1013: "the relay asks to come again later",
}


def endpoint(url: str) -> tuple[str, str]:
    """Where to dial for a relay's address, and the audience (`host:port`) that the login is made out to.

    Raises RELAY_UNREACHABLE for anything but `ws://` or `wss://` with a host and no query or user in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "wss" else 80)
    except ValueError as error:
        raise _no_address(url) from error
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc:
        raise _no_address(url)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}/", f"{host}:{port}"


def _no_address(url: str) -> OpenSeshError:
    return RELAY_UNREACHABLE(
        f"That is no relay's address: {url[:200]!r}", next="Give one like wss://relay.example or ws://127.0.0.1:8765."
    )


class _Redirected(Exception):
    """The relay's address answers with a redirect, which could lead the login anywhere."""


def refuse_redirects() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()

    async def refuse(*_: object) -> None:
        raise _Redirected

    trace.on_request_redirect.append(refuse)
    return trace


def why_unreachable(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return f"The relay did not answer within {timeout_s:g} s."
    if isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLCertVerificationError):
        return "The relay's certificate is not valid for that address."
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "The relay's address does not speak TLS as it should."
    if isinstance(error, _Redirected):
        return "The relay's address sends elsewhere; give the address it leads to."
    if isinstance(error, aiohttp.WSServerHandshakeError | aiohttp.ClientResponseError | msgspec.MsgspecError):
        return "Something answers there, but it is no OpenSesh relay."
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "The relay's name can't be found."
    return "The relay can't be reached."
