"""Providers as they are added, kept, listed, tested and removed, with their keys out of sight."""

import logging
import os
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from crdt import errors
from crdt.errors import OpenSeshError
from node.agent.guide import Guide
from node.agent.models import ModelWorker, WorkerSource
from node.agent.ports import ChatMessage, ModelDelta, ModelDone, ModelEvent
from node.agent.providers import Provider, Providers
from node.store import Store

KEY = "sk-live-0123456789abcdefghij"
URL = "http://localhost:11434/v1"


class DryWorker(ModelWorker):
    """Notes what it is asked, and answers with what it was given."""

    def __init__(self, *answer: ModelEvent) -> None:
        super().__init__(command=["/nowhere"])
        self.asked: list[dict[str, Any]] = []
        self._answer = answer
        self.waited = False

    def prepare(self) -> None:
        """Nothing to start."""

    async def ready(self) -> None:
        self.waited = True

    async def complete(self, **asked: Any) -> AsyncGenerator[ModelEvent, None]:
        self.asked.append(asked)
        for event in self._answer:
            yield event


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await Store.open(tmp_path / "opensesh.db", os.urandom(32))
    yield opened
    await opened.close()


def providers(store: Store, *answer: ModelEvent, default: str = "") -> tuple[Providers, DryWorker]:
    worker = DryWorker(*answer)
    return Providers(store, worker, default), worker


def files_with(folder: Path, text: str) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    return [path.name for path in files if text.encode() in path.read_bytes()]


async def asked_of(found: Providers, worker: DryWorker, name: str) -> dict[str, Any]:
    """What the worker is asked when a thread asks this model."""
    async for _ in (await found.resolve(name)).stream([ChatMessage("user", "?")]):
        pass
    return worker.asked[-1]


async def refused(
    found: Providers, *, name: str = "local", url: str = URL, model: str = "m", key: str | None = None
) -> str:
    with pytest.raises(OpenSeshError) as error:
        await found.add(name, url, model, key)
    assert error.value.kind is errors.CONFIG_INVALID and await found.all() == []
    return str(error.value.to_json())


async def test_a_key_goes_to_the_worker_and_can_be_read_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    (home := tmp_path / "kept").mkdir()
    store = await Store.open(home / "opensesh.db", os.urandom(32))
    found, worker = providers(store)
    added = await found.add("local", URL + "/", "tiny", f" {KEY}\n")
    assert added == Provider("local", URL, "tiny")
    asked = await asked_of(found, worker, "local")
    assert asked["secret"].key == KEY, "without the space and the end of line that stdin had around it"
    assert (asked["base_url"], asked["model"]) == (URL, "tiny")
    told = [repr(added), repr(await found.all()), repr(await found.models()), repr(asked), caplog.text]
    assert not [each for each in told if KEY in each]
    await store.close()
    assert not files_with(home, KEY)


async def test_providers_are_listed_by_name_with_whether_they_have_a_key(store: Store) -> None:
    found, _ = providers(store)
    await found.add("zeta", URL, "z", None)
    await found.add("alpha", URL, "a", KEY)
    assert await found.all() == [(Provider("alpha", URL, "a"), True), (Provider("zeta", URL, "z"), False)]


async def test_a_provider_replaced_without_a_key_does_not_send_the_old_one_to_the_new_address(store: Store) -> None:
    found, worker = providers(store)
    await found.add("local", URL, "tiny", KEY)
    await found.add("local", "http://elsewhere.example/v1", "tiny", None)
    assert await found.all() == [(Provider("local", "http://elsewhere.example/v1", "tiny"), False)]
    assert (await asked_of(found, worker, "local"))["secret"].values() == []


async def test_a_removed_provider_is_forgotten_with_its_key(store: Store) -> None:
    found, worker = providers(store)
    await found.add("local", URL, "tiny", KEY)
    await found.remove("local")
    assert await found.all() == [] and await store.secrets() == {}
    for forgotten in (found.resolve("local"), found.remove("local")):
        with pytest.raises(OpenSeshError) as error:
            await forgotten
        assert error.value.kind is errors.AGENT_NOT_FOUND
    await found.add("local", URL, "tiny", None)
    assert (await asked_of(found, worker, "local"))["secret"].key == "", "and does not come back with its name"


@pytest.mark.parametrize(
    "url",
    [
        "", "localhost:11434", "ftp://localhost/v1", "file:///etc/passwd", "http://", "http:///v1", "http://[::1",
        "http://localhost:99999", "http://localhost:port/v1", "http://localhost:0", "http://local host/v1",
        "http://localhost/v1\n", "https://ann@localhost/v1", f"https://ann:{KEY}@localhost/v1",
        f"https://localhost/v1?key={KEY}", "https://localhost/v1#part",
    ],
)  # fmt: skip
async def test_a_base_url_that_cannot_be_one_is_refused_with_an_example_and_not_repeated(
    store: Store, url: str
) -> None:
    found, _ = providers(store)
    said = await refused(found, url=url)
    assert "https://api.example.com/v1" in said and KEY not in said


@pytest.mark.parametrize("url", ["http://[::1]:8080/v1", "HTTPS://API.example.com", "http://10.0.0.2:1/a/b/"])
async def test_a_base_url_may_be_any_http_address(store: Store, url: str) -> None:
    found, _ = providers(store)
    assert (await found.add("local", url, "m", None)).base_url == url.rstrip("/")


@pytest.mark.parametrize("name", ["", "guide", "a/b", "two words", "line\n", "\x1b[31mred"])
async def test_a_name_that_could_be_taken_for_something_else_is_refused(store: Store, name: str) -> None:
    await refused(providers(store)[0], name=name)


@pytest.mark.parametrize("key", ["", "  \n", "two words", "two\nlines", "schlüssel", "nul\0"])
async def test_a_key_that_fits_no_header_is_refused_and_not_repeated(store: Store, key: str) -> None:
    said = await refused(providers(store)[0], key=key)
    assert not key.strip() or key not in said


@pytest.mark.parametrize("model", ["", " ", "a\nb"])
async def test_a_provider_without_a_model_is_refused(store: Store, model: str) -> None:
    await refused(providers(store)[0], model=model)


async def test_a_model_is_named_by_its_provider_alone_or_with_a_model_of_its_own(store: Store) -> None:
    found, worker = providers(store)
    await found.add("local", URL, "tiny", None)
    assert (await found.resolve("local")).label == "local/tiny"
    assert (await found.resolve("local/other/large")).label == "local/other/large"
    assert (await asked_of(found, worker, "local/other/large"))["model"] == "other/large"
    with pytest.raises(OpenSeshError) as error:
        await found.resolve("nobody/tiny")
    assert error.value.kind is errors.AGENT_NOT_FOUND and "nobody" in error.value.message


async def test_with_nothing_configured_the_guide_answers(store: Store) -> None:
    found, _ = providers(store)
    for name in (None, "", "guide"):
        assert isinstance(await found.resolve(name), Guide)
    assert await found.models() == [{"id": "guide", "provider": "guide", "default": True}]


@pytest.mark.parametrize("default", ["local", "local/tiny"])
async def test_the_default_from_the_settings_answers_and_is_marked(store: Store, default: str) -> None:
    found, _ = providers(store, default=default)
    await found.add("local", URL, "tiny", None)
    assert (await found.resolve(None)).label == "local/tiny"
    assert isinstance(await found.resolve("guide"), Guide)
    assert [row["default"] for row in await found.models()] == [False, True]


async def test_a_test_waits_for_the_worker_and_says_how_soon_the_first_word_came(store: Store) -> None:
    found, worker = providers(store, ModelDelta("text", "ready"), ModelDelta("text", "!"), ModelDone("stop"))
    await found.add("local", URL, "tiny", None)
    result = await found.test("local")
    assert worker.waited and result["model"] == "local/tiny" and result["first_token_ms"] >= 0


async def test_a_provider_that_answers_with_nothing_has_not_passed(store: Store) -> None:
    found, _ = providers(store, ModelDone("stop"))
    await found.add("local", URL, "tiny", None)
    with pytest.raises(OpenSeshError) as error:
        await found.test("local")
    assert error.value.kind is errors.PROVIDER_FAILED


async def test_the_guide_can_be_tested_without_a_worker(store: Store) -> None:
    found, worker = providers(store)
    assert (await found.test("guide"))["model"] == "guide"
    assert not worker.waited and not worker.asked


async def test_a_source_holds_its_key_out_of_its_repr(store: Store) -> None:
    found, _ = providers(store)
    await found.add("local", URL, "tiny", KEY)
    source = await found.resolve("local")
    assert isinstance(source, WorkerSource) and KEY not in repr(vars(source))
