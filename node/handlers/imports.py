"""Operations that bring in sessions of other tools."""

from pathlib import Path
from typing import Any

from node.account import Account
from node.api.requests import Context
from node.follows import Follows
from node.imports import Importer


class ImportHandlers:
    """`import.*`"""

    def __init__(self, account: Account, importer: Importer, follows: Follows) -> None:
        self._account = account
        self._importer = importer
        self._follows = follows

    async def file(self, p: Any, context: Context) -> dict[str, Any]:
        """`import.file`"""
        await self._account.ensure()
        return {"threads": await self._importer.import_file(Path(p.path))}

    async def follow(self, p: Any, context: Context) -> dict[str, Any]:
        """`import.follow`"""
        await self._account.ensure()
        return {"follows": await self._follows.add(p.source)}

    async def unfollow(self, p: Any, context: Context) -> dict[str, Any]:
        """`import.unfollow`"""
        return {"follows": await self._follows.remove(p.follow)}

    async def followed(self, p: Any, context: Context) -> dict[str, Any]:
        """`import.followed`"""
        return {"follows": self._follows.rows()}
