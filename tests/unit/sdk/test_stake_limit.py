"""An agent never signs more stake than its limit, whatever the service says is staked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.client import AgentActions, NotEnough
from aicp.rules.primitives import checksum
from tests.unit.sdk.builders import AGENT, DEAL_ID
from tests.unit.sdk.onchain import OnChain
from tests.unit.sdk.test_actions import Recorder, balances, market, still_clock

__all__ = ["still_clock"]

LIMIT = 10_000_000
INTENT: dict[str, Any] = {
    "id": str(DEAL_ID), "kind": "stake", "state": "mined", "on_behalf_of": checksum(AGENT.address), "tx_hash": None,
    "block_number": 1, "error_code": None, "error_detail": None, "reference": {},
}  # fmt: skip


class Forgetful(Recorder):
    """Shows a stake once after it was signed, and never again."""

    def __init__(self) -> None:
        super().__init__(**{"/stakes": INTENT, f"/transactions/{DEAL_ID}": INTENT})
        self.shown = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = super().__call__(request)
        if request.url.path.endswith("/stakes"):
            self.shown = int(self.posts[-1][1]["amount_units"])
        if request.url.path.endswith(f"/accounts/{checksum(AGENT.address)}/balances"):
            told, self.shown = self.shown, 0
            return httpx.Response(200, json=balances(usdc_units="90000000", staked_units=str(told)))
        return answer

    def signed(self) -> int:
        return sum(int(body["amount_units"]) for path, body in self.posts if path == "/stakes")


@pytest.mark.asyncio
@pytest.mark.parametrize("rpc_url", [None, "http://localhost:8545"])
async def test_the_limit_holds_whatever_the_service_says_is_staked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rpc_url: str | None
) -> None:
    OnChain().install(monkeypatch)  # nothing is ever carried out, and all of it still may be
    service = Forgetful()
    for _ in range(4):  # each as after a restart
        await AgentActions(market(AGENT, service, tmp_path, rpc_url=rpc_url)).add_stake(4_000_000, limit_units=LIMIT)
    assert service.signed() == 8_000_000


@pytest.mark.asyncio
async def test_with_an_rpc_of_its_own_the_chain_says_what_is_staked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = OnChain().install(monkeypatch)
    service = Forgetful()
    own = AgentActions(market(AGENT, service, tmp_path, rpc_url="http://localhost:8545"))
    assert await own.add_stake(LIMIT, limit_units=LIMIT)
    [kept] = (await own.market.store()).stakes()
    seen.used.add(kept.nonce)
    seen.staked = LIMIT
    assert not await own.add_stake(1, limit_units=LIMIT)
    seen.staked = 4_000_000  # the rest was taken back
    assert await own.add_stake(6_000_000, limit_units=LIMIT)
    assert service.signed() == 16_000_000


@pytest.mark.asyncio
async def test_a_wallet_that_is_short_signs_no_stake(tmp_path: Path) -> None:
    own = AgentActions(market(AGENT, Forgetful(), tmp_path))
    with pytest.raises(NotEnough):
        await own.add_stake(90_000_001, limit_units=100_000_000)
    assert (await own.market.store()).stakes() == []
