# ruff: noqa: N802 - rules are named as the events they are for
"""The oracle's rules for the arbiter. See `oracle.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.sim.oracle_base import Row, Rows

_PERIODS: Final = ("none", "evidence", "drawing", "commit", "reveal", "appeal", "solved")
_PHASES: Final = ("staking", "generating", "drawing")
_VOTES: Final = ("refused_votes", "first_votes", "second_votes")


@dataclass
class CourtRules(Rows):
    """Rules for DisputeArbiter."""

    def arbiter_JurorStaked(self, a: Row) -> None:
        row = self._juror(a)
        self._stored(a, "juror_staked", a["amount"], free_units=row["free_units"] + a["amount"])

    def arbiter_JurorUnstakeRequested(self, a: Row) -> None:
        changes = {"requested_units": a["amount"], "unbond_at": a["unbondAt"] or None}
        self._stored(a, "juror_unstake_requested", a["amount"], **changes)

    def arbiter_JurorUnstaked(self, a: Row) -> None:
        free = self._juror(a)["free_units"] - a["amount"]
        self._stored(a, "juror_unstaked", a["amount"], free_units=free, requested_units=0, unbond_at=None)

    def arbiter_JurorWeighted(self, a: Row) -> None:
        self._stored(a, "juror_weighted", a["weight"], weight_units=a["weight"])

    def arbiter_SessionAdvanced(self, a: Row) -> None:
        key = self.contracts["arbiter"]
        row = {"contract": key, "number": a["number"], "phase": _PHASES[a["phase"]], "since": self.time}
        self.put("arbiter_session", key, row)

    def arbiter_DisputeCreation(self, a: Row) -> None:
        key = _key(a)
        row = {
            "dispute_id": key, "arbitrable": a["arbitrable"], "created_at": self.time, "period": "evidence",
            "period_at": self.time, "round_number": 0, "reference": None, "extra_data": None, "ruling": None,
            "delivered": True,
        }  # fmt: skip
        self.put("arbiter_dispute", key, row)
        self._open(key, 0)
        self._event(a, "created")

    def arbiter_DisputeParties(self, a: Row) -> None:
        self._case(a, extra_data=a["extraData"], reference=a["extraData"][:32])
        self._event(a, "parties_named")

    def arbiter_NewPeriod(self, a: Row) -> None:
        period = _PERIODS[a["period"]]
        row = self._case(a, period=period, period_at=self.time)
        if period == "drawing":
            self._round(row, row["round_number"], seats=_seats(row["round_number"]))
        self._event(a, "new_period")

    def arbiter_Evidence(self, a: Row) -> None:
        a["disputeID"] = a["evidenceGroupID"]
        self._event(a, "evidence", a["party"])

    def arbiter_JurorDrawn(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        self._risk(a["juror"], -self.stake_per_seat, self.stake_per_seat)
        panel = self._panel(row, a["round"])
        self._ballot(panel, a["juror"], seats=self._seats_of(panel, a["juror"]) + 1)
        self._round(row, a["round"], drawn=panel["drawn"] + 1)
        self._event(a, "juror_drawn", a["juror"])

    def arbiter_CommitCast(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        panel = self._panel(row, row["round_number"])
        self._ballot(panel, a["juror"], commitment=a["commitment"], state="committed")
        self._round(row, row["round_number"], committed=panel["committed"] + self._seats_of(panel, a["juror"]))
        self._event(a, "commit_cast", a["juror"])

    def arbiter_VoteCast(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        panel, votes = self._panel(row, row["round_number"]), _VOTES[a["choice"]]
        self._ballot(panel, a["juror"], choice=a["choice"], state="revealed")
        self._round(row, row["round_number"], **{votes: panel[votes] + a["seats"]})
        self._event(a, "vote_cast", a["juror"])

    def arbiter_LeakReported(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        panel = self._panel(row, row["round_number"])
        seats = self._seats_of(panel, a["juror"])
        at_risk = seats * self.stake_per_seat
        self._ballot(panel, a["juror"], state="leaked", settled=True)
        self._risk(a["juror"], 0, -at_risk)
        self.move(a["reporter"], a["share"], "leak_share")
        pot = panel["pot_units"] + at_risk - a["share"]
        self._round(row, row["round_number"], leaked=panel["leaked"] + seats, pot_units=pot)
        self._event(a, "leak_reported", a["juror"])

    def arbiter_BallotSettled(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        panel = self._panel(row, a["round"])
        at_risk = self._seats_of(panel, a["juror"]) * self.stake_per_seat
        changes = {"settled": True, "returned_units": a["returned"], "reward_units": a["reward"]}
        self._ballot(panel, a["juror"], **changes)
        self._risk(a["juror"], a["returned"], -at_risk)
        self.move(a["juror"], a["reward"], "reward")
        self._round(row, a["round"], pot_units=panel["pot_units"] + at_risk - a["returned"] - a["reward"])
        self._event(a, "ballot_settled", a["juror"], a["reward"])

    def arbiter_AppealPossible(self, a: Row) -> None:
        self._event(a, "appeal_possible")

    def arbiter_AppealContributed(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        panel = self._panel(row, a["round"])
        side = "appeal_first_units" if a["side"] == 1 else "appeal_second_units"
        left = panel["appeal_left_units"] + a["amount"]
        self._round(row, a["round"], **{side: panel[side] + a["amount"], "appeal_left_units": left})
        self._event(a, "appeal_contributed", a["account"], a["amount"])

    def arbiter_ExcessCredited(self, a: Row) -> None:
        self.move(a["account"], a["amount"], "excess")
        self._event(a, "excess_credited", a["account"], a["amount"])

    def arbiter_ContributionReturned(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        self._round(row, a["round"], appeal_left_units=self._panel(row, a["round"])["appeal_left_units"] - a["amount"])
        self.move(a["account"], a["amount"], "contribution")
        self._event(a, "contribution_returned", a["account"], a["amount"])

    def arbiter_RoundSwept(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        self._round(row, a["round"], swept=True, pot_units=self._panel(row, a["round"])["pot_units"] - a["amount"])
        self.move(self.sink, a["amount"], "swept")
        self._event(a, "round_swept")

    def arbiter_AppealDecision(self, a: Row) -> None:
        row = self.rows["arbiter_dispute"][_key(a)]
        was = row["round_number"]
        left = self._panel(row, was)["appeal_left_units"] - self._open(row["dispute_id"], was + 1)
        self._round(row, was, appeal_left_units=left)
        self._case(a, round_number=was + 1)
        self._event(a, "appeal_decision")

    def arbiter_Ruling(self, a: Row) -> None:
        self._case(a, ruling=a["ruling"])
        self._event(a, "ruling")

    def arbiter_RulingUndelivered(self, a: Row) -> None:
        self._case(a, delivered=False)
        self._event(a, "ruling_undelivered")

    def arbiter_RelatedDisclosed(self, a: Row) -> None:
        self._event(a, "related_disclosed", a["party"])

    def _case(self, a: Row, **changes: Any) -> Row:
        return self.put("arbiter_dispute", _key(a), {**self.rows["arbiter_dispute"][_key(a)], **changes})

    def _open(self, dispute_id: bytes, number: int) -> int:
        cost = self.fee_per_seat * _seats(number)
        key = dispute_id + bytes([number])
        counts = dict.fromkeys(("seats", "drawn", "committed", "leaked", *_VOTES), 0)
        appeals = dict.fromkeys(("appeal_first_units", "appeal_second_units", "appeal_left_units"), 0)
        row = {"round_id": key, "dispute_id": dispute_id, "round_number": number, **counts, "swept": False, **appeals}
        self.put("arbiter_round", key, {**row, "pot_units": cost})
        return cost

    def _panel(self, dispute: Row, number: int) -> Row:
        return self.rows["arbiter_round"][dispute["dispute_id"] + bytes([number])]

    def _round(self, dispute: Row, number: int, **changes: Any) -> None:
        panel = self._panel(dispute, number)
        self.put("arbiter_round", panel["round_id"], {**panel, **changes})

    def _seats_of(self, panel: Row, juror: bytes) -> int:
        ballot = self.rows["arbiter_ballot"].get(panel["round_id"] + juror)
        return 0 if ballot is None else ballot["seats"]

    def _ballot(self, panel: Row, juror: bytes, **changes: Any) -> None:
        key = panel["round_id"] + juror
        fresh = {
            "ballot_id": key, "dispute_id": panel["dispute_id"], "round_number": panel["round_number"], "juror": juror,
            "seats": 0, "state": "none", "commitment": None, "choice": None, "settled": False, "returned_units": 0,
            "reward_units": 0,
        }  # fmt: skip
        self.put("arbiter_ballot", key, {**(self.rows["arbiter_ballot"].get(key) or fresh), **changes})

    def _juror(self, a: Row) -> Row:
        return self.rows["juror"].get(a["juror"]) or {
            "juror": a["juror"], "free_units": 0, "locked_units": 0, "weight_units": 0, "requested_units": 0,
            "unbond_at": None,
        }  # fmt: skip

    def _stored(self, a: Row, kind: str, amount: int, **changes: Any) -> None:
        self.put("juror", a["juror"], {**self._juror(a), **changes})
        self.note((a["juror"],), kind, None, amount)

    def _risk(self, juror: bytes, free: int, locked: int) -> None:
        row = self.rows["juror"][juror]
        self.put(
            "juror",
            juror,
            {**row, "free_units": row["free_units"] + free, "locked_units": row["locked_units"] + locked},
        )

    def _event(self, a: Row, kind: str, account: bytes | None = None, amount: int = 0) -> None:
        self.add("arbiter_event", dispute_id=_key(a), kind=kind, account=account)
        if account is not None:
            self.note((account,), kind, _key(a), amount)


def _key(a: Row) -> bytes:
    number: int = a["disputeID"]
    return number.to_bytes(32, "big")


def _seats(number: int) -> int:
    return (4 << number) - 1
