"""A contract's refusal in words, where its own error does not say enough to whoever sends from the command line."""

from __future__ import annotations

import datetime as dt

from aicp.abi import arbiter as abi
from aicp.abi.runtime import ContractError
from aicp.rules.primitives import format_usdc


def words_of(error: ContractError) -> str:
    """Return what a decoded error means, as the end of a sentence; its own form where there are no words for it."""
    match error:
        case abi.ArbiterInsufficientStake(have=have, need=need):
            return f"the juror has {format_usdc(have)} USDC of stake, {format_usdc(need)} USDC are needed"
        case abi.ArbiterUnbonding(until=0):
            return "no stake was asked back"
        case abi.ArbiterUnbonding(until=until):
            return f"the stake can be taken out after {_when(until)}"
        case abi.ArbiterNotFundable():
            return "this side of the appeal cannot be paid for now, or is paid already"
        case abi.ArbiterWrongPeriod():
            return "the dispute is in another period by now"
        case abi.ArbiterNothingDue():
            return "nothing is due, or it was paid out before"
        case _:
            return str(error)


def _when(seconds: int) -> str:
    try:
        return dt.datetime.fromtimestamp(seconds, dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError):  # a uint40 reaches far beyond the calendar
        return f"unix second {seconds}"
