"""A throw-away certificate, made in a child process so that the node never loads `cryptography` for it.

Run as `python -m node.transports.certificate`, it prints a fresh P-256 key and a self-signed
certificate as PEM. Nobody is asked to trust them: `crdt/link.py` and `crdt/pairing.py` bind their proofs
to the certificate's hash. It names nothing that lasts beyond the node's run.
"""

import asyncio
import hashlib
import os
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Final

from crdt.errors import INTERNAL

_TIMEOUT_S: Final = 20.0
_MAX_PEM_BYTES: Final = 16 * 1024
_ROOT: Final = str(Path(__file__).resolve().parents[2])


async def server_context() -> tuple[ssl.SSLContext, bytes]:
    """A TLS 1.3 server context with a certificate made for this call, and the certificate's SHA-256.

    Raises INTERNAL if that fails.
    """
    pem = await _from_child()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The ssl module reads certificates from files only; this one is gone again before anybody connects.
    with tempfile.TemporaryDirectory(prefix="opensesh-") as folder:
        path = Path(folder) / "throw-away.pem"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
        context.load_cert_chain(path)
    certificate = pem[pem.index(b"-----BEGIN CERTIFICATE") :].decode("ascii")
    return context, hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).digest()


async def _from_child() -> bytes:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [_ROOT, os.environ.get("PYTHONPATH")]))}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "node.transports.certificate",
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            pem, complaint = await child.communicate()
    except BaseException:
        if child.returncode is None:
            child.kill()
            await child.wait()
        raise
    if child.returncode != 0 or len(pem) > _MAX_PEM_BYTES:
        reason = complaint.decode(errors="replace")[-500:]
        raise INTERNAL("The certificate for the local network could not be made.", reason=reason)
    return pem


def make() -> bytes:
    """A P-256 key and its self-signed certificate, PEM, valid for a year from yesterday."""
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "opensesh")])
    yesterday = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(yesterday)
        .not_valid_after(yesterday + datetime.timedelta(days=366))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    sys.stdout.buffer.write(make())
