"""What only the node knows of a wallet: its USDC, and the nonces its next signed withdrawals must carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aicp.abi import escrow, usdc
from aicp.rules.ledgers import LedgerName
from backend.context import Context
from backend.errors import Unavailable
from backend.nodes import Answers, first_answer, request, view_call

REVERTED: Final = 3
"""The error code nodes give to a call that the contract refuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletState:
    """Base units in the wallet, and the withdrawal nonce in each ledger, at the newest block."""

    usdc_units: int
    withdrawal_nonces: Mapping[LedgerName, int]


def _nonce(answer: Mapping[str, Any]) -> int | None:
    """Return the nonce, None where the contract at the address is no ledger: an arbiter need not be ours."""
    if answer.get("result") == "0x" or answer.get("error", {}).get("code") == REVERTED:
        return None
    return escrow.decode_withdrawal_nonce_result(bytes.fromhex(answer["result"][2:]))


async def wallet_state(ctx: Context, account: bytes) -> WalletState:
    """Ask the nodes in turn. Raises Unavailable when none answers."""
    nonce_of = escrow.encode_withdrawal_nonce(account)  # of every ledger, by `ILedger`
    body = [
        view_call(0, ctx.deployment.usdc, usdc.encode_balance_of(account)),
        *(view_call(number, ledger.address, nonce_of) for number, ledger in enumerate(ctx.ledgers.values(), 1)),
    ]

    def state(answers: Answers) -> WalletState:
        nonces = {name: _nonce(answers[number]) for number, name in enumerate(ctx.ledgers, 1)}
        return WalletState(
            usdc_units=usdc.decode_balance_of_result(bytes.fromhex(answers[0]["result"][2:])),
            withdrawal_nonces={name: nonce for name, nonce in nonces.items() if nonce is not None},
        )

    found = await first_answer(ctx, body, state)
    if found is None:
        raise Unavailable("The chain node does not answer.")
    return found


async def gas_price_wei(ctx: Context) -> int | None:
    """Return what a unit of gas costs now, as settlement reckons; None where no node answers."""
    body = [request(0, "eth_getBlockByNumber", "latest", False), request(1, "eth_maxPriorityFeePerGas")]

    def price(answers: Answers) -> int:
        tip = max(int(answers[1]["result"], 16), ctx.constants.min_gas_price_wei)
        return int(answers[0]["result"]["baseFeePerGas"], 16) + tip

    return await first_answer(ctx, body, price)
