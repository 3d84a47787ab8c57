"""One file that holds the whole installation, and the way back.

The database goes in as it is: every row stays sealed. The key stays out unless a passphrase is given, under
which it is sealed with Argon2id; without it a restore needs the keychain that has the key. Synchronous:
call these in a thread, `create` beside a running node, `restore` while none has the home.

A restored installation counts one more generation: the node must open new sessions, because those of the
backup may have gone on elsewhere. Event cursors jump ahead, so that a cursor seen before names nothing else.
"""

import hashlib
import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from nacl import pwhash
from nacl.exceptions import CryptoError as NaClError

from crdt import keys
from crdt.errors import AUTH_FAILED, BACKUP_INVALID, DATABASE_NEWER, KEYS_UNREADABLE, OpenSeshError, PeerFault
from node import keychain
from node.storage import apply, aside, faults, files, opening
from node.storage import schema as schemas
from node.storage.sealing import Sealer

_MAGIC = b"opensesh-backup/1\n"
_MAX_METADATA_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024
_KDF_OPS, _KDF_MEMORY_BYTES = 4, 128 * 1024 * 1024
_MAX_KDF_OPS, _MAX_KDF_MEMORY_BYTES = 16, 1024 * 1024 * 1024
CURSOR_JUMP = 2**32  # more events than a device writes between a backup and its restore


class KeyBox(msgspec.Struct, frozen=True):
    """The installation key under a passphrase, and what it takes to derive the key of that."""

    salt: bytes
    ops: int
    memory_bytes: int
    nonce: bytes
    sealed: bytes


class Metadata(msgspec.Struct, frozen=True):
    """What a backup says of itself, ahead of the database in the file."""

    created_ms: int
    installation: str
    schema: int
    database_bytes: Annotated[int, msgspec.Meta(ge=0)]
    key: KeyBox | None = None


@dataclass(frozen=True)
class Restored:
    """What a restore did: where the former database was put (None if there was none), and whose it is now."""

    installation: keychain.Installation
    replaced: Path | None
    generation: int


def create(
    database: Path, target: Path, installation: keychain.Installation, now_ms: int, passphrase: str | None = None
) -> Metadata:
    """Write a backup of a database that may be in use. `target` must not exist. Raises DISK_FULL and the like."""
    if target.exists():
        raise BACKUP_INVALID(f"{target} exists already.", next="Give a new file name.", path=str(target))
    copy = database.with_name(database.name + ".copy")
    try:
        opening.copy_to(database, copy)
        metadata = Metadata(
            created_ms=now_ms,
            installation=installation.id,
            schema=_version(copy),
            database_bytes=copy.stat().st_size,
            key=None if passphrase is None else _lock(installation.key, passphrase),
        )
        files.put_in_place(target, lambda neighbour: _write(neighbour, metadata, copy))
        return metadata
    except (OSError, sqlite3.Error) as error:
        raise faults.translate(error, target) from error
    finally:
        copy.unlink(missing_ok=True)


def restore(
    source: Path, database: Path, passphrase: str | None = None, environ: Mapping[str, str] = os.environ
) -> Restored:
    """Put a backup's database in place of `database`, which is kept under another name beside it.

    Raises BACKUP_INVALID, AUTH_FAILED (the passphrase), KEYS_UNREADABLE (no key for it), DATABASE_NEWER; the
    installation is as it was then. Cut off by a crash, it is to be run again; the node won't start until then.
    """
    copy = database.with_name(database.name + opening.RESTORING)
    try:
        metadata = _unpack(source, copy)
        installed = keychain.present(database.parent)
        key = _find_key(metadata, installed, passphrase)
        generation = _make_ready(copy, source, key)
        keep = installed is not None and (installed.id, installed.key) == (metadata.installation, key)
        key_files = (keychain.record_file(database.parent), keychain.key_file(database.parent))
        moves = aside.plan(database, "replaced", () if keep else key_files)
        aside.carry_out(moves)
        try:
            if not keep:
                installed = keychain.adopt(database.parent, metadata.installation, key, environ)
            copy.replace(database)
            files.sync_folder(database.parent)
        except BaseException:
            aside.undo(moves)
            raise
        assert installed is not None
        return Restored(installed, next((to for was, to in moves if was == database), None), generation)
    except (OSError, sqlite3.Error) as error:
        raise faults.translate(error, source) from error
    finally:
        copy.unlink(missing_ok=True)


def read_metadata(source: Path) -> Metadata:
    """What a backup says of itself. Raises BACKUP_INVALID or FILE_UNREADABLE."""
    try:
        with source.open("rb") as file:
            return _read_metadata(file, source)[0]
    except OSError as error:
        raise faults.translate(error, source) from error


def mark_restored(connection: apply.Connection) -> int:
    """Count one more generation and jump ahead with the event cursors, within the caller's transaction."""
    found = connection.execute("SELECT value FROM meta WHERE name = 'generation'").fetchone()
    generation = (int(found[0]) if found else 0) + 1
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('generation', ?)", (generation,))
    floor = max(apply.last_number(connection, "events"), apply.event_floor(connection)) + CURSOR_JUMP
    connection.execute("DELETE FROM events")
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'events'")
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('events', ?)", (floor,))
    apply.set_event_floor(connection, floor)
    return generation


def _write(path: Path, metadata: Metadata, database: Path) -> None:
    encoded = msgspec.msgpack.encode(metadata)
    seen = hashlib.sha256()
    with path.open("wb") as target, database.open("rb") as source:
        chunk = _MAGIC + len(encoded).to_bytes(4, "big") + encoded
        while chunk:
            seen.update(chunk)
            target.write(chunk)
            chunk = source.read(_CHUNK_BYTES)
        target.write(seen.digest())


def _unpack(source: Path, copy: Path) -> Metadata:
    """The database of the backup in a private file of its own, its hash checked."""
    copy.unlink(missing_ok=True)
    with source.open("rb") as file, os.fdopen(files.create_private(copy), "wb") as target:
        metadata, head = _read_metadata(file, source)
        seen, left = hashlib.sha256(head), metadata.database_bytes
        while chunk := file.read(min(_CHUNK_BYTES, left)):
            seen.update(chunk)
            target.write(chunk)
            left -= len(chunk)
        if left or file.read(33) != seen.digest():
            raise BACKUP_INVALID(f"{source} is damaged: it is not what was written.", path=str(source))
        target.flush()
        os.fsync(target.fileno())
    return metadata


def _read_metadata(file: BinaryIO, source: Path) -> tuple[Metadata, bytes]:
    """The metadata, and the bytes of the file up to its end."""
    head = file.read(len(_MAGIC) + 4)
    size_bytes = int.from_bytes(head[len(_MAGIC) :], "big")
    if not head.startswith(_MAGIC) or size_bytes > _MAX_METADATA_BYTES:
        raise BACKUP_INVALID(f"{source} is no OpenSesh backup.", path=str(source))
    try:
        encoded = file.read(size_bytes)
        return msgspec.msgpack.decode(encoded, type=Metadata), head + encoded
    except msgspec.DecodeError as error:
        raise BACKUP_INVALID(f"{source} is damaged: {error}.", path=str(source)) from error


def _lock(key: bytes, passphrase: str) -> KeyBox:
    salt, nonce = os.urandom(pwhash.argon2id.SALTBYTES), os.urandom(keys.NONCE_BYTES)
    stretched = _stretch(passphrase, salt, _KDF_OPS, _KDF_MEMORY_BYTES)
    return KeyBox(salt, _KDF_OPS, _KDF_MEMORY_BYTES, nonce, keys.seal(stretched, nonce, key, _MAGIC))


def _unlock(box: KeyBox, passphrase: str) -> bytes:
    if box.ops > _MAX_KDF_OPS or box.memory_bytes > _MAX_KDF_MEMORY_BYTES or len(box.nonce) != keys.NONCE_BYTES:
        raise BACKUP_INVALID("The backup asks for more work than any of ours does.")
    try:
        return keys.unseal(_stretch(passphrase, box.salt, box.ops, box.memory_bytes), box.nonce, box.sealed, _MAGIC)
    except PeerFault as error:
        raise AUTH_FAILED("The backup's passphrase is wrong.", next="Try again with the right one.") from error


def _stretch(passphrase: str, salt: bytes, ops: int, memory_bytes: int) -> bytes:
    try:
        return pwhash.argon2id.kdf(keys.KEY_BYTES, passphrase.encode(), salt, ops, memory_bytes)
    except (ValueError, NaClError) as error:
        raise BACKUP_INVALID(f"The passphrase can't be used with this backup: {error}") from error


def _find_key(metadata: Metadata, installed: keychain.Installation | None, passphrase: str | None) -> bytes:
    if passphrase is not None and metadata.key is not None:
        return _unlock(metadata.key, passphrase)
    if installed is not None and installed.id == metadata.installation:
        return installed.key
    found = keychain.lookup(metadata.installation)
    if found is None:
        remedy = "Give its passphrase." if metadata.key else "Use the recovery phrase: opensesh recovery restore"
        raise KEYS_UNREADABLE("This device does not have the key of that backup.", next=remedy)
    return found


def _make_ready(copy: Path, source: Path, key: bytes) -> int:
    """Check the copy, and mark it as restored. Returns its generation."""
    try:
        opening.inspect(copy, Sealer(key), schemas.CURRENT, unclean=True)
    except OpenSeshError as error:
        if error.kind in (KEYS_UNREADABLE, DATABASE_NEWER):
            raise
        raise BACKUP_INVALID(f"{source} holds a damaged database.", path=str(source)) from error
    with closing(sqlite3.connect(copy, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        generation = mark_restored(connection)
        connection.execute("COMMIT")
    return generation


def _version(database: Path) -> int:
    with closing(opening.read_only(database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])
