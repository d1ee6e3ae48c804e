"""Estimates and signed quotes. The formula and its words are `aicp.rules.pricing`; here its inputs are read.

A quote rests on the newest final block, so that no reorganisation makes it untrue. It is a statement of what the
formula gives, not an offer: what an agent works for is its bid.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy.orm import Session

from aicp.rules.pricing import (
    FORMULA_VERSION,
    SETTLED_BEFORE_TIERS,
    TIERS,
    URGENCY_BPS,
    Price,
    price_of,
    price_units,
    quote,
)
from aicp.rules.primitives import MAX_UINT96, Finality
from backend.agents.models import Agent
from backend.agents.service import named
from backend.context import Context
from backend.errors import ChainBehind, PriceOutOfRange
from backend.pricing.schemas import EstimateIn, EstimateOut, FactorOut, QuoteOut, TierOut
from indexer import views

QUOTE_SECONDS: Final = 15 * 60


def estimate(session: Session, ctx: Context, asked: EstimateIn) -> EstimateOut:
    """Return what a task would cost and why; with an agent also a signed quote.

    Raises NotFound for an unknown agent, ChainBehind before the mirror has a final block, and PriceOutOfRange where
    the best tier's price would not fit a payment.
    """
    if _at(asked, TIERS[0][2]) > MAX_UINT96:
        raise PriceOutOfRange("The price does not fit a payment.")
    if asked.agent is None:
        unnamed = f"no agent is named; it is 1 until {SETTLED_BEFORE_TIERS} escrows of an agent are decided"
        return _estimate(asked, _price(asked, (0, 0)), unnamed, None, None)
    agent = named(session, asked.agent)
    try:
        block = views.sync_status(session).finalized_number
    except views.MirrorEmptyError as error:
        raise ChainBehind("The record of the agent on chain has not been read yet.") from error
    outcomes = views.outcomes(session, [agent.address], Finality.FINAL).get(agent.address, (0, 0))
    price = _price(asked, outcomes)
    read = f"{price.factors[0].because}; Reputation.recordOf says so at block {block}"
    return _estimate(asked, price, read, agent, _quote(ctx, asked, agent.address, outcomes, block))


def _at(asked: EstimateIn, multiplier_bps: int) -> int:
    return price_units(asked.base_units, multiplier_bps, asked.complexity, URGENCY_BPS[asked.urgency])


def _price(asked: EstimateIn, outcomes: tuple[int, int]) -> Price:
    successes, decided = outcomes
    return price_of(
        asked.base_units, successes=successes, decided=decided, complexity=asked.complexity, urgency=asked.urgency
    )


def _quote(ctx: Context, asked: EstimateIn, agent: bytes, outcomes: tuple[int, int], block: int) -> QuoteOut:
    message = quote(
        agent,
        asked.base_units,
        successes=outcomes[0],
        decided=outcomes[1],
        complexity=asked.complexity,
        urgency=asked.urgency,
        as_of_block=block,
        valid_until=ctx.now() + QUOTE_SECONDS,
    )
    operator, digest = ctx.operator, message.digest(ctx.domains.marketplace)
    return QuoteOut(
        chain_id=ctx.deployment.chain_id,
        escrow=ctx.deployment.escrow,
        agent=message.agent,
        base_units=message.base,
        successes=message.successes,
        decided=message.decided,
        complexity=message.complexity,
        urgency_bps=message.urgency_bps,
        price_units=message.price,
        formula=message.formula,
        as_of_block=message.as_of_block,
        valid_until=message.valid_until,
        digest=digest,
        operator=operator.address,
        signature=operator.sign(digest),
    )


def _estimate(
    asked: EstimateIn, price: Price, multiplier_because: str, agent: Agent | None, signed: QuoteOut | None
) -> EstimateOut:
    first, *others = price.factors
    return EstimateOut(
        base_units=asked.base_units,
        price_units=price.units,
        formula=FORMULA_VERSION,
        tier=price.tier,
        factors=[
            FactorOut(name=first.name, bps=first.bps, because=multiplier_because),
            *(FactorOut(name=one.name, bps=one.bps, because=one.because) for one in others),
        ],
        tiers=[
            TierOut(tier=tier, from_rate_bps=edge, multiplier_bps=bps, price_units=_at(asked, bps))
            for edge, tier, bps in TIERS
        ],
        agent=None if agent is None else agent.address,
        price_floor_units=None if agent is None else agent.price_floor_units,
        quote=signed,
    )
