"""What the mirror knows of a dispute at our arbiter: rounds, clocks, and who has to pay how much for an appeal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi.arbiter import ArbiterConfig
from aicp.abi.runtime import DecodeError
from aicp.rules.appeals import Appeal, AppealSide, Periods, appeal_of, clock_of, verdict_of
from aicp.rules.primitives import Finality
from backend.context import Context
from backend.deals.dispute_schemas import AppealOut, AppealSideOut, Party, RoundOut, Ruling
from indexer import views

RULINGS: Final[tuple[Ruling, ...]] = ("neither", "buyer", "agent")
_SIDES: Final[dict[int, Party]] = {1: "buyer", 2: "agent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A dispute at our arbiter as the mirror has it. `ends_at` is when its period ends, in unix seconds."""

    court: views.ArbiterDisputeRow
    ends_at: int | None
    verdict: Ruling | None
    rounds: list[RoundOut]
    appeal: AppealOut | None
    buyer_credit_units: int
    agent_credit_units: int


def config_of(ctx: Context) -> ArbiterConfig | None:
    """Return what our arbiter's deployment has fixed, None where the deployment does not say."""
    arguments = ctx.deployment.constructor_arguments.get("DisputeArbiter")
    try:
        return None if arguments is None else ArbiterConfig.read(arguments)
    except DecodeError:
        return None


def trial(session: Session, ctx: Context, held: views.EscrowRow) -> Trial | None:
    """Return the dispute our arbiter has about an escrow, None where it has none."""
    if held.arbiter != ctx.deployment.arbiter:
        return None
    court = views.arbiter_dispute_of(session, ctx.deployment.escrow, held.escrow_id)
    if court is None:
        return None
    rounds, config = views.rounds(session, court.dispute_id), config_of(ctx)
    votes = [(one.refused_votes, one.first_votes, one.second_votes) for one in rounds]
    clock = None if config is None else clock_of(views.arbiter_periods(session, court.dispute_id), _periods(config))
    appeal = None
    if court.period == "appeal" and court.ruling is None and config is not None and clock is not None:
        now = rounds[court.round_number]
        raised = (now.appeal_first_units, now.appeal_second_units)
        appeal = appeal_of(
            court.round_number, verdict_of(votes), config.fee_per_seat, raised, clock[0], config.appeal_period
        )  # fmt: skip
    return Trial(
        court=court,
        ends_at=None if clock is None else clock[1],
        verdict=RULINGS[verdict_of(votes)] if any(map(sum, votes)) else None,
        rounds=[_round_out(row) for row in rounds],
        appeal=None if appeal is None or not appeal.is_open(ctx.now()) else _appeal_out(appeal),
        buyer_credit_units=views.ledger_balance(session, held.arbiter, held.client, Finality.SEEN),
        agent_credit_units=views.ledger_balance(session, held.arbiter, held.provider, Finality.SEEN),
    )


def ends_of(session: Session, ctx: Context, disputes: Sequence[bytes]) -> dict[bytes, int]:
    """Return when the period ends that each of these disputes is in; those that no time ends are left out."""
    config = config_of(ctx)
    if config is None or not disputes:
        return {}
    known = views.arbiter_periods_of(session, disputes)
    clocks = {dispute: clock_of(known.get(dispute, []), _periods(config)) for dispute in disputes}
    return {dispute: clock[1] for dispute, clock in clocks.items() if clock is not None}


def _periods(config: ArbiterConfig) -> Periods:
    return Periods(
        evidence=config.evidence_period, commit=config.commit_period, reveal=config.reveal_period,
        appeal=config.appeal_period,
    )  # fmt: skip


def _round_out(row: views.RoundRow) -> RoundOut:
    return RoundOut(
        number=row.round_number, seats=row.seats, drawn=row.drawn, committed=row.committed,
        neither_votes=row.refused_votes, buyer_votes=row.first_votes, agent_votes=row.second_votes,
        buyer_appeal_units=row.appeal_first_units, agent_appeal_units=row.appeal_second_units,
    )  # fmt: skip


def _appeal_out(appeal: Appeal) -> AppealOut:
    def side(one: AppealSide) -> AppealSideOut:
        return AppealSideOut(
            role=_SIDES[one.side], required_units=one.required_units, paid_units=one.paid_units,
            missing_units=one.missing_units, payable_until=one.payable_until,
        )  # fmt: skip

    return AppealOut(
        round=appeal.round_number, verdict=RULINGS[appeal.verdict], cost_units=appeal.cost_units,
        challenge_by=appeal.challenge_by, ends_at=appeal.ends_at, challenged=appeal.challenged,
        sides=[side(appeal.first), side(appeal.second)],
    )  # fmt: skip
