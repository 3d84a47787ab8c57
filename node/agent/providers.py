"""The models there are to ask: the guide, and OpenAI-compatible endpoints that a person has added.

A provider's settings and its key rest in the node's store, sealed; the key leaves it for the worker's
pipe alone.
"""

import asyncio
import contextlib
import time
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from crdt import errors
from node.agent import guide, pipe
from node.agent.context import CONTEXT_CHARS
from node.agent.models import ModelWorker, WorkerSource
from node.agent.ports import ChatMessage, ModelDelta, ModelSource
from node.store import Batch, Store

PREFIX: Final = "provider/"
PACE_S: Final = 0.03  # between two pieces of the guide's answer, so that streaming can be seen


class Provider(msgspec.Struct, frozen=True):
    """An endpoint as it is stored; its key is a secret of its own."""

    name: str
    base_url: str
    model: str


_decoder = msgspec.msgpack.Decoder(Provider)


class Providers:
    """Finds the model for a name; adds, tests and removes endpoints."""

    def __init__(self, store: Store, worker: ModelWorker, default: str) -> None:
        self._store = store
        self._worker = worker
        self._default = default

    async def all(self) -> list[tuple[Provider, bool]]:
        """The endpoints, by name, each with whether it has a key."""
        secrets = await self._store.secrets()
        stored = await self._store.settings()
        named = [_decoder.decode(value) for name, value in sorted(stored.items()) if name.startswith(PREFIX)]
        return [(provider, PREFIX + provider.name in secrets) for provider in named]

    async def add(self, name: str, base_url: str, model: str, key: str | None) -> Provider:
        """Add one, or replace it whole: without a key none is kept. Raises CONFIG_INVALID for what can't be."""
        provider = Provider(_checked_name(name), _checked_url(base_url), _checked_model(model))
        batch = Batch(
            settings={PREFIX + name: msgspec.msgpack.encode(provider)},
            # The old key must not go to an address that it was not given for.
            secrets={PREFIX + name: None if key is None else _checked_key(key).encode()},
        )
        await self._store.write(batch)
        return provider

    async def remove(self, name: str) -> None:
        """Forget one and its key. Raises AGENT_NOT_FOUND."""
        await self._find(name)
        await self._store.write(Batch(settings={PREFIX + name: None}, secrets={PREFIX + name: None}))

    async def test(self, name: str) -> dict[str, Any]:
        """One short answer, and how long its beginning took. Raises what `ModelWorker.complete` raises."""
        source = await self.resolve(name)
        source.prepare()
        if isinstance(source, WorkerSource):
            await self._worker.ready()
        begun = time.monotonic()
        first_ms: int | None = None
        async with contextlib.aclosing(source.stream([ChatMessage("user", "Answer with the word: ready")])) as stream:
            async for said in stream:
                if first_ms is None and isinstance(said, ModelDelta):
                    first_ms = int((time.monotonic() - begun) * 1000)
        if first_ms is None:
            raise errors.PROVIDER_FAILED("The model answered with nothing.")
        return {"name": name, "model": source.label, "first_token_ms": first_ms}

    async def resolve(self, name: str | None) -> ModelSource:
        """The model behind `provider/model`, a provider's name, `guide`, or the default. Raises AGENT_NOT_FOUND."""
        wanted = name or self._default or guide.NAME
        if wanted == guide.NAME:
            return guide.Guide(lambda: asyncio.sleep(PACE_S))
        provider_name, _, model = wanted.partition("/")
        provider = await self._find(provider_name)
        key = await self._store.secret(PREFIX + provider.name)
        model = model or provider.model
        return WorkerSource(
            self._worker,
            label=f"{provider.name}/{model}",
            model=model,
            base_url=provider.base_url,
            secret=pipe.Secret(key.decode() if key else ""),
            context_chars=CONTEXT_CHARS,
        )

    async def models(self) -> list[dict[str, Any]]:
        """What `ask --model` takes, the default marked."""
        default = self._default or guide.NAME
        found = [{"id": guide.NAME, "provider": guide.NAME, "default": default == guide.NAME}]
        for provider, _ in await self.all():
            full = f"{provider.name}/{provider.model}"
            found.append({"id": full, "provider": provider.name, "default": default in (full, provider.name)})
        return found

    async def _find(self, name: str) -> Provider:
        stored = await self._store.setting(PREFIX + name)
        if stored is None:
            raise errors.AGENT_NOT_FOUND(f"No provider is called {name[:80]!r}.")
        return _decoder.decode(stored)


def _checked_name(name: str) -> str:
    if not name or not name.isprintable() or " " in name or "/" in name or name == guide.NAME:
        raise errors.CONFIG_INVALID("A provider's name is one word without a slash, and not 'guide'.")
    return name


def _checked_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that don't close, a port that is no number
        fits = False
    # Whoever lists the providers reads the address: nothing that may be a key belongs into it.
    if not fits or not base_url.isprintable() or set(base_url) & set(" @?#"):
        raise errors.CONFIG_INVALID(
            "A provider's base URL is an http or https address without a user, a query or a fragment in it.",
            next="Give one like https://api.example.com/v1, and the key with --key-stdin.",
        )
    return base_url.rstrip("/")


def _checked_model(model: str) -> str:
    if not model.strip() or not model.isprintable():
        raise errors.CONFIG_INVALID("A provider needs the name of a model.")
    return model.strip()


def _checked_key(key: str) -> str:
    key = key.strip()
    # It travels in a header, which takes nothing else; a library that is given more quotes it in its error.
    if not key or not all("!" <= character <= "~" for character in key):
        raise errors.CONFIG_INVALID("An API key is one word of ASCII characters.")
    return key
