"""Receipts a withdrawal threatens that are worth less than their own gas: what of them is claimed, and who is told.

A payment costs its payer nothing but its amount, so anybody can make any number of such receipts to channels of his own
and withdraw. Their claims therefore take a share of the same day of relayed gas as everything else that is sent for the
pool's owner, the largest first; past it they wait for another day, or for their agents, who hold the receipts. All
owners together have a day too, since addresses cost nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, TypeVar

from sqlalchemy.orm import Session

from aicp.rules.primitives import format_usdc, hex0x
from backend.alarms import service as alarms
from backend.alarms.service import AlarmKind
from backend.context import Context
from backend.domain.settlement import DUST_ROW_GAS
from backend.settlement import repo
from backend.wallet import budget


class DayUsedUpError(Exception):
    """Something else has used an owner's day up since his dust was chosen."""


class Row(Protocol):
    """What is asked about a channel to claim."""

    @property
    def payer(self) -> bytes:
        """Return whose pool it is."""
        ...

    @property
    def dust(self) -> bool:
        """Return whether it is threatened and worth less than its own gas."""
        ...


R = TypeVar("R", bound=Row)


def granted(session: Session, ctx: Context, found: Sequence[R]) -> list[R]:
    """Return the rows, in their order, without the dust that the days of its owners have no room for."""
    left = {budget.DUST: budget.dust_room(session, ctx, budget.DUST)}
    good: list[R] = []
    for one in found:
        if one.dust:
            left.setdefault(one.payer, budget.dust_room(session, ctx, one.payer))
            if min(left[one.payer], left[budget.DUST]) < DUST_ROW_GAS:
                continue
            left[one.payer] -= DUST_ROW_GAS
            left[budget.DUST] -= DUST_ROW_GAS
        good.append(one)
    return good


def charge(session: Session, ctx: Context, owners: Sequence[bytes]) -> None:
    """Reserve gas for rows of dust, one owner for each. Raises DayUsedUpError; the caller rolls back."""
    for owner, number in Counter(owners).items():
        if not budget.charge_dust(session, ctx, owner, number * DUST_ROW_GAS):
            raise DayUsedUpError


def tell(session: Session, *, policy: repo.Policy | None) -> None:
    """Raise and clear the alarms of dust that waits; None where nothing is unclaimed at all."""
    waiting = [] if policy is None else session.execute(repo.waiting_dust(policy)).tuples().all()
    for pool_id, channels, units in waiting:
        alarms.raise_alarm(
            session, AlarmKind.DUST_UNCLAIMED, hex0x(pool_id),
            f"{format_usdc(int(units))} USDC of receipts in {channels} channels, each worth less than its gas, are not "
            "claimed while the buyer withdraws: the gas relayed for him today is used up. Their agents can claim them.",
        )  # fmt: skip
    alarms.clear_others(session, AlarmKind.DUST_UNCLAIMED, [hex0x(row[0]) for row in waiting])
