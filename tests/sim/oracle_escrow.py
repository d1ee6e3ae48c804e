# ruff: noqa: N802 - rules are named as the events they are for
"""The oracle's rules for escrows, their disputes and how they end. See `oracle.py`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from tests.sim.oracle_base import Row, Rows

_OUTCOMES: Final = (
    *("none", "completed", "settled", "returned", "missed", "lost", "won", "tie", "stalled", "cancelled"),
)  # fmt: skip
_RULED: Final = ("tie", "lost", "won")
_TERMS: Final = (
    "client", "provider", "verifier", "arbiter", "amount_units", "fee_bps", "quorum", "accept_by", "deliver_by",
    "challenge_period", "dispute_timeout", "job_hash", "salt",
)  # fmt: skip
_RUNNING: Final = (
    "escrow_id", "client", "provider", "status", "released_units", "refunded_units", "fee_units", "stake_units",
    "accepted_at", "challenge_ends_at", "respond_by", "decide_by", "ruling", "deliverable_hash", "outcome",
    "stake_locked",
)  # fmt: skip
_DISPUTE: Final = (
    "escrow_id", "dispute_id", "decide_by", "ruling", "defaulted", "bond_units", "bond_left_units", "fee_units",
)  # fmt: skip


@dataclass
class EscrowRules(Rows):
    """Rules for Escrow and for the outcomes Reputation records."""

    fee: tuple[bytes, int] = (bytes(20), 0)
    hints: dict[bytes, str] = field(default_factory=dict)
    """How an escrow ends if it closes now."""

    def escrow_EscrowFunded(self, a: Row) -> None:
        row: Row = {
            "escrow_id": a["id"], **dict(zip(_TERMS, a["terms"], strict=True)), "status": "funded", "released_units": 0,
            "refunded_units": 0, "fee_units": 0, "stake_units": 0, "accepted_at": None, "challenge_ends_at": None,
            "respond_by": None, "decide_by": None, "ruling": None, "deliverable_hash": None, "outcome": None,
            "stake_locked": False, "rated_by_client": False, "rated_by_provider": False,
        }  # fmt: skip
        self.rows["escrow"][a["id"]] = row
        self._record(row, "funded", row["amount_units"])

    def escrow_EscrowAccepted(self, a: Row) -> None:
        changes = {"status": "accepted", "stake_units": a["stake"], "accepted_at": self.time, "stake_locked": True}
        self._change(a, "accepted", a["stake"], **changes)

    def escrow_WorkSubmitted(self, a: Row) -> None:
        changes = {"deliverable_hash": a["deliverableHash"], "challenge_ends_at": a["challengeEndsAt"]}
        self._change(a, "submitted", 0, status="submitted", **changes)

    def escrow_EscrowReleased(self, a: Row) -> None:
        row = self.rows["escrow"][a["id"]]
        recipient, fee = self.fee[0], a["fee"]
        hint = self.hints.get(a["id"])
        if hint != "settled":
            ended = "stalled" if row["status"] == "disputed" else "completed"
            self.hints[a["id"]] = _RULED[row["ruling"]] if row["status"] == "ruled" else ended
        if recipient == row["provider"]:
            self.move(row["provider"], a["amount"], "released", a["id"])
        else:
            self.move(row["provider"], a["amount"] - fee, "released", a["id"])
            self.move(recipient, fee, "fee", a["id"])
        released, fees = row["released_units"] + a["amount"], row["fee_units"] + fee
        self._change(a, "released", a["amount"], fee=fee, released_units=released, fee_units=fees)

    def escrow_EscrowRefunded(self, a: Row) -> None:
        row = self.rows["escrow"][a["id"]]
        self.hints[a["id"]] = self._ending(row, self.hints.get(a["id"]))
        self.move(row["client"], a["amount"], "refunded", a["id"])
        self._change(a, "refunded", a["amount"], refunded_units=row["refunded_units"] + a["amount"])

    def _ending(self, row: Row, hint: str | None) -> str:
        status = row["status"]
        if hint == "settled" or (status == "challenged" and hint == "lost"):
            return hint or ""
        if status == "ruled":
            return _RULED[row["ruling"]]
        if status == "disputed":
            return "stalled" if hint == "stalled" else "lost"
        if status == "accepted" and self.time >= row["deliver_by"]:
            return "missed"
        return "cancelled" if status == "funded" else "returned"

    def escrow_EscrowSplit(self, a: Row) -> None:
        self.hints[a["id"]] = "settled"
        self._change(a, "split", 0)

    def escrow_EscrowClosed(self, a: Row) -> None:
        self._change(a, "closed", 0, status="closed", outcome=self.hints[a["id"]], stake_locked=False)

    def escrow_StakeSettlementFailed(self, a: Row) -> None:
        self._change(a, "stake_settlement_failed", 0, stake_locked=True)

    def escrow_Rated(self, a: Row) -> None:
        side = "client" if a["rater"] == self.rows["escrow"][a["id"]]["client"] else "provider"
        self.add(
            *("rating",), escrow_id=a["id"], rater=a["rater"], ratee=a["ratee"], score=a["score"],
            comment_hash=a["commentHash"], settled_units=a["settledValue"],
        )  # fmt: skip
        self._change(a, "rated", 0, **{f"rated_by_{side}": True})

    def escrow_BalanceSpent(self, a: Row) -> None:
        self.move(a["account"], -a["amount"], "spent", a["id"])

    def escrow_Withdrawn(self, a: Row) -> None:
        self.move(a["account"], -a["amount"], "withdrawn")
        self.note((a["account"], a["to"]), "withdrawn", None, a["amount"])

    reputation_Withdrawn = arbiter_Withdrawn = escrow_Withdrawn  # noqa: N815  # as above

    def escrow_FeeChanged(self, a: Row) -> None:
        self._fees(self.fee[0], a["feeBps"])

    def escrow_FeeRecipientChanged(self, a: Row) -> None:
        self._fees(a["feeRecipient"], self.fee[1])

    def _fees(self, recipient: bytes, fee_bps: int) -> None:
        self.fee = (recipient, fee_bps)
        key = self.contracts["escrow"]
        self.put("escrow_config", key, {"contract": key, "fee_recipient": recipient, "fee_bps": fee_bps})

    def _change(self, a: Row, kind: str, amount: int, fee: int = 0, **changes: Any) -> None:
        row = self.rows["escrow"][a["id"]]
        row.update(changes)
        self._record(row, kind, amount, fee)

    def _record(self, row: Row, kind: str, amount: int, fee: int = 0) -> None:
        self._escrow_event(row, kind, amount, fee)
        self.tell((row["client"], row["provider"]), kind, row["escrow_id"], amount)

    def _escrow_event(self, row: Row, kind: str, amount: int = 0, fee: int = 0) -> None:
        self.put("escrow", row["escrow_id"], row)
        own = {"kind": kind, "event_amount_units": amount, "event_fee_units": fee}
        self.add("escrow_event", **own, **{name: row[name] for name in _RUNNING})

    def escrow_DisputeRaised(self, a: Row) -> None:
        arbiter = self.rows["escrow"][a["id"]]["arbiter"]
        self.rows["dispute"][a["id"]] = {
            "escrow_id": a["id"], "raised_by": a["by"], "evidence_hash": a["evidenceHash"], "raised_at": self.time,
            "respond_by": a["respondBy"], "arbiter": arbiter, "dispute_id": None, "decide_by": None, "ruling": None,
            "defaulted": False, "bond_units": 0, "bond_left_units": 0, "fee_units": 0,
        }  # fmt: skip
        self._dispute(a["id"], "raised")
        self._change(a, "dispute_raised", 0, status="challenged", respond_by=a["respondBy"])

    def escrow_DisputeJoined(self, a: Row) -> None:
        arbiter = self.rows["escrow"][a["id"]]["arbiter"]
        key = arbiter + a["disputeId"].to_bytes(32, "big")
        number = {"number_id": key, "arbiter": arbiter, "dispute_id": a["disputeId"], "escrow_id": a["id"]}
        self.put("dispute_number", key, number)
        self._dispute(a["id"], "joined", dispute_id=a["disputeId"], decide_by=a["decideBy"])
        self._change(a, "dispute_joined", 0, status="disputed", decide_by=a["decideBy"])

    def escrow_DisputeDefaulted(self, a: Row) -> None:
        self.hints[a["id"]] = "lost"
        self._dispute(a["id"], "defaulted", defaulted=True)
        self._change(a, "dispute_defaulted", 0)

    def escrow_Ruling(self, a: Row) -> None:
        key = a["arbitrator"] + a["disputeID"].to_bytes(32, "big")
        escrow_id = self.rows["dispute_number"][key]["escrow_id"]
        self._dispute(escrow_id, "ruled", ruling=a["ruling"])
        self._change({"id": escrow_id}, "ruled", 0, status="ruled", ruling=a["ruling"])

    def escrow_BondPosted(self, a: Row) -> None:
        if a["party"] == self.rows["escrow"][a["id"]]["client"]:
            self._dispute(a["id"], "bond_posted", bond_units=a["amount"], bond_left_units=a["amount"])
        else:
            self._dispute(a["id"], "bond_posted", fee_units=a["amount"])

    def escrow_BondReturned(self, a: Row) -> None:
        left = self.rows["dispute"][a["id"]]["bond_left_units"] - a["amount"]
        self._dispute(a["id"], "bond_returned", bond_left_units=left)
        self.move(a["account"], a["amount"], "bond_returned", a["id"])

    def _dispute(self, escrow_id: bytes, kind: str, **changes: Any) -> None:
        row = self.rows["dispute"][escrow_id]
        row.update(changes)
        self.put("dispute", escrow_id, row)
        self.add("dispute_event", kind=kind, **{name: row[name] for name in _DISPUTE})

    def reputation_OutcomeRecorded(self, a: Row) -> None:
        outcome = _OUTCOMES[a["outcome"]]
        row = self.rows["agent_record"].get(a["agent"]) or {
            "agent": a["agent"], "completed": 0, "failed": 0, "disputed": 0, "lost": 0, "settled_units": 0,
        }  # fmt: skip
        row["completed"] += outcome in {"completed", "won"}
        row["failed"] += outcome in {"returned", "missed"}
        row["lost"] += outcome == "lost"
        row["disputed"] += outcome in {"lost", "won", "tie", "stalled"}
        row["settled_units"] += a["settledValue"]
        row["last_outcome_at"] = self.time
        self.put("agent_record", a["agent"], row)
        self.note((a["agent"],), f"outcome_{outcome}", a["escrowId"], a["settledValue"])
        deal = self.rows["escrow"][a["escrowId"]]
        if deal["outcome"] != outcome or deal["stake_locked"]:
            deal.update(outcome=outcome, stake_locked=False)
            self._escrow_event(deal, "stake_settled")
