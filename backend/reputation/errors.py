"""Why a vouch is not taken."""

from __future__ import annotations

from backend.errors import Conflict


class StakeTooLow(Conflict):
    """Who vouches has less free stake than all its open vouches put at risk; the problem says how much."""

    code, title = "stake_too_low", "The free stake does not cover the vouch."
