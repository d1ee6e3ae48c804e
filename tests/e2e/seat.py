"""A person with the SDK beside the browser: the same market over the same API, with a key and a store of his own."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from aicp.client import Market, Wallet
from aicp.rules.primitives import checksum
from scripts.devnet.session import Devnet

T = TypeVar("T")
PATIENCE_SECONDS = 60


class Seat:
    """One account with one client. Its loop is in a thread, because the browser's driver has one of its own in this."""

    def __init__(self, devnet: Devnet, folder: Path, key: str | None = None) -> None:
        self.wallet = Wallet.from_key(key or secrets.token_hex(32))
        self._market = Market(
            devnet.url,
            self.wallet,
            deployment=devnet.session.stack.deployment_path,
            store=folder / f"{self.address}.sqlite",
        )
        self._thread = ThreadPoolExecutor(1)
        self._runner = asyncio.Runner()

    @property
    def address(self) -> str:
        """The account's EIP-55 address."""
        return checksum(self.wallet.address)

    def act(self, step: Callable[[Market], Awaitable[T]]) -> T:
        """Take one step."""
        return self._thread.submit(self._run, step).result(PATIENCE_SECONDS)

    def _run(self, step: Callable[[Market], Awaitable[T]]) -> T:
        async def inside() -> T:
            return await step(self._market)

        return self._runner.run(inside())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.act(lambda market: market.transport.aclose())
        self._thread.submit(self._runner.close).result(PATIENCE_SECONDS)
        self._thread.shutdown()
