"""A relay behind TLS: devices sync through it if its certificate is vouched for, and say so if it isn't."""

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.system.machines import Room, failing, room, settle, texts

__all__ = ["room"]


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").touch(0o600)
    (folder / "key.pem").write_bytes(private)
    return folder / "certificate.pem", folder / "key.pem"


def test_devices_sync_over_tls_with_a_certificate_that_the_system_trusts(room: Room, tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    relay = room.relay("--tls-cert", str(certificate), "--tls-key", str(key))
    assert relay.url.startswith("wss://")
    laptop, desktop, stranger = (room.device(name) for name in ("laptop", "desktop", "stranger"))
    for device in (laptop, desktop):
        device.environment["SSL_CERT_FILE"] = str(certificate)
    laptop.run("sync", "connect", relay.url)
    showing = laptop.stream("pair", "--yes")
    desktop.run("pair", showing.until("pair.code")["code"], "--relay", relay.url)
    showing.until("pair.done")
    thread = laptop.run("new", "Over TLS")["id"]
    laptop.run("say", thread, "sealed twice")
    settle(laptop, desktop)
    assert texts(desktop, thread) == ["sealed twice"]

    stranger.run("sync", "connect", relay.url)
    error = stranger.run("relay", "status")["relays"][0]["error"]
    assert error["name"] == "RELAY_UNREACHABLE" and "certificate is not valid" in error["message"]
    assert failing(stranger, "sync", "wait", "--timeout", "1")["name"] == "TIMEOUT"
