"""Seal what the database keeps, so that a stolen disk shows ids and sizes but no content.

Each table has a subkey of its own, and each row's id is authenticated with it: a sealed value moved to
another row or table does not open. AES-256-GCM where the processor has it, else XChaCha20-Poly1305; the
first byte says which, so that a database carried to another machine still opens there.

A random 12-byte nonce under one key is safe for 2³² values (NIST SP 800-38D, 8.3). Per table that is four
thousand million rows, far beyond what one installation writes.
"""

import os
from collections.abc import Callable
from functools import partial

import nacl.bindings as sodium
from nacl.exceptions import CryptoError, UnavailableError

from crdt import keys
from crdt.errors import DATABASE_CORRUPT, KEYS_UNREADABLE

_AES = b"\x01"
_XCHACHA = b"\x02"
_AES_NONCE_BYTES = sodium.crypto_aead_aes256gcm_NPUBBYTES

RandomBytes = Callable[[int], bytes]


def _processor_has_aes() -> bool:
    try:
        sodium.crypto_aead_aes256gcm_encrypt(b"", None, bytes(_AES_NONCE_BYTES), bytes(keys.KEY_BYTES))
    except UnavailableError:
        return False
    return True


class TableSeal:
    """Seals and opens the rows of one table."""

    def __init__(self, key: bytes, table: str, random_bytes: RandomBytes, aes: bool) -> None:
        self._key = keys.derive(key, "node-store", table.encode())
        self._tag_key = keys.derive(key, "node-store-tag", table.encode())
        self._table = table
        self._random_bytes = random_bytes
        self._aes = aes

    def seal(self, row_id: bytes, plain: bytes) -> bytes:
        """Marker, nonce, ciphertext and tag: 29 bytes more than `plain` (41 without AES)."""
        if self._aes:
            nonce = self._random_bytes(_AES_NONCE_BYTES)
            return _AES + nonce + sodium.crypto_aead_aes256gcm_encrypt(plain, row_id, nonce, self._key)
        nonce = self._random_bytes(keys.NONCE_BYTES)
        return _XCHACHA + nonce + keys.seal(self._key, nonce, plain, row_id)

    def open(self, row_id: bytes, sealed: bytes) -> bytes:
        """The plaintext. Raises DATABASE_CORRUPT if this is not what was sealed for that row."""
        marker = sealed[:1]
        try:
            if marker == _AES:
                nonce, body = sealed[1 : 1 + _AES_NONCE_BYTES], sealed[1 + _AES_NONCE_BYTES :]
                return sodium.crypto_aead_aes256gcm_decrypt(body, row_id, nonce, self._key)
            if marker == _XCHACHA:
                nonce, body = sealed[1 : 1 + keys.NONCE_BYTES], sealed[1 + keys.NONCE_BYTES :]
                return sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(body, row_id, nonce, self._key)
        except UnavailableError as error:
            raise KEYS_UNREADABLE(
                "This database was sealed with AES, which this processor does not have.",
                next="Use it on the machine it came from, or restore from the recovery phrase.",
            ) from error
        except (CryptoError, ValueError, TypeError) as error:
            raise self._damaged() from error
        raise self._damaged()

    def tag(self, name: str) -> bytes:
        """16 bytes that stand for a name in the database: equal for equal names, and readable by nobody else."""
        return keys.derive(self._tag_key, "name", name.encode())[:16]

    def _damaged(self) -> Exception:
        return DATABASE_CORRUPT(f"A row of the table '{self._table}' does not open.", table=self._table)


class Sealer:
    """One `TableSeal` for each table, made from the installation key."""

    def __init__(
        self, installation_key: bytes, random_bytes: RandomBytes = os.urandom, aes: bool | None = None
    ) -> None:
        if len(installation_key) != keys.KEY_BYTES:
            raise KEYS_UNREADABLE("The installation key is not 32 bytes long.")
        self._make = partial(TableSeal, installation_key)
        self._random_bytes = random_bytes
        self._aes = _processor_has_aes() if aes is None else aes
        self._tables: dict[str, TableSeal] = {}

    def table(self, name: str) -> TableSeal:
        if name not in self._tables:
            self._tables[name] = self._make(name, self._random_bytes, self._aes)
        return self._tables[name]
