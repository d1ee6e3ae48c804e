"""What happens around escrows: funding, work, releases and refunds, disputes, rulings, ratings, stakes at the end."""

from __future__ import annotations

from typing import Any, Final

from tests.sim import court
from tests.sim.turn import ADDRESSES, AGENTS, BUYERS, FEES, NOBODY, UNIT, Turn

Record = dict[str, Any]
COMPLETED, SETTLED, RETURNED, MISSED, LOST, WON, TIE, STALLED = range(1, 9)
CANCELLED: Final = 9
_OPEN: Final = ("accepted", "submitted")


def fund(turn: Turn) -> None:
    """Fund an escrow, now and then out of the balance."""
    client, provider = turn.random.choice(BUYERS), turn.random.choice(AGENTS)
    amount = turn.random.choice((1, 7, UNIT, 25 * UNIT, 2**80)) if turn.random.random() < 0.2 else turn.units(50 * UNIT)
    key = turn.fresh("escrow")
    arbiter = ADDRESSES["arbiter"] if turn.random.random() < 0.7 else NOBODY
    fee_bps = turn.state["config",]["fee_bps"]
    deliver_by = turn.time + turn.random.choice((5, 40, 400))
    salt = turn.random.choice((0, 1, 2**256 - 1, turn.random.getrandbits(256)))
    terms = (client, provider, NOBODY, arbiter, amount, fee_bps, 0, turn.time + 60, deliver_by, 60, 600, key, salt)
    if turn.balance("escrow", client) >= amount:
        turn.credit("escrow", client, -amount)
        turn.emit("escrow", "BalanceSpent", account=client, id=key, amount=amount)
    turn.emit("escrow", "EscrowFunded", id=key, client=client, provider=provider, terms=terms)
    turn.put("escrow", key, {
        "id": key, "client": client, "provider": provider, "arbiter": arbiter, "amount": amount, "fee_bps": fee_bps,
        "deliver_by": deliver_by, "status": "funded", "left": amount, "released": 0, "stake": 0, "locked": False,
        "reported": False, "outcome": 0, "bond": 0, "dispute": None, "rated": (),
    })  # fmt: skip


def accept(turn: Turn) -> None:
    """Accept, with stake locked where the agent has some."""
    deal = turn.pick(turn.of("escrow", status="funded"))
    if deal is None:
        return
    stake = turn.state.get(("stake", deal["provider"]))
    free = 0 if stake is None else stake["staked"] - stake["locked"]
    amount = turn.units(free) if free else 0
    if stake is not None and amount:
        turn.put("stake", deal["provider"], stake, locked=stake["locked"] + amount)
        turn.emit("reputation", "StakeLocked", agent=deal["provider"], escrowId=deal["id"], amount=amount)
    turn.emit("escrow", "EscrowAccepted", id=deal["id"], stake=amount)
    turn.put("escrow", deal["id"], deal, status="accepted", stake=amount, locked=True)


def submit(turn: Turn) -> None:
    """Hand work in."""
    deal = turn.pick(turn.of("escrow", status="accepted"))
    if deal is not None:
        turn.emit(
            "escrow", "WorkSubmitted", id=deal["id"], deliverableHash=turn.fresh("work"), challengeEndsAt=turn.time + 60
        )
        turn.put("escrow", deal["id"], deal, status="submitted")


def release(turn: Turn) -> None:
    """Release a part or all of what is left."""
    deal = turn.pick([deal for status in _OPEN for deal in turn.of("escrow", status=status)])
    if deal is not None:
        deal = _release(turn, deal, turn.units(deal["left"]))
        if deal["left"] == 0:
            _close(turn, deal, COMPLETED)


def refund(turn: Turn) -> None:
    """Give everything left back: a cancellation, a missed delivery, or the provider's own will."""
    deal = turn.pick([deal for status in ("funded", *_OPEN) for deal in turn.of("escrow", status=status)])
    if deal is None:
        return
    late = deal["status"] == "accepted" and turn.time >= deal["deliver_by"]
    ending = CANCELLED if deal["status"] == "funded" else MISSED if late else RETURNED
    _close(turn, _refund(turn, deal, deal["left"]), ending)


def split(turn: Turn) -> None:
    """Settle by agreement."""
    deal = turn.pick([deal for status in (*_OPEN, "challenged") for deal in turn.of("escrow", status=status)])
    if deal is None or deal["left"] < 2:
        return
    share = turn.random.randint(1, deal["left"] - 1)
    turn.emit("escrow", "EscrowSplit", id=deal["id"], toProvider=share, toClient=deal["left"] - share)
    deal = _refund(turn, _release(turn, deal, share), deal["left"] - share)
    _close(turn, _return_bond(turn, deal, deal["client"]), SETTLED)


def challenge(turn: Turn) -> None:
    """Raise a dispute with a bond."""
    submitted = [deal for deal in turn.of("escrow", status="submitted") if deal["arbiter"] != NOBODY]
    deal = turn.pick([deal for deal in submitted if deal["left"] > 0])
    if deal is None:
        return
    bond = turn.random.randint(1, 5 * UNIT)
    evidence = turn.fresh("evidence")
    turn.emit(
        "escrow", "DisputeRaised", id=deal["id"], by=deal["client"], evidenceHash=evidence, respondBy=turn.time + 60
    )
    turn.emit("escrow", "BondPosted", id=deal["id"], party=deal["client"], amount=bond)
    turn.put("escrow", deal["id"], deal, status="challenged", bond=bond)


def answer(turn: Turn) -> None:
    """Answer a dispute: join it, stay silent, or give in."""
    deal = turn.pick(turn.of("escrow", status="challenged"))
    if deal is None:
        return
    throw = turn.random.random()
    if throw < 0.6:
        fee = 3 * UNIT
        number = court.create(turn, deal["id"])
        turn.emit("escrow", "BondPosted", id=deal["id"], party=deal["provider"], amount=fee)
        turn.emit("escrow", "DisputeJoined", id=deal["id"], disputeId=number, decideBy=turn.time + 600)
        turn.put("escrow", deal["id"], deal, status="disputed", dispute=number)
        return
    if throw < 0.8:
        turn.emit("escrow", "DisputeDefaulted", id=deal["id"], winner=deal["client"])
    deal = _refund(turn, deal, deal["left"])
    _close(turn, _return_bond(turn, deal, deal["client"]), LOST if throw < 0.8 else RETURNED)


def decide(turn: Turn) -> None:
    """Carry a dispute to its end: by the arbiter's ruling, at once or later, or because nobody ruled."""
    deal = turn.pick([deal for status in ("disputed", "ruled") for deal in turn.of("escrow", status=status)])
    if deal is None:
        return
    if deal["status"] == "disputed":
        if turn.random.random() < 0.2:
            _halves(turn, deal, STALLED)
            return
        ruling = turn.random.randint(0, 2)
        court.rule(turn, deal["dispute"], ruling)
        turn.emit("escrow", "Ruling", arbitrator=deal["arbiter"], disputeID=deal["dispute"], ruling=ruling)
        deal = turn.put("escrow", deal["id"], deal, status="ruled", ruling=ruling)
        if turn.random.random() < 0.4:
            return
    if deal["ruling"] == 0:
        _halves(turn, deal, TIE)
    elif deal["ruling"] == 1:
        deal = _refund(turn, deal, deal["left"])
        _close(turn, _return_bond(turn, deal, deal["client"]), LOST)
    else:
        deal = _release(turn, deal, deal["left"])
        _close(turn, _return_bond(turn, deal, deal["provider"]), WON)


def report_again(turn: Turn) -> None:
    """Repeat a report to Reputation that failed at the end."""
    deal = turn.pick(turn.of("escrow", status="closed", locked=True))
    if deal is not None:
        _report(turn, deal)


def rate(turn: Turn) -> None:
    """Rate the other side."""
    deal = turn.pick([deal for deal in turn.of("escrow", status="closed") if len(deal["rated"]) < 2])
    if deal is None:
        return
    pair = (deal["client"], deal["provider"]) if "client" not in deal["rated"] else (deal["provider"], deal["client"])
    side = "client" if "client" not in deal["rated"] else "provider"
    score = turn.random.randint(0, 100)
    turn.emit(
        *("escrow", "Rated"), id=deal["id"], rater=pair[0], ratee=pair[1], score=score,
        commentHash=turn.fresh("comment"), settledValue=deal["released"],
    )  # fmt: skip
    turn.put("escrow", deal["id"], deal, rated=(*deal["rated"], side))


def change_fees(turn: Turn) -> None:
    """Name another fee or another recipient, or do something the mirror keeps no row of."""
    config = turn.state["config",]
    throw = turn.random.random()
    if throw < 0.3:
        config = {**config, "fee_bps": turn.random.choice((0, 100, 250, 500))}
        turn.emit("escrow", "FeeChanged", feeBps=config["fee_bps"])
    elif throw < 0.6:
        config = {**config, "recipient": turn.random.choice(FEES)}
        turn.emit("escrow", "FeeRecipientChanged", feeRecipient=config["recipient"])
    else:
        turn.emit("escrow", "InflowsPaused", by=FEES[0])
        turn.emit("payment_channel", "SettleSkipped", receiver=AGENTS[0])
    turn.state["config",] = config


def _release(turn: Turn, deal: Record, amount: int) -> Record:
    fee = amount * deal["fee_bps"] // 10_000
    turn.emit("escrow", "EscrowReleased", id=deal["id"], amount=amount, fee=fee)
    turn.credit("escrow", deal["provider"], amount - fee)
    turn.credit("escrow", turn.state["config",]["recipient"], fee)
    return turn.put("escrow", deal["id"], deal, left=deal["left"] - amount, released=deal["released"] + amount)


def _refund(turn: Turn, deal: Record, amount: int) -> Record:
    turn.emit("escrow", "EscrowRefunded", id=deal["id"], amount=amount)
    turn.credit("escrow", deal["client"], amount)
    return turn.put("escrow", deal["id"], deal, left=deal["left"] - amount)


def _halves(turn: Turn, deal: Record, ending: int) -> None:
    half = deal["left"] - deal["left"] // 2
    deal = _release(turn, deal, half)
    if deal["left"]:
        deal = _refund(turn, deal, deal["left"])
    bond = deal["bond"] // 2
    deal = _return_bond(turn, deal, deal["provider"], bond) if bond else deal
    _close(turn, _return_bond(turn, deal, deal["client"]), ending)


def _return_bond(turn: Turn, deal: Record, to: bytes, amount: int | None = None) -> Record:
    amount = deal["bond"] if amount is None else amount
    if not amount:
        return deal
    turn.emit("escrow", "BondReturned", id=deal["id"], account=to, amount=amount)
    turn.credit("escrow", to, amount)
    return turn.put("escrow", deal["id"], deal, bond=deal["bond"] - amount)


def _close(turn: Turn, deal: Record, outcome: int) -> None:
    turn.emit("escrow", "EscrowClosed", id=deal["id"])
    accepted = deal["locked"]
    deal = turn.put("escrow", deal["id"], deal, status="closed", outcome=outcome, locked=False)
    if not accepted:
        return
    if turn.random.random() < 0.1:
        turn.emit("escrow", "StakeSettlementFailed", id=deal["id"])
        turn.put("escrow", deal["id"], deal, locked=True)
    else:
        _report(turn, deal)


def _report(turn: Turn, deal: Record) -> None:
    """What Reputation does with an end: the lock opened or slashed, the outcome recorded, maybe a bonus."""
    agent, key = deal["provider"], deal["id"]
    if deal["stake"]:
        stake = turn.state["stake", agent]
        locked = stake["locked"] - deal["stake"]
        if deal["outcome"] in {LOST, MISSED}:
            slashed = turn.random.randint(1, deal["stake"])
            to_pool = turn.random.randint(0, slashed)
            turn.put("stake", agent, stake, locked=locked, staked=stake["staked"] - slashed)
            turn.credit("reputation", deal["client"], slashed - to_pool)
            turn.state["bonus",] += to_pool
            turn.emit(
                *("reputation", "StakeSlashed"), agent=agent, escrowId=key, amount=slashed,
                toClient=slashed - to_pool, toPool=to_pool,
            )  # fmt: skip
        else:
            turn.put("stake", agent, stake, locked=locked)
            turn.emit("reputation", "StakeUnlocked", agent=agent, escrowId=key, amount=deal["stake"])
    turn.emit(
        "reputation",
        "OutcomeRecorded",
        agent=agent,
        escrowId=key,
        outcome=deal["outcome"],
        settledValue=deal["released"],
    )
    turn.put("escrow", key, deal, locked=False, reported=True)
    bonus = min(turn.state["bonus",], UNIT)
    if deal["outcome"] == COMPLETED and bonus and turn.random.random() < 0.5:
        turn.state["bonus",] -= bonus
        turn.credit("reputation", agent, bonus)
        turn.emit("reputation", "BonusPaid", agent=agent, escrowId=key, amount=bonus)
