"""Who may do what on a deal now, why, until when, and what happens if nobody does. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from backend.deals.dispute_actions import disputed_actions, divide, rate, sign_release, submitted_actions
from backend.deals.making_actions import Who, action
from backend.deals.schemas import Action, ChannelSideOut, EscrowOut
from backend.domain.task_states import TaskState

S = TaskState
IN_ESCROW: Final = frozenset({S.ASSIGNED, S.RUNNING, S.DELIVERED, S.DISPUTED})
"""States of a task whose money is in an accepted escrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionFacts:
    """What the list of actions follows from. `collectable_by` are those for whom money waits in the contracts,
    once the escrow is closed."""

    state: TaskState
    live: bool
    escrow: EscrowOut | None
    channel: ChannelSideOut | None
    payment_blocked: bool
    """An earlier authorization of the task may still be used."""
    collectable_by: tuple[Who, ...]
    result_underway: bool
    dispute_margin_seconds: int
    """The last seconds of a clock in which the relayer promises nothing."""


def _wait(who: Who, reason: str) -> Action:
    return action("wait", who, reason, allowed=False)


def _call_off() -> Action:
    return action("cancel", "buyer", "Nothing is paid yet: the buyer can cancel, and the agent is free again.")


def _pay(facts: ActionFacts, escrow: EscrowOut) -> Action:
    lapse = "The terms lapse and the agent is free again; nothing has moved."
    if facts.payment_blocked:
        return action("pay", "buyer", "An earlier payment signature of this task may still be used.", allowed=False)
    if escrow.payable_until is None:
        return action("pay", "buyer", "The terms have lapsed; new ones are being composed.", allowed=False)
    return action("pay", "buyer", "One signature pays into escrow.", due=escrow.payable_until, otherwise=lapse)


def _escrow_actions(facts: ActionFacts, escrow: EscrowOut) -> list[Action]:
    if facts.state in IN_ESCROW and escrow.chain_status in {"challenged", "disputed", "ruled"}:
        return disputed_actions(escrow, facts.dispute_margin_seconds)
    give_back = action("refund", "agent", "The agent can give the money back.")
    match facts.state:
        case S.AWAITING_ACCEPTANCE:
            late = "The deal ends and the task goes back to its other bids."
            return [
                action("accept", "agent", "The agent signs the terms.", due=escrow.acceptance_due, otherwise=late),
                _wait("buyer", "Waiting for the agent to accept the terms."),
                _call_off(),
            ]
        case S.AWAITING_PAYMENT:
            waiting = _wait("agent", "Waiting for the buyer to pay.")
            return (
                [_pay(facts, escrow), waiting] if facts.payment_blocked else [_pay(facts, escrow), waiting, _call_off()]
            )
        case S.FUNDING if escrow.chain_status == "funded":
            cancel = action(
                "cancel", "buyer", "The money is in escrow, the acceptance is not.", due=escrow.terms.accept_by,
                otherwise="After that the money goes back to the buyer.",
            )  # fmt: skip
            return [cancel, _wait("agent", "The acceptance is on its way.")]
        case S.FUNDING:
            return [_wait("buyer", "The payment is on its way."), _wait("agent", "The payment is on its way.")]
        case S.ASSIGNED | S.RUNNING:
            missed = "After that anybody can send the money back to the buyer, and the agent loses stake."
            reason = (
                "A result is on its way to the chain." if facts.result_underway else "The agent hands in its result."
            )
            actions = [
                action("deliver", "agent", reason, due=escrow.terms.deliver_by, otherwise=missed),
                give_back,
                action("release", "buyer", "The buyer can pay at any time."),
                *sign_release(escrow),
                *divide(escrow),
            ]
            begin = action("start", "agent", "The agent says that it works.")
            return [begin, *actions] if facts.state is S.ASSIGNED else actions
        case S.DELIVERED:
            return submitted_actions(escrow, facts.dispute_margin_seconds)
        case S.DISPUTED:
            reason = "The dispute is over; its end becomes final on chain."
            return [_wait("buyer", reason), _wait("agent", reason)]
        case _ if escrow.chain_status == "closed":
            waits = "'s money waits in the contracts until it is collected."
            return [*(action("collect", who, f"The {who}{waits}") for who in facts.collectable_by), *rate(escrow)]
        case _:
            return rate(escrow)


def _channel_actions(facts: ActionFacts, channel: ChannelSideOut) -> list[Action]:
    placed = channel.order
    match facts.state:
        case S.AWAITING_PAYMENT:
            funded = channel.pool_id is not None
            reason = (
                "The buyer orders from the pool; no signature in the wallet is needed."
                if funded
                else "There is no pool that can pay; open one first."
            )
            order = action("order", "buyer", reason, allowed=funded)
            return [order, _wait("agent", "Waiting for the buyer to order."), _call_off()]
        case S.ASSIGNED | S.RUNNING if placed is not None:
            actions = [
                action(
                    "deliver", "agent", "The agent hands in its result.", due=placed.deliver_by,
                    otherwise="After that the order is void and nothing is paid.",
                ),
                action("return", "agent", "The agent can give the order back."),
                _wait("buyer", "The agent works."),
            ]  # fmt: skip
            begin = action("start", "agent", "The agent says that it works.")
            return [begin, *actions] if facts.state is S.ASSIGNED else actions
        case S.DELIVERED if placed is not None:
            return [
                action(
                    "verdict", "buyer", "The buyer accepts or rejects the result.", due=placed.evaluate_by,
                    otherwise="Silence is acceptance: the agent gets its receipt.",
                ),
                _wait("agent", "Waiting for the buyer's verdict."),
            ]  # fmt: skip
        case _:
            return []


def actions_of(facts: ActionFacts) -> list[Action]:
    """Return what both sides may do, most urgent first."""
    if facts.escrow is not None:
        return _escrow_actions(facts, facts.escrow)
    if facts.channel is not None:
        return _channel_actions(facts, facts.channel)
    return []
