"""Operations on model runs and the providers behind them."""

from collections.abc import AsyncIterator
from typing import Any

from node.agent.guide import NAME as GUIDE
from node.agent.providers import Provider, Providers
from node.api.requests import Context
from node.library import Library
from node.runs import Runs


class RunHandlers:
    """`run.*`, `provider.*` and `model.list`."""

    def __init__(self, runs: Runs, providers: Providers, library: Library) -> None:
        self._runs = runs
        self._providers = providers
        self._library = library

    async def ask(self, p: Any, context: Context) -> AsyncIterator[dict[str, Any]]:
        """`run.ask`"""
        thread = (await self._library.find(p.thread)).id
        request = context.request_id()
        async for line in self._runs.ask(thread, p.text, p.model, request, take_over=p.take_over):
            yield line

    async def cancel(self, p: Any, context: Context) -> dict[str, Any]:
        """`run.cancel`"""
        thread = (await self._library.find(p.thread)).id
        return {"cancelled": await self._runs.cancel(thread, p.run)}

    async def provider_add(self, p: Any, context: Context) -> dict[str, Any]:
        """`provider.add`"""
        provider = await self._providers.add(p.name, p.base_url, p.model, p.key)
        return {"provider": _row(provider, p.key is not None)}

    async def provider_list(self, p: Any, context: Context) -> dict[str, Any]:
        """`provider.list`"""
        guide = {"name": GUIDE, "base_url": None, "models": [GUIDE], "has_key": False}
        return {"providers": [guide, *(_row(*each) for each in await self._providers.all())]}

    async def provider_test(self, p: Any, context: Context) -> dict[str, Any]:
        """`provider.test`"""
        return await self._providers.test(p.provider)

    async def provider_remove(self, p: Any, context: Context) -> dict[str, Any]:
        """`provider.remove`"""
        await self._providers.remove(p.provider)
        return {"name": p.provider, "removed": True}

    async def models(self, p: Any, context: Context) -> dict[str, Any]:
        """`model.list`"""
        return {"models": await self._providers.models()}


def _row(provider: Provider, has_key: bool) -> dict[str, Any]:
    return {"name": provider.name, "base_url": provider.base_url, "models": [provider.model], "has_key": has_key}
