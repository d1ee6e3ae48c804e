"""What is signed, and what is not: the actions against a recording service with honest and dishonest answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi.signing import recover
from aicp.abi.typed_data import Acceptance, ReceiveWithAuthorization, Voucher
from aicp.client import (
    AgentActions,
    BuyerActions,
    Market,
    Mismatch,
    NotEnough,
    PoolActions,
    TermsRefused,
    Wallet,
    models,
)
from aicp.client import chain as chain_module
from aicp.rules.primitives import checksum
from tests.unit.sdk.builders import (
    AGENT,
    BUYER,
    NOW,
    OPERATOR,
    address,
    chain,
    deal,
    deal_json,
    network_json,
    receipt_json,
)


class Recorder:
    """Answers reads from a table and records every write."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.posts: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/auth/nonce":
            moment = "2026-11-21T04:30:00Z"
            nonce = {"nonce": "n" * 16, "domain": "localhost", "uri": "http://localhost", "statement": "Sign in."}
            return httpx.Response(200, json=nonce | {"chain_id": 31337, "issued_at": moment, "expires_at": moment})
        if path == "/auth/verify":
            session = {"address": checksum(BUYER.address), "chain_id": 31337, "scopes": []}
            return httpx.Response(200, json=session | {"expires_at": "2099-01-01T00:00:00Z", "token": "t"})
        if request.method == "POST":
            self.posts.append((path, json.loads(request.content or b"{}")))
        found = self.answers.get(path)
        return httpx.Response(404, json={"code": "not_found"}) if found is None else httpx.Response(200, json=found)


def balances(waiting: Mapping[str, int] | None = None, **changes: str) -> dict[str, Any]:
    """What the service shows of an account, with so many base units in each ledger."""
    held = {"escrow": 0, "reputation": 0} | dict(waiting or {})
    ledgers = [
        {"ledger": name, "units": str(units), "final_units": str(units), "withdrawal_nonce": 7}
        for name, units in held.items()
    ]
    shown = {"address": checksum(BUYER.address), "ledgers": ledgers, "collectable_units": str(sum(held.values()))}
    names = (
        "usdc_units",
        "staked_units",
        "stake_locked_units",
        "stake_free_units",
        "channel_claimed_units",
        "channel_settled_units",
    )
    return shown | dict.fromkeys(names, "0") | changes


@pytest.fixture(autouse=True)
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: NOW)


def market(wallet: Wallet, recorder: Recorder, tmp_path: Path, *, rpc_url: str | None = None) -> Market:
    recorder.answers.setdefault("/network", network_json())
    recorder.answers.setdefault(f"/accounts/{checksum(wallet.address)}/balances", balances(usdc_units="30000000"))
    http = httpx.AsyncClient(transport=httpx.MockTransport(recorder))
    return Market("http://localhost", wallet, store=tmp_path / "store.sqlite", rpc_url=rpc_url, http=http)


def not_yet_ordered(**changes: str) -> dict[str, Any]:
    """The deal as the service answers for a session key whose channel it has never seen."""
    found = deal_json("channel", 400_000)
    found["channel"] |= {"channel_id": None} | changes
    return found


STEP = f"/deals/{deal('escrow').id}"


@pytest.mark.asyncio
async def test_the_agent_accepts_honest_terms(tmp_path: Path) -> None:
    recorder = Recorder(**{f"{STEP}/acceptance": deal_json("escrow")})
    honest = deal("escrow")
    await AgentActions(market(AGENT, recorder, tmp_path)).accept(honest)
    [(_, body)] = recorder.posts
    assert honest.escrow is not None
    assert body["valid_until"] == NOW + 900
    message = Acceptance(escrow_id=honest.escrow.escrow_id, valid_until=NOW + 900)
    assert recover(message.digest(chain().escrow), bytes.fromhex(body["signature"][2:])) == AGENT.address


@pytest.mark.asyncio
async def test_the_buyer_pays_by_one_authorization_whose_nonce_is_the_escrow_id(tmp_path: Path) -> None:
    recorder = Recorder(**{f"{STEP}/authorization": deal_json("escrow")})
    honest = deal("escrow")
    await BuyerActions(market(BUYER, recorder, tmp_path)).pay(honest)
    [(_, body)] = recorder.posts
    assert honest.escrow is not None
    assert body["valid_before"] == NOW + 800, "no longer than the agent's acceptance"
    message = ReceiveWithAuthorization(
        from_=BUYER.address,
        to=address("escrow"),
        value=25_000_000,
        valid_after=0,
        valid_before=NOW + 800,
        nonce=honest.escrow.escrow_id,
    )
    assert recover(message.digest(chain().token), bytes.fromhex(body["signature"][2:])) == BUYER.address


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "change",
    [
        {"escrow__terms__amount_units": "25000001"},
        {"escrow__acceptance_signature": None},
        {"price_units": "1"},
        {"escrow__terms__accept_by": NOW},
    ],
)
async def test_a_tampered_deal_gets_no_signature(tmp_path: Path, change: dict[str, Any]) -> None:
    recorder = Recorder()
    with pytest.raises(Mismatch):
        await BuyerActions(market(BUYER, recorder, tmp_path)).pay(deal("escrow", **change))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_late_terms_and_an_empty_wallet_get_no_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(**{f"/accounts/{checksum(BUYER.address)}/balances": balances(usdc_units="24999999")})
    actions = BuyerActions(market(BUYER, recorder, tmp_path))
    with pytest.raises(NotEnough, match=r"24\.999999"):
        await actions.pay(deal("escrow"))
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: NOW + 900)
    with pytest.raises(TermsRefused):
        await actions.pay(deal("escrow"))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_an_order_carries_a_voucher_of_what_is_needed_and_is_repeated_unchanged(tmp_path: Path) -> None:
    recorder = Recorder(
        **{
            STEP: not_yet_ordered(),
            f"{STEP}/order": deal_json("channel", 400_000),
        }
    )
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    actions = PoolActions(own)
    await actions.order(deal("channel", 400_000))
    await actions.order(deal("channel", 400_000))
    first, second = (body for _, body in recorder.posts)
    assert first == second
    assert first["voucher"]["max_claimable_units"] == "400000"
    kept = (await own.store()).order(deal("channel", 400_000).id)
    assert kept is not None
    voucher = Voucher(channel_id=kept.channel_id, max_claimable_amount=400_000).digest(chain().channel)
    assert recover(voucher, bytes.fromhex(first["voucher"]["signature"][2:])) == session.address


@pytest.mark.asyncio
async def test_a_ceiling_above_all_our_orders_is_not_signed(tmp_path: Path) -> None:
    recorder = Recorder(**{STEP: not_yet_ordered(need_units="5000000")})
    own = market(BUYER, recorder, tmp_path)
    (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    with pytest.raises(Mismatch, match="above all our orders"):
        await PoolActions(own).order(deal("channel", 400_000))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_the_channel_of_another_session_key_gets_no_signature(tmp_path: Path) -> None:
    recorder = Recorder(**{STEP: deal_json("channel", 400_000)})
    own = market(BUYER, recorder, tmp_path)
    (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    with pytest.raises(Mismatch, match="another channel"):
        await PoolActions(own).order(deal("channel", 400_000))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_a_receipt_is_stored_before_it_is_acknowledged(tmp_path: Path) -> None:
    raw = receipt_json()
    recorder = Recorder(**{"/receipts": {"items": [raw], "next_cursor": None}})
    own = market(AGENT, recorder, tmp_path)
    actions = AgentActions(own)
    with pytest.raises(Exception, match="404"):
        await actions.collect_receipts()  # the acknowledgement is refused, the receipt is ours all the same
    assert [receipt.total_claimed_units for receipt in (await own.store()).receipts()] == [400_000]
    recorder.answers[f"/receipts/{raw['id']}/acknowledge"] = raw
    assert len(await actions.collect_receipts()) == 1


@pytest.mark.asyncio
async def test_a_receipt_below_its_price_is_not_acknowledged(tmp_path: Path) -> None:
    own = market(AGENT, Recorder(), tmp_path)
    (await own.store()).add_receipt(models.Receipt.read(receipt_json()))
    short = receipt_json(500_000, 800_000, 400_000)
    recorder = Recorder(**{"/receipts": {"items": [short], "next_cursor": None}})
    with pytest.raises(Mismatch, match="less than its price"):
        await AgentActions(market(AGENT, recorder, tmp_path)).collect_receipts()
    assert recorder.posts == []
