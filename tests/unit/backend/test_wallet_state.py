"""What the chain says of a wallet is told also where the arbiter of the deployment keeps no ledger."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from aicp.rules.ledgers import LedgerName, ledgers_of
from backend import nodes
from backend.errors import Unavailable
from backend.wallet import chain

ACCOUNT = b"\5" * 20
CTX: Any = SimpleNamespace(
    settings=SimpleNamespace(rpc_timeout_seconds=1.0, rpc_urls=["http://a", "http://b"]),
    deployment=SimpleNamespace(usdc=b"\1" * 20),
    ledgers=ledgers_of(31337, escrow=b"\2" * 20, reputation=b"\3" * 20, arbiter=b"\4" * 20),
)
REVERTED = {"error": {"code": 3, "message": "execution reverted"}}
BUSY = {"error": {"code": -32000, "message": "too many requests"}}


def state(monkeypatch: pytest.MonkeyPatch, **arbiter: dict[str, Any]) -> chain.WalletState:
    """The state of a wallet where every number of the nodes is their request's, and the arbiter answers as given."""

    async def post(url: str, body: list[dict[str, Any]], wait: float) -> nodes.Answers:
        good = {one["id"]: {"result": f"0x{one['id']:064x}"} for one in body}
        return good | {3: arbiter.get(url[-1], good[3])}

    monkeypatch.setattr(nodes, "post", post)
    return asyncio.run(chain.wallet_state(CTX, ACCOUNT))


def test_every_ledger_counts_its_own_nonces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = state(monkeypatch)
    assert found.withdrawal_nonces == {LedgerName.ESCROW: 1, LedgerName.REPUTATION: 2, LedgerName.ARBITER: 3}


@pytest.mark.parametrize("answer", [REVERTED, {"result": "0x"}])
def test_an_arbiter_that_is_no_ledger_is_left_out(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> None:
    found = state(monkeypatch, a=answer, b=answer)
    assert found.withdrawal_nonces == {LedgerName.ESCROW: 1, LedgerName.REPUTATION: 2}


def test_a_node_that_answers_in_part_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LedgerName.ARBITER in state(monkeypatch, a=BUSY).withdrawal_nonces
    with pytest.raises(Unavailable):
        state(monkeypatch, a=BUSY, b=BUSY)
