"""Who may do what about a dispute, a division, a release by several, a rating. Pure."""

from __future__ import annotations

from aicp.rules.primitives import ZERO_ADDRESS
from backend.deals.making_actions import action
from backend.deals.schemas import Action, EscrowOut

SILENCE_PAYS = "After that the money is released to the agent."


def divide(escrow: EscrowOut) -> list[Action]:
    """Return the offers to divide: who has to answer one first."""
    answered = {"buyer": "agent", "agent": "buyer"}
    waiting = {answered[offer.role] for offer in escrow.split_offers if offer.state == "open"}
    asked = "The other side offers to divide what is left; signing the same split carries it out."
    free = "Both sides can divide what is left as they like, if both sign."
    buyer = action("split", "buyer", asked if "buyer" in waiting else free)
    agent = action("split", "agent", asked if "agent" in waiting else free)
    return [agent, buyer] if waiting == {"agent"} else [buyer, agent]


def sign_release(escrow: EscrowOut) -> list[Action]:
    """Return who can still sign a release without the buyer; nobody where the terms name no verifier."""
    if escrow.verifier is None or escrow.quorum == 0:
        return []
    reason = "The verifier checks the result; signed by agent and verifier, the money is released."
    return [action("sign_release", "verifier", reason), action("sign_release", "agent", reason)]


def dispute(escrow: EscrowOut, margin_seconds: int) -> Action:
    """Return the buyer's way to dispute a submitted result, or why there is none."""
    if escrow.terms.arbiter == ZERO_ADDRESS:
        return action("dispute", "buyer", "The terms name no arbiter.", allowed=False)
    reason = "The buyer can dispute the result and puts up the arbiter's fee as a bond, which the winner gets."
    if escrow.arbiter_can_rule is False:
        reason += " The arbiter has too few jurors now; without a ruling each side gets half."
    due = None if escrow.challenge_ends_at is None else escrow.challenge_ends_at - margin_seconds
    return action("dispute", "buyer", reason, due=due, otherwise=SILENCE_PAYS)


def submitted_actions(escrow: EscrowOut, margin_seconds: int) -> list[Action]:
    """Return what can be done about a submitted result, most urgent first."""
    release = action(
        "release", "buyer", "The buyer checks the result and pays.", due=escrow.challenge_ends_at,
        otherwise=SILENCE_PAYS,
    )  # fmt: skip
    give_back = action("refund", "agent", "The agent can give the money back.")
    return [release, dispute(escrow, margin_seconds), *sign_release(escrow), give_back, *divide(escrow)]


def disputed_actions(escrow: EscrowOut, margin_seconds: int) -> list[Action]:
    """Return what can be done about a disputed result, by what the chain says of the escrow."""
    if escrow.chain_status == "ruled" or escrow.dispute is None:
        reason = "The ruling is being carried out."
        return [action("wait", "buyer", reason, allowed=False), action("wait", "agent", reason, allowed=False)]
    if escrow.chain_status == "challenged":
        lost = "After that the buyer gets back what is left, and the agent loses its whole stake for it."
        answer = action(
            "respond", "agent", "The agent answers and pays the arbiter's fee, or loses.",
            due=escrow.dispute.respond_by - margin_seconds, otherwise=lost,
        )  # fmt: skip
        give_back = action("refund", "agent", "Giving the money back now costs a tenth of the stake.")
        waiting = action("wait", "buyer", "Waiting for the agent to answer.", allowed=False)
        return [answer, give_back, *divide(escrow), waiting]
    halves = "After that anybody can end the dispute: by the arbiter's ruling if there is one, in halves otherwise."
    wait = [
        action(
            "wait", who, "The arbiter decides.", allowed=False, due=escrow.dispute.decide_by, otherwise=halves
        )
        for who in ("buyer", "agent")
    ]  # fmt: skip
    give_back = action("refund", "agent", "The agent can give in: the buyer gets what is left, the stake is lost.")
    return [*divide(escrow), give_back, *wait]


def rate(escrow: EscrowOut) -> list[Action]:
    """Return who can still rate the other side of a deal that is over."""
    if escrow.chain_status != "closed" or escrow.outcome in {None, "none", "cancelled"}:
        return []
    done = {rating.role for rating in escrow.ratings}
    reason = "Each side can rate the other once; the rating counts by what was paid."
    return [action("rate", who, reason) for who in ("buyer", "agent") if who not in done]
