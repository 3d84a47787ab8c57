"""What a thief of the disk finds, and what a large installation costs."""

import asyncio
import random
from pathlib import Path

from node import keychain
from node.storage import backup
from node.store import Answer, Batch, NewEvent, Run, Store, Summary, Text
from tests.node.storage.store_rows import KEY, ident

CANARY = "canary-Zq7"


async def fill(store: Store, word: str) -> None:
    """Put the word wherever content, a title or a name can go."""
    raw = f"my {word} here".encode()
    await store.write(
        Batch(
            events=[NewEvent(ident("a"), raw)],
            summaries=[Summary(ident("a"), ident("room"), raw)],
            texts=[Text(ident("a"), "m1", raw.decode()), Text(ident("a"), "m2", f"{word} " * 5000)],
            runs=[Run("run", ident("a"), "queued", raw)],
            settings={word: raw},
            secrets={word: raw},
            checkpoints={f"/home/{word}/session.jsonl": raw},
            answer=Answer(word, 1, raw),
        )
    )
    await store.origin_number("relay", f"wss://{word}@example.org")


def files_with(folder: Path, word: str) -> list[str]:
    needles = [word.encode(), word.encode("utf-16-le"), word.lower().encode(), word.encode().hex().encode()]
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and any(needle in file.read_bytes() for needle in needles)
    ]


async def test_no_file_of_the_home_shows_content_titles_or_names(tmp_path: Path) -> None:
    database = tmp_path / "opensesh.db"
    installation = keychain.unlock(tmp_path, database, {"OPENSESH_KEYRING": "file"})
    store = await Store.open(database, installation.key)
    await fill(store, CANARY)
    assert [hit.message async for hit in store.search(CANARY)] == ["m1", "m2"]
    assert files_with(tmp_path, CANARY) == []
    backup.create(database, tmp_path / "backup", installation, 0, "passphrase")
    await store.close()
    assert files_with(tmp_path, CANARY) == []
    assert names(tmp_path) == {"opensesh.db", "installation.json", "installation.key", "backup"}


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_the_search_for_canaries_finds_one_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"..." + CANARY.encode() + b"...")
    assert files_with(tmp_path, CANARY) == ["file"]


async def all_hits(store: Store, query: str) -> list[str]:
    return [hit.message async for hit in store.search(query)]


async def test_while_ten_megabytes_are_searched_writes_go_on(database_path: Path) -> None:
    store = await Store.open(database_path, KEY)
    seed = random.Random(1)
    words = ["".join(seed.choices("abcdefghij", k=7)) for _ in range(500)]
    texts = [Text(ident("a"), str(number), " ".join(seed.choices(words, k=60))) for number in range(21_000)]
    assert sum(len(text.text) for text in texts) > 10_000_000
    await store.write(Batch(texts=[*texts, Text(ident("a"), "last", "the needle")]))
    searching = asyncio.create_task(all_hits(store, "needle"))
    await store.write(Batch(texts=[Text(ident("b"), "meanwhile", "a word")]))
    assert not searching.done()
    assert await searching == ["last"]
    await store.close()
