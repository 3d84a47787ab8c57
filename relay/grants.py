"""Who may append to a room or read it: proofs that a connection shows, judged without any I/O.

A room key signs certificates for logins; a login key signs the connection's challenge. This keeps
strangers from filling the disk and from collecting frames. It is never what protects a thread's
content: peers check every envelope themselves.
"""

from dataclasses import dataclass

from crdt import keys, wire


class Refusal(Exception):
    """A request the relay won't carry out. `code` is one of `wire.Refused`'s, safe to count and to log."""

    def __init__(self, code: str, explanation: str = "", retry_after_ms: int = 0) -> None:
        super().__init__(code)
        self.code, self.explanation, self.retry_after_ms = code, explanation, retry_after_ms


@dataclass(frozen=True, slots=True)
class Grant:
    """What one connection has shown for one room; holding it means the signature was verified."""

    append: bool
    generation: int

    @property
    def is_own(self) -> bool:
        """The holder of the room's own key vouches for this very connection, not for a member's."""
        return self.generation >= wire.OWN_GENERATION


def spellings(host: str) -> frozenset[str]:
    """The audiences that mean this Host header: lower case, with a default port spelt out or not."""
    name = host.strip().lower()
    bare = name.startswith("[") and name.endswith("]")
    if bare or ":" not in name:
        return frozenset({name, f"{name}:80", f"{name}:443"})
    if name.endswith((":80", ":443")):
        return frozenset({name, name.rpartition(":")[0]})
    return frozenset({name})


def check_login(login: wire.Login, nonce: bytes, hosts: list[str]) -> None:
    """Raises `Refusal("bad-login")` unless the key signed this connection's nonce for one of `hosts`.

    With the request's own Host header in `hosts`, a relay in the middle could replay a proof by
    repeating the Host it was dialled under; only a configured public host excludes that.
    """
    if login.version != wire.PROTOCOL_VERSION:
        raise Refusal("bad-login", f"this relay speaks version {wire.PROTOCOL_VERSION}")
    if not any(login.audience.lower() in spellings(host) for host in hosts):
        raise Refusal("bad-login", "the proof is for another relay")
    if not keys.verify(login.login, "relay-login", wire.login_bytes(nonce, login.audience), login.signature):
        raise Refusal("bad-login", "the signature is wrong")


def check_certificate(certificate: wire.Certificate, login: bytes, generation: int) -> Grant:
    """The grant it carries. Raises `Refusal("bad-certificate")` if it is forged, another's, or has ended."""
    if certificate.login != login:
        raise Refusal("bad-certificate", "it names another login")
    if certificate.generation < generation:
        raise Refusal("bad-certificate", "its generation has ended")
    if not wire.is_genuine(certificate):
        raise Refusal("bad-certificate", "the signature is wrong")
    return Grant(certificate.append, certificate.generation)


def check_deposit(request: wire.Deposit) -> None:
    """Raises `Refusal("bad-certificate")` unless what it leaves is a certificate of that room for that login.

    Whether its generation has ended is the ledger's to say: it alone knows in which order things came.
    """
    if request.certificate is None:
        return
    if request.certificate.room != request.room:
        raise Refusal("bad-certificate", "it is of another room")
    check_certificate(request.certificate, request.login, 0)


def check_opening(request: wire.OpenRoom, login: bytes, nonce: bytes) -> None:
    """Raises `Refusal("no-right")` unless the room's own key asks, on this connection."""
    if not keys.verify(request.room, "room-open", login + nonce, request.signature):
        raise Refusal("no-right", "only the room's key opens it")


def check_raise(request: wire.RaiseGeneration) -> None:
    """Raises `Refusal("no-right")` unless the room's own key asks."""
    if not keys.verify(request.room, "room-generation", request.generation.to_bytes(8, "big"), request.signature):
        raise Refusal("no-right", "only the room's key raises its generation")


def check_access_key(given: str, wanted: bytes | None) -> None:
    """Raises `Refusal("access-key")` unless the relay is open to all or the key is right; constant time."""
    if wanted is not None and not keys.equal(given.encode(), wanted):
        raise Refusal("access-key", "this relay asks for an access key before it opens a room")
