"""Money that waits in several contracts is collected from each, by a signature for that contract alone, and once."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi.signing import recover
from aicp.abi.typed_data import Withdrawal
from aicp.agent import collector as collector_module
from aicp.agent.agent import Options
from aicp.agent.collector import Collector
from aicp.client import AgentActions, ClientError, Mismatch, NotEnough, ProblemError, direct
from aicp.client import transport as transport_module
from aicp.client.models import Intent, Receipt
from aicp.rules.ledgers import LedgerName
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import AGENT, NOW, chain, receipt_json
from tests.unit.sdk.test_actions import Recorder, balances, market, still_clock

__all__ = ["still_clock"]
CENT = 10_000
USDC = 1_000_000


class Relay(Recorder):
    """Relays withdrawals, keeps them in the state the test says, and shows balances until one is mined."""

    def __init__(self, **waiting: int) -> None:
        super().__init__()
        self.waiting = waiting
        self.refused: set[str] = set()
        """Ledgers whose withdrawals the service does not relay."""
        self.intents: dict[str, dict[str, Any]] = {}
        self.receipts: list[dict[str, Any]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        answer = super().__call__(request)
        if path.endswith("/balances"):
            held = balances(self.waiting) | {"address": checksum(AGENT.address)}
            return httpx.Response(200, json=held)
        if path == "/withdrawals":
            body = self.posts[-1][1]
            if body["ledger"] in self.refused:
                return httpx.Response(429, json={"code": "limit_exceeded", "detail": "The gas is used up."})
            made = intent(body["ledger"], body["amount_units"])
            self.intents[made["id"]] = made
            return httpx.Response(200, json=made)
        if path == "/transactions":
            newest = list(self.intents.values())[::-1]
            return httpx.Response(200, json={"items": newest, "next_cursor": None})
        if path.startswith("/transactions/"):
            found = self.intents.get(path.rsplit("/", 1)[1])
            return httpx.Response(404, json={"code": "not_found"}) if found is None else httpx.Response(200, json=found)
        if path == "/receipts":
            return httpx.Response(200, json={"items": self.receipts, "next_cursor": None})
        if path.startswith("/receipts/"):
            return httpx.Response(200, json={})
        return answer

    def end(self, state: str) -> None:
        """All that is on its way ends like this."""
        for one in self.intents.values():
            if one["state"] == "sent":
                one["state"] = state

    @property
    def asked(self) -> list[tuple[str, str]]:
        return [(body["ledger"], body["amount_units"]) for path, body in self.posts if path == "/withdrawals"]


def intent(ledger: str, units: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("tx_hash", "block_number", "error_code", "error_detail"))
    reference = {"ledger": ledger, "amount_units": units}
    who = checksum(AGENT.address)
    return {
        "id": str(uuid.uuid4()),
        "kind": "withdraw",
        "state": "sent",
        "on_behalf_of": who,
        "reference": reference,
    } | nothing


@pytest.mark.asyncio
async def test_each_ledger_is_paid_out_by_a_signature_for_its_own_contract(tmp_path: Path) -> None:
    relay = Relay(escrow=3 * USDC, reputation=2 * USDC)
    made = [one async for one in market(AGENT, relay, tmp_path).collect()]
    assert relay.asked == [("escrow", "3000000"), ("reputation", "2000000")]
    assert [str(one.id) for one in made] == list(relay.intents)
    domains = (chain().escrow, chain().reputation)
    for (_, body), domain in zip(relay.posts, domains, strict=True):
        message = Withdrawal(
            account=AGENT.address, to=AGENT.address, amount=int(body["amount_units"]), nonce=7, valid_until=NOW + 900
        )
        assert recover(message.digest(domain), bytes.fromhex(body["signature"][2:])) == AGENT.address


@pytest.mark.asyncio
async def test_more_than_a_ledger_holds_and_a_ledger_that_is_not_there_are_refused(tmp_path: Path) -> None:
    relay = Relay(reputation=USDC)
    own = market(AGENT, relay, tmp_path)
    with pytest.raises(NotEnough, match=r"Only 1\.00 USDC"):
        await own.withdraw(USDC + 1, ledger=LedgerName.REPUTATION)
    with pytest.raises(Mismatch, match="arbiter"):
        await own.withdraw(ledger=LedgerName.ARBITER)
    assert await own.withdraw() is None, "the escrow ledger is empty"
    assert relay.posts == []


@pytest.mark.asyncio
async def test_an_agent_collects_what_is_worth_it_once_also_after_a_restart(tmp_path: Path) -> None:
    relay = Relay(escrow=3 * USDC, reputation=CENT)
    own = market(AGENT, relay, tmp_path)

    def agent() -> Collector:
        return Collector(AgentActions(own), Options(collect_from_units=USDC))

    first = agent()
    await first.collect()
    assert relay.asked == [("escrow", "3000000")], "a cent waits for more"
    relay.waiting["reputation"] = 2 * USDC
    await first.collect()
    await agent().collect()
    assert len(relay.asked) == 1, "the first may still be mined"
    relay.end("failed")
    await first.collect()
    assert relay.asked[1:] == [("escrow", "3000000"), ("reputation", "2000000")]
    relay.end("mined")
    relay.waiting = {"escrow": 0, "reputation": 0}
    await agent().collect()
    assert len(relay.asked) == 3


async def _exhaust(intents: AsyncIterator[Intent]) -> None:
    async for _ in intents:
        pass


@pytest.mark.asyncio
async def test_a_refusal_holds_up_neither_other_ledgers_nor_direct_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport_module, "_DELAYS", ())
    relay = Relay(escrow=3 * USDC, reputation=2 * USDC)
    relay.refused = {"escrow"}
    own = market(AGENT, relay, tmp_path)
    with pytest.raises(ProblemError, match="gas is used up"):
        await _exhaust(own.collect())
    assert [made["reference"]["ledger"] for made in relay.intents.values()] == ["reputation"]
    claims: list[str] = []

    async def claim(self: Collector, rpc_url: str) -> None:
        claims.append(rpc_url)

    monkeypatch.setattr(Collector, "_claim_overdue", claim)
    collector = Collector(AgentActions(own), Options(collect_from_units=USDC, rpc_url="http://node"))
    relay.end("mined")
    with pytest.raises(ProblemError):
        await collector.collect()
    assert claims == ["http://node"], "above all when the service does not do its part"


@pytest.mark.asyncio
async def test_a_withdrawal_the_service_has_forgotten_is_over_and_an_older_one_is_waited_for(tmp_path: Path) -> None:
    relay = Relay(escrow=3 * USDC, reputation=2 * USDC)
    own = market(AGENT, relay, tmp_path)
    collector = Collector(AgentActions(own), Options(collect_from_units=USDC))
    await collector.collect()
    newest = list(relay.intents)[-1]
    relay.intents[newest]["state"] = "mined"
    await Collector(AgentActions(own), Options(collect_from_units=USDC)).collect()
    assert len(relay.asked) == 2, "behind a mined one another is still on its way"
    relay.intents.clear()
    await collector.collect()
    assert len(relay.asked) == 4


class DrainedPool:
    """A chain on which the first channel's pool holds nothing any more."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.claimed: list[int] = []

    async def claimed_units(self, channel_id: bytes) -> int:
        self.asked.append(channel_id[0])
        return 400_000 if channel_id[0] in self.claimed else 0

    async def claim(self, receipt: Receipt) -> bytes:
        if receipt.channel_id[0] == 1:
            raise ClientError("The contract refuses: the pool does not hold that much.")
        self.claimed.append(receipt.channel_id[0])
        return bytes(32)


@pytest.mark.asyncio
async def test_a_receipt_whose_pool_is_drained_holds_up_no_other_and_is_tried_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = market(AGENT, Relay(), tmp_path)
    store = await own.store()
    for first in (1, 2, 3):
        raw = receipt_json(created_at="2020-01-01T00:00:00Z") | {"channel_id": hex0x(bytes([first]) * 32)}
        store.add_receipt(Receipt.read(raw))
    pool = DrainedPool()
    monkeypatch.setattr(direct, "DirectChain", lambda *_: pool)
    collector = Collector(AgentActions(own), Options(rpc_url="http://node", collect_from_units=None))
    with pytest.raises(ClientError, match="does not hold"):
        await collector.collect()
    assert pool.claimed == [2, 3]
    await collector.collect()
    assert pool.asked == [1, 2, 3, 2, 3], "the refused one is left alone for a while"
    monkeypatch.setattr(collector_module, "FIRST_PAUSE", dt.timedelta())
    again = Collector(AgentActions(own), Options(rpc_url="http://node", collect_from_units=None))
    for _ in range(2):
        with pytest.raises(ClientError, match="does not hold"):
            await again.collect()


@pytest.mark.asyncio
async def test_a_receipt_that_is_wrong_holds_up_no_other_and_no_withdrawal(tmp_path: Path) -> None:
    relay = Relay(escrow=3 * USDC)
    wrong, right = receipt_json(operator_signature=hex0x(bytes(65))), receipt_json(500_000, 800_000, 100_000)
    relay.receipts = [wrong, right]
    own = market(AGENT, relay, tmp_path)
    with pytest.raises(Mismatch):
        await Collector(AgentActions(own), Options(collect_from_units=USDC)).collect()
    assert [receipt.total_claimed_units for receipt in (await own.store()).receipts()] == [500_000]
    assert relay.asked == [("escrow", "3000000")]
