"""Pinned bytes of what everything else is made of: ids, hashing, signing, sealing, wrapping, derived keys, words."""

from typing import Any

from crdt import ids, keys, words
from crdt.identity import DeviceKeys, Root
from crdt.words import Code
from tests.vectors.fixed import fixed, plain, wrapped


def of_ids() -> dict[str, Any]:
    """Raw bytes and their spelling."""
    raws = [b"", b"\0", bytes(range(16)), bytes(32), b"\xff" * 32, fixed("id")]
    return {
        "spelled": [{"raw": raw.hex(), "text": ids.to_text(raw)} for raw in raws],
        "refused": ["A", "mfra====", "MFRA", "mfr1", "mfrb", "m"],
    }


def of_keys() -> dict[str, Any]:
    """One case for each use of a key, and what follows from a root's and a device's seed."""
    seed, secret, nonce = fixed("seed"), fixed("secret"), fixed("nonce", keys.NONCE_BYTES)
    signing, agreement = keys.SigningKey.from_seed(seed), keys.AgreementKey.from_secret(secret)
    parts: list[tuple[bytes, ...]] = [(), (b"",), (b"a", b"b"), (b"ab",), (bytes(300),)]
    root, device = Root.from_seed(fixed("root")), DeviceKeys.from_seed(fixed("device"))
    found = {
        "digest": [
            {"label": "epoch", "parts": each, "size": size, "digest": keys.digest("epoch", *each, size=size)}
            for each in parts
            for size in (8, 16, 32)
        ],
        "derive": [
            {"secret": secret, "label": "epoch-body", "parts": each, "size": 32, "key": _derived(secret, each)}
            for each in parts
        ],
        "sign": [
            {
                "seed": seed,
                "public": signing.public,
                "label": "envelope",
                "message": m,
                "signature": _signed(signing, m),
            }
            for m in (b"", b"message")
        ],
        "seal": {
            "key": fixed("key"),
            "nonce": nonce,
            "plaintext": b"plaintext",
            "bound": b"bound",
            "sealed": keys.seal(fixed("key"), nonce, b"plaintext", b"bound"),
        },
        "wrap": {
            "secret": secret,
            "public": agreement.public,
            "key": fixed("key"),
            "wrapped": wrapped(agreement.public, fixed("key")),
        },
        "root": {
            "seed": fixed("root"),
            "identity": root.identity,
            "recovery": root.recovery.public,
            "account_room": root.account_room.public,
            "login": root.login.public,
        },
        "device": {"seed": fixed("device"), "id": device.id, "agreement": device.agreement.public},
    }
    plained: dict[str, Any] = plain(found)
    return plained


def _derived(secret: bytes, parts: tuple[bytes, ...]) -> bytes:
    return keys.derive(secret, "epoch-body", *parts)


def _signed(signing: keys.SigningKey, message: bytes) -> bytes:
    return signing.sign("envelope", message)


def of_words() -> dict[str, Any]:
    """Recovery words, pairing codes, fingerprints."""
    codes = [("7", bytes(4)), ("7", b"\xff" * 4), ("142857", fixed("code", 4))]
    return {
        "phrases": [
            {"seed": seed.hex(), "words": words.phrase_from_seed(seed)}
            for seed in (bytes(32), b"\xff" * 32, fixed("root"))
        ],
        "refused": ["abandon " * 24, "abandon " * 23 + "arr", "abandon " * 11 + "about"],
        "codes": [
            {"nameplate": nameplate, "entropy": raw.hex(), "code": str(code), "password": code.password.hex()}
            for nameplate, raw in codes
            for code in [_code(nameplate, raw)]
        ],
        "fingerprints": [
            {"identity": identity.hex(), "words": list(words.fingerprint(identity))}
            for identity in (bytes(32), fixed("id"))
        ],
    }


def _code(nameplate: str, raw: bytes) -> Code:
    return words.code_from_entropy(nameplate, raw)
