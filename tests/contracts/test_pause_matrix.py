"""What the guardian's pause stops: one row for every function of PaymentChannel and DisputeArbiter that changes state.

A row says whether new money is what the function brings. Such a function answers `Guarded_InflowsPaused` before
anything else; every other one answers the same as if nothing were paused. A new function without a row fails.
"""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils import keccak
from web3.exceptions import ContractLogicError

from aicp.abi.bytecode import artifact
from tests.contracts.world import USDC, ZERO

PAUSED = keccak(text="Guarded_InflowsPaused()")[:4].hex()

CHANNEL = {
    "deposit": False,
    "depositPool": False,
    "depositPoolWithAuthorization": False,
    "depositPoolWithPermit": False,
    "depositPoolWithPermit2": False,
    "claim": True,
    "claimWithSignature": True,
    "claimAndPay": True,
    "claimBatch": True,
    "settle": True,
    "settleMany": True,
    "initiateWithdraw": True,
    "finalizeWithdraw": True,
    "refund": True,
    "refundWithSignature": True,
    "initiatePoolWithdraw": True,
    "initiatePoolWithdrawWithSignature": True,
    "cancelPoolWithdraw": True,
    "cancelPoolWithdrawWithSignature": True,
    "finalizePoolWithdraw": True,
    "releasePool": True,
    "releasePoolWithSignature": True,
    "multicall": True,
    "rescueToken": True,
    "pauseInflows": True,
    "unpauseInflows": True,
}
ARBITER = {
    "stake": False,
    "stakeWithAuthorization": False,
    "createDispute": True,
    "disclose": True,
    "submitEvidence": True,
    "advance": True,
    "advanceSession": True,
    "draw": True,
    "commit": True,
    "commitWithSignature": True,
    "reveal": True,
    "reportLeak": True,
    "appeal": True,
    "fundAppeal": True,
    "fundAppealWithAuthorization": True,
    "executeRuling": True,
    "claim": True,
    "claimContribution": True,
    "sweep": True,
    "requestUnstake": True,
    "requestUnstakeWithSignature": True,
    "completeUnstake": True,
    "syncWeight": True,
    "withdraw": True,
    "withdrawTo": True,
    "withdrawWithSignature": True,
    "rescueToken": True,
    "pauseInflows": True,
    "unpauseInflows": True,
}


def functions(contract: str) -> list[Any]:
    """The functions of a contract that change state."""
    return [
        entry
        for entry in artifact(contract).abi
        if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
    ]


def kind_of(part: Any) -> str:
    """The type of a parameter as it stands in a signature."""
    if not part["type"].startswith("tuple"):
        return part["type"]
    return f"({','.join(kind_of(inner) for inner in part['components'])}){part['type'].removeprefix('tuple')}"


def nothing(kind: str, parts: list[Any]) -> Any:
    """The empty value of a type."""
    if kind.endswith("]"):
        return []
    if kind.startswith("tuple"):
        return tuple(nothing(part["type"], part.get("components", [])) for part in parts)
    if kind.startswith("bytes"):
        return bytes(int(kind[5:] or 0))
    return {"address": ZERO, "string": "", "bool": False}.get(kind, 0)


def answer(world: Any, contract: Any, entry: Any, sender: Any) -> str:
    """What a call with empty arguments gives, in hex: the error's selector and words, or the result."""
    kinds = [kind_of(part) for part in entry["inputs"]]
    values = [nothing(part["type"], part.get("components", [])) for part in entry["inputs"]]
    data = keccak(text=f"{entry['name']}({','.join(kinds)})")[:4] + encode(kinds, values)
    call = {"from": sender.address, "to": contract.address, "data": "0x" + data.hex()}
    try:
        return str(world.chain.provider.web3.eth.call(call).hex())
    except ContractLogicError as error:
        return str(error.data).removeprefix("0x")


def check(world: Any, contract: Any, entry: Any, works: bool) -> None:
    accounts = (world.client, world.guardian)
    before = [answer(world, contract, entry, account) for account in accounts]
    assert PAUSED not in before
    contract.pauseInflows(sender=world.guardian)
    after = [answer(world, contract, entry, account) for account in accounts]
    assert after == (before if works else [PAUSED, PAUSED])


def test_every_function_has_its_row():
    assert {entry["name"] for entry in functions("PaymentChannel")} == set(CHANNEL)
    assert {entry["name"] for entry in functions("DisputeArbiter")} == set(ARBITER)


@pytest.mark.parametrize("entry", functions("PaymentChannel"), ids=lambda entry: entry["name"])
def test_pause_matrix__payment_channel(world, entry):
    check(world, world.channel, entry, CHANNEL[entry["name"]])


@pytest.mark.parametrize("entry", functions("DisputeArbiter"), ids=lambda entry: entry["name"])
def test_pause_matrix__dispute_arbiter(world, court, entry):
    check(world, court.arbiter, entry, ARBITER[entry["name"]])


def test_pause__every_way_back_to_money_pays(world):
    """The same with arguments that succeed, for what pays somebody."""
    channel, config = world.channel, world.config(world.provider)
    key = tuple(config.values())
    world.open_pool()
    channel.deposit(key, 5 * USDC, ZERO, b"", sender=world.client)
    channel.claim([world.row(config, USDC)], sender=world.provider)
    channel.pauseInflows(sender=world.guardian)
    before = world.usdc.balanceOf(world.provider)
    channel.settle(world.provider, world.usdc, sender=world.stranger)
    channel.claimAndPay(world.row(config, 2 * USDC), b"", sender=world.provider)
    assert world.usdc.balanceOf(world.provider) == before + 2 * USDC
    before = world.usdc.balanceOf(world.client)
    channel.refund(key, USDC, sender=world.provider)
    channel.initiateWithdraw(key, USDC, sender=world.client)
    channel.initiatePoolWithdraw(world.session, world.operator, 5 * USDC, sender=world.client)
    world.pass_to(world.now() + 86400)
    channel.finalizeWithdraw(key, sender=world.client)
    channel.finalizePoolWithdraw(*world.pool_key(), sender=world.stranger)
    assert world.usdc.balanceOf(world.client) == before + 7 * USDC


def test_pause__a_contribution_to_an_appeal_is_no_new_stake(world, court):
    dispute = court.panelled()
    court.vote(dispute, 1, 1, 1)
    court.arbiter.pauseInflows(sender=world.guardian)
    court.fund(dispute, 2, USDC)
    with ape.reverts(court.arbiter.Guarded_InflowsPaused):
        court.arbiter.stake(USDC, sender=world.client)
