"""What a relayed call may need covers what was measured, with room for contract wallets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import pytest

from backend.domain.gas import ENGINE_GAS, RELAYED, WALLET_GAS, counted_gas, most_gas

MEASURED: Final = {
    "fund": "escrow: fund and accept with authorization",
    "accept": "escrow: accept",
    "submit": "escrow: submit, relayed",
    "release": "escrow: release to ledger, relayed",
    "refund": "escrow: refund to ledger",
    "dispute": "escrow: dispute raised",
    "respond": "escrow: dispute joined",
    "release_quorum": "escrow: release to ledger with two signatures",
    "pool_deposit": "pool: deposit with authorization",
    "pool_withdraw": "pool: initiate withdrawal",
    "withdraw": "escrow: withdraw, relayed",
    "stake": "reputation: stake top-up",
}
SAFE_GAS: Final = 100_000
"""What a contract wallet of several owners takes to check a signature."""


@pytest.mark.parametrize("kind", sorted(MEASURED))
def test_a_budget_covers_the_measured_call_and_wallets_of_several_owners(kind: str) -> None:
    snapshot = json.loads((Path(__file__).parents[3] / "snapshots" / "gas.json").read_text())
    measured = snapshot[MEASURED[kind]]["polygon"]
    assert RELAYED[kind].reserved >= measured
    assert most_gas(kind) >= measured + RELAYED[kind].left + RELAYED[kind].wallets * 2 * SAFE_GAS


def test_used_gas_counts_from_the_reserve_up() -> None:
    reserved = RELAYED["submit"].reserved
    assert counted_gas("submit", None) == counted_gas("submit", reserved - 1) == reserved
    assert counted_gas("submit", reserved + 1) == reserved + 1


def test_a_withdrawal_counts_its_end_as_well_and_an_acceptance_only_what_it_used() -> None:
    ahead = RELAYED["pool_withdraw"].ahead
    assert counted_gas("pool_withdraw", 300_000) == ahead + 300_000
    assert (counted_gas("accept", None), counted_gas("accept", 60_000)) == (0, 60_000)


def test_calls_of_the_engine_count_for_nobody() -> None:
    assert counted_gas("execute", 10**6) == 0
    assert most_gas("execute") == ENGINE_GAS > 3 * WALLET_GAS
