"""What happens at the arbiter: jurors' stakes, panels, votes, appeals and who gets the money of a round."""

from __future__ import annotations

from typing import Any

from aicp.abi.enums import DisputePeriod, SessionPhase
from aicp.rules.primitives import keccak
from tests.sim.turn import ADDRESSES, BUYERS, FEE_PER_SEAT, JURORS, SINK, STAKE_PER_SEAT, UNIT, Turn

Record = dict[str, Any]
_TEXTS = ("", "a plain word", "\0 nothing", "żółć \U0001f9ee", b"\xff\xfe no text at all", "x" * 600)


def create(turn: Turn, escrow_id: bytes) -> int:
    """Open a dispute for an escrow; return its number. Numbers are the branch's own, as a contract's counter is."""
    number = 1 + len(turn.of("case"))
    turn.emit("arbiter", "DisputeCreation", disputeID=number, arbitrable=ADDRESSES["escrow"])
    turn.emit("arbiter", "DisputeParties", disputeID=number, extraData=escrow_id + b"parties")
    pots = {0: 3 * FEE_PER_SEAT}
    turn.put("case", number, {
        "number": number, "period": DisputePeriod.EVIDENCE, "round": 0, "pots": pots, "ballots": {}, "appeal": {},
        "ruled": False,
    })  # fmt: skip
    return number


def rule(turn: Turn, number: int, ruling: int) -> None:
    """Rule, whatever the jurors were doing."""
    case = turn.state["case", number]
    turn.emit("arbiter", "Ruling", arbitrable=ADDRESSES["escrow"], disputeID=number, ruling=ruling)
    turn.emit("arbiter", "NewPeriod", disputeID=number, period=int(DisputePeriod.SOLVED))
    if turn.random.random() < 0.1:
        turn.emit("arbiter", "RulingUndelivered", disputeID=number)
    turn.put("case", number, case, ruled=True, period=DisputePeriod.SOLVED)


def stake(turn: Turn) -> None:
    """Move a juror's stake, or the session all disputes share."""
    who = turn.random.choice(JURORS)
    juror = turn.state.get(("juror", who), {"who": who, "free": 0, "locked": 0})
    throw = turn.random.random()
    if throw < 0.5:
        amount = turn.units(60 * UNIT)
        juror = turn.put("juror", who, juror, free=juror["free"] + amount)
        turn.emit("arbiter", "JurorStaked", juror=who, amount=amount, staked=juror["free"] + juror["locked"])
        turn.emit("arbiter", "JurorWeighted", juror=who, weight=juror["free"])
    elif throw < 0.8 and juror["free"]:
        amount = turn.units(juror["free"])
        if turn.random.random() < 0.5:
            turn.emit(
                "arbiter",
                "JurorUnstakeRequested",
                juror=who,
                amount=amount,
                unbondAt=turn.random.choice((0, turn.time + 60)),
            )
        else:
            turn.put("juror", who, juror, free=juror["free"] - amount)
            turn.emit("arbiter", "JurorUnstaked", juror=who, amount=amount)
    else:
        number = turn.state.get(("session",), 0) + 1
        turn.state["session",] = number
        turn.emit("arbiter", "SessionAdvanced", number=number, phase=int(turn.random.choice(tuple(SessionPhase))))


def proceed(turn: Turn) -> None:
    """Do the next thing in one of the disputes."""
    case = turn.pick(turn.of("case", ruled=False))
    if case is None:
        settle(turn)
        return
    match case["period"]:
        case DisputePeriod.EVIDENCE if turn.random.random() < 0.4:
            text = turn.random.choice(_TEXTS)
            turn.emit(
                *("arbiter", "Evidence"), arbitrator=ADDRESSES["arbiter"], evidenceGroupID=case["number"],
                party=turn.random.choice(BUYERS), evidence=text,
            )  # fmt: skip
        case DisputePeriod.EVIDENCE:
            _period(turn, case, DisputePeriod.DRAWING)
        case DisputePeriod.DRAWING:
            _draw(turn, case)
        case DisputePeriod.COMMIT | DisputePeriod.REVEAL:
            _vote(turn, case)
        case _:
            _appeal(turn, case)


def settle(turn: Turn) -> None:
    """Give out what a round of a ruled dispute holds."""
    for case in turn.of("case", ruled=True):
        open_ballots = [key for key, ballot in case["ballots"].items() if not ballot["settled"]]
        if open_ballots:
            _settle(turn, case, turn.random.choice(open_ballots))
            return
        for number, pot in case["pots"].items():
            if pot > 0:
                turn.emit("arbiter", "RoundSwept", disputeID=case["number"], round=number, amount=pot)
                turn.credit("arbiter", SINK, pot)
                turn.put("case", case["number"], case, pots={**case["pots"], number: 0})
                return
        for (number, who), amount in case["appeal"].items():
            if amount > 0:
                turn.emit(
                    "arbiter",
                    "ContributionReturned",
                    disputeID=case["number"],
                    round=number,
                    account=who,
                    amount=amount,
                )
                turn.credit("arbiter", who, amount)
                turn.put("case", case["number"], case, appeal={**case["appeal"], (number, who): 0})
                return


def _period(turn: Turn, case: Record, period: DisputePeriod) -> None:
    turn.emit("arbiter", "NewPeriod", disputeID=case["number"], period=int(period))
    turn.put("case", case["number"], case, period=period)


def _draw(turn: Turn, case: Record) -> None:
    ready = [who for who in JURORS if turn.state.get(("juror", who), {"free": 0})["free"] >= STAKE_PER_SEAT]
    who = turn.pick(ready)
    if who is None or turn.random.random() < 0.3:
        _period(turn, case, DisputePeriod.COMMIT)
        return
    juror = turn.state["juror", who]
    turn.put("juror", who, juror, free=juror["free"] - STAKE_PER_SEAT, locked=juror["locked"] + STAKE_PER_SEAT)
    key = (case["round"], who)
    held = case["ballots"].get(key, {"seats": 0, "settled": False, "state": "none"})
    turn.emit("arbiter", "JurorDrawn", disputeID=case["number"], round=case["round"], juror=who, seat=held["seats"])
    turn.put("case", case["number"], case, ballots={**case["ballots"], key: {**held, "seats": held["seats"] + 1}})


def _vote(turn: Turn, case: Record) -> None:
    commit = case["period"] == DisputePeriod.COMMIT
    wanted = "none" if commit else "committed"
    ready = [key for key, ballot in case["ballots"].items() if key[0] == case["round"] and ballot["state"] == wanted]
    key = turn.pick(ready)
    if key is None or turn.random.random() < 0.2:
        _period(turn, case, DisputePeriod.REVEAL if commit else DisputePeriod.APPEAL)
        return
    ballot, who, number = case["ballots"][key], key[1], case["number"]
    pots = case["pots"]
    if commit:
        turn.emit("arbiter", "CommitCast", disputeID=number, juror=who, commitment=turn.fresh("commitment"))
        ballot = {**ballot, "state": "committed"}
    elif turn.random.random() < 0.25:
        at_risk = ballot["seats"] * STAKE_PER_SEAT
        share = at_risk // 10
        juror = turn.state["juror", who]
        turn.put("juror", who, juror, locked=juror["locked"] - at_risk)
        turn.credit("arbiter", BUYERS[0], share)
        turn.emit("arbiter", "LeakReported", disputeID=number, juror=who, reporter=BUYERS[0], share=share)
        pots = {**pots, case["round"]: pots[case["round"]] + at_risk - share}
        ballot = {**ballot, "state": "leaked", "settled": True}
    else:
        choice = turn.random.randint(0, 2)
        turn.emit("arbiter", "VoteCast", disputeID=number, juror=who, choice=choice, seats=ballot["seats"])
        ballot = {**ballot, "state": "revealed"}
    turn.put("case", number, case, pots=pots, ballots={**case["ballots"], key: ballot})


def _appeal(turn: Turn, case: Record) -> None:
    number, this = case["number"], case["round"]
    paid = sum(amount for (at, _), amount in case["appeal"].items() if at == this)
    cost = FEE_PER_SEAT * ((4 << (this + 1)) - 1)
    if this < 2 and paid >= cost:
        left = cost
        appeal = dict(case["appeal"])
        for key in [key for key in appeal if key[0] == this]:
            taken = min(left, appeal[key])
            appeal[key], left = appeal[key] - taken, left - taken
        turn.emit("arbiter", "AppealDecision", disputeID=number, arbitrable=ADDRESSES["escrow"])
        turn.emit("arbiter", "NewPeriod", disputeID=number, period=int(DisputePeriod.DRAWING))
        turn.put(
            *("case", number, case), round=this + 1, appeal=appeal, period=DisputePeriod.DRAWING,
            pots={**case["pots"], this + 1: cost},
        )  # fmt: skip
        return
    who, amount = turn.random.choice(BUYERS), turn.units(cost)
    side = turn.random.randint(1, 2)
    turn.emit("arbiter", "AppealPossible", disputeID=number, arbitrable=ADDRESSES["escrow"])
    turn.emit("arbiter", "AppealContributed", disputeID=number, round=this, account=who, side=side, amount=amount)
    if turn.random.random() < 0.2:
        turn.emit("arbiter", "ExcessCredited", disputeID=number, account=who, amount=1)
        turn.credit("arbiter", who, 1)
    appeal = {**case["appeal"], (this, who): case["appeal"].get((this, who), 0) + amount}
    turn.put("case", number, case, appeal=appeal)


def _settle(turn: Turn, case: Record, key: tuple[int, bytes]) -> None:
    ballot, (number, who) = case["ballots"][key], key
    at_risk = ballot["seats"] * STAKE_PER_SEAT
    right = keccak(who + bytes([number]))[0] % 2
    returned = at_risk if right else at_risk * 7 // 10
    reward = ballot["seats"] * FEE_PER_SEAT // 2 if right else 0
    juror = turn.state["juror", who]
    turn.put("juror", who, juror, free=juror["free"] + returned, locked=juror["locked"] - at_risk)
    turn.credit("arbiter", who, reward)
    turn.emit(
        "arbiter", "BallotSettled", disputeID=case["number"], round=number, juror=who, returned=returned, reward=reward
    )
    pots = {**case["pots"], number: case["pots"][number] + at_risk - returned - reward}
    turn.put("case", case["number"], case, pots=pots, ballots={**case["ballots"], key: {**ballot, "settled": True}})
