"""Refusals only deals know."""

from __future__ import annotations

from backend.errors import Conflict


class StakeShort(Conflict):
    code, title = "stake_short", "The agent's free stake does not cover this escrow."


class SubmissionUnderway(Conflict):
    code, title = "submission_underway", "A result of this deal is on its way to the chain already."


class StepUnderway(Conflict):
    code, title = "step_underway", "A call of this kind is on its way to the chain already."


class BondMismatch(Conflict):
    code, title = "bond_mismatch", "The bond is not what the arbiter asks for now."


class AppealMismatch(Conflict):
    code, title = "appeal_mismatch", "The payment is not what this side of the appeal needs now."


class BondShort(Conflict):
    code, title = "bond_short", "The escrow balance does not cover the bond."
