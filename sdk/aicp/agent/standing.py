"""What the chain itself says of a disputed result, asked through the agent's own RPC: the service is not believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aicp.abi.enums import Status
from aicp.abi.typed_data import EscrowTerms
from aicp.client import Unreachable

if TYPE_CHECKING:
    from aicp.client.direct import DirectChain


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A dispute that waits for its agent's answer. Amounts are base units, `respond_by` unix seconds."""

    respond_by: int
    left_units: int
    fee_units: int | None
    """What the arbiter asks for, None where it gives no answer now."""
    wallet_units: int
    ledger_units: int


async def standing_of(own: DirectChain, escrow_id: bytes, terms: EscrowTerms) -> Standing | None:
    """Return where the dispute stands, None unless the chain has one that is not answered. Raises Unreachable."""
    state = await own.state_of(escrow_id)
    if state.status != Status.CHALLENGED:
        return None
    try:
        fee = await own.arbitration_cost(escrow_id, terms)
    except Unreachable:  # also where the arbiter reverts
        fee = None
    return Standing(
        respond_by=state.clock,
        left_units=terms.amount - state.released - state.refunded,
        fee_units=fee,
        wallet_units=await own.usdc_units(terms.provider),
        ledger_units=await own.ledger_units(terms.provider),
    )
