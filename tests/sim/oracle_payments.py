# ruff: noqa: N802 - rules are named as the events they are for
"""The oracle's rules for channels, pools, receivers, stakes and score epochs. See `oracle.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tests.sim.oracle_base import Row, Rows

_CHANNEL: Final = (
    "channel_id", "payer", "receiver", "balance_units", "total_claimed_units", "drawn_units", "withdraw_units",
    "withdraw_finalize_at",
)  # fmt: skip
_POOL: Final = ("pool_id", "payer", "balance_units", "drawn_units", "withdraw_units", "finalize_at", "nonce")
_STAKE: Final = ("agent", "staked_units", "locked_units", "unbonding_units", "unbond_at", "slashed_units")
_CONFIG: Final = ("payer", "payer_authorizer", "receiver", "receiver_authorizer", "token", "withdraw_delay", "salt")


@dataclass
class PaymentRules(Rows):
    """Rules for PaymentChannel and for Reputation but its outcomes."""

    def payment_channel_ChannelCreated(self, a: Row) -> None:
        key = a["channelId"]
        if key not in self.rows["channel"]:
            config = dict(zip(_CONFIG, a["config"], strict=True))
            self.rows["channel"][key] = {
                "channel_id": key, **config, "balance_units": 0, "total_claimed_units": 0, "drawn_units": 0,
                "withdraw_units": 0, "withdraw_finalize_at": None,
            }  # fmt: skip
        self._channel(a, "created", 0)

    def payment_channel_Deposited(self, a: Row) -> None:
        self._channel(a, "deposited", a["amount"], balance_units=a["newBalance"])

    def payment_channel_Claimed(self, a: Row) -> None:
        who = self.rows["channel"][a["channelId"]]["receiver"]
        row = self.rows["receiver"].get(who) or {"receiver": who, "claimed_units": 0, "settled_units": 0}
        row["claimed_units"] += a["claimAmount"]
        self._receiver(row, "claimed")
        self._claim(a, "claimed")

    def payment_channel_ClaimedAndPaid(self, a: Row) -> None:
        self._claim(a, "claimed_and_paid")

    def payment_channel_Refunded(self, a: Row) -> None:
        row = self.rows["channel"][a["channelId"]]
        withdraw = max(0, row["withdraw_units"] - a["amount"])
        changes = {} if withdraw else {"withdraw_finalize_at": None}
        balance = row["balance_units"] - a["amount"]
        self._channel(a, "refunded", a["amount"], balance_units=balance, withdraw_units=withdraw, **changes)

    def payment_channel_WithdrawInitiated(self, a: Row) -> None:
        changes = {"withdraw_units": a["amount"], "withdraw_finalize_at": a["finalizeAfter"]}
        self._channel(a, "withdraw_initiated", a["amount"], **changes)

    def payment_channel_WithdrawFinalized(self, a: Row) -> None:
        balance = self.rows["channel"][a["channelId"]]["balance_units"] - a["amount"]
        changes = {"balance_units": balance, "withdraw_units": 0, "withdraw_finalize_at": None}
        self._channel(a, "withdraw_finalized", a["amount"], **changes)

    def payment_channel_ChannelClosed(self, a: Row) -> None:
        self._channel(a, "closed", 0)

    def payment_channel_Settled(self, a: Row) -> None:
        row = self.rows["receiver"][a["receiver"]]
        row["settled_units"] += a["amount"]
        self._receiver(row, "settled")
        self.note((a["receiver"],), "settled", None, a["amount"])

    def payment_channel_PoolDeposited(self, a: Row) -> None:
        row = self._pool_row(a)
        parties = {"payer": a["payer"], "payer_authorizer": a["payerAuthorizer"], "operator": a["operator"]}
        self._pool(a, "deposited", a["amount"], balance_units=row["balance_units"] + a["amount"], **parties)

    def payment_channel_PoolDrawn(self, a: Row) -> None:
        row = self.rows["pool"][a["poolId"]]
        balance, drawn = row["balance_units"] - a["amount"], row["drawn_units"] + a["amount"]
        self._pool(a, "drawn", a["amount"], balance_units=balance, drawn_units=drawn)

    def _pool_row(self, a: Row) -> Row:
        """A pool that is asked for before its first deposit belongs to nobody anyone knows of."""
        nobody = dict.fromkeys(("payer", "payer_authorizer", "operator"), bytes(20))
        new = {"pool_id": a["poolId"], **nobody, "balance_units": 0, "drawn_units": 0, "withdraw_units": 0}
        return self.rows["pool"].setdefault(a["poolId"], {**new, "finalize_at": None, "nonce": 0})

    def payment_channel_PoolWithdrawInitiated(self, a: Row) -> None:
        self._pool_row(a)
        self.add("pool_withdraw_seen", pool_id=a["poolId"], amount_units=a["amount"])
        changes = {"withdraw_units": a["amount"], "finalize_at": a["finalizeAt"], "nonce": a["nonce"]}
        self._pool(a, "withdraw_initiated", a["amount"], **changes)

    def payment_channel_PoolWithdrawCancelled(self, a: Row) -> None:
        changes = {"withdraw_units": 0, "finalize_at": None, "nonce": a["nonce"]}
        self._pool(a, "withdraw_cancelled", a["amount"], **changes)

    def payment_channel_PoolWithdrawFinalized(self, a: Row) -> None:
        changes = {"withdraw_units": 0, "finalize_at": None, "nonce": a["nonce"], "balance_units": a["balance"]}
        self._pool(a, "withdraw_finalized", a["amount"], **changes)

    def payment_channel_PoolReleased(self, a: Row) -> None:
        self._pool(a, "released", 0, finalize_at=a["finalizeAt"])

    def reputation_Staked(self, a: Row) -> None:
        self._stake(a, "staked", staked_units=a["staked"])

    def reputation_UnstakeRequested(self, a: Row) -> None:
        self._stake(a, "unstake_requested", unbonding_units=a["amount"], unbond_at=a["unbondAt"])

    def reputation_Unstaked(self, a: Row) -> None:
        staked = self._staked(a)["staked_units"] - a["amount"]
        self._stake(a, "unstaked", staked_units=staked, unbonding_units=0, unbond_at=None)

    def reputation_StakeLocked(self, a: Row) -> None:
        key, agent, amount = a["escrowId"], a["agent"], a["amount"]
        lock = {"escrow_id": key, "agent": agent, "amount_units": amount, "state": "locked", "slashed_units": 0}
        self.put("stake_lock", key, lock)
        self._stake(a, "locked", locked_units=self._staked(a)["locked_units"] + amount)

    def reputation_StakeUnlocked(self, a: Row) -> None:
        lock = self.rows["stake_lock"][a["escrowId"]]
        self.put("stake_lock", a["escrowId"], {**lock, "state": "unlocked"})
        self._stake(a, "unlocked", locked_units=self._staked(a)["locked_units"] - a["amount"])

    def reputation_StakeSlashed(self, a: Row) -> None:
        lock, row = self.rows["stake_lock"][a["escrowId"]], self._staked(a)
        self.put("stake_lock", a["escrowId"], {**lock, "state": "slashed", "slashed_units": a["amount"]})
        self.move(self.rows["escrow"][a["escrowId"]]["client"], a["toClient"], "slash", a["escrowId"])
        self._bonus(a["toPool"])
        changes = {
            "locked_units": row["locked_units"] - lock["amount_units"],
            "staked_units": row["staked_units"] - a["amount"],
            "slashed_units": row["slashed_units"] + a["amount"],
        }  # fmt: skip
        self._stake(a, "slashed", **changes)

    def reputation_BonusPaid(self, a: Row) -> None:
        self._bonus(-a["amount"])
        self.move(a["agent"], a["amount"], "bonus", a["escrowId"])
        self.note((a["agent"],), "bonus_paid", a["escrowId"], a["amount"])

    def reputation_BonusPoolFunded(self, a: Row) -> None:
        self._bonus(a["amount"])
        self.note((a["from"],), "bonus_pool_funded", None, a["amount"])

    def reputation_EpochAnchored(self, a: Row) -> None:
        key = a["epoch"].to_bytes(8, "big")
        row = {
            "epoch_id": key, "epoch": a["epoch"], "root": a["root"], "leaf_count": a["leafCount"],
            "manifest_hash": a["manifestHash"], "anchored_at": self.time, "active_at": a["activeAt"], "vetoed": False,
        }  # fmt: skip
        self.put("score_epoch", key, row)

    def reputation_EpochVetoed(self, a: Row) -> None:
        key = a["epoch"].to_bytes(8, "big")
        self.put("score_epoch", key, {**self.rows["score_epoch"][key], "vetoed": True})

    def _claim(self, a: Row, kind: str) -> None:
        row = self.rows["channel"][a["channelId"]]
        shortage = max(0, a["newTotalClaimed"] - row["balance_units"])
        changes = {
            "total_claimed_units": a["newTotalClaimed"], "drawn_units": row["drawn_units"] + shortage,
            "balance_units": row["balance_units"] + shortage,
        }  # fmt: skip
        self._channel(a, kind, a["claimAmount"], **changes)

    def _channel(self, a: Row, kind: str, amount: int, **changes: Any) -> None:
        row = self.put("channel", a["channelId"], {**self.rows["channel"][a["channelId"]], **changes})
        self.add("channel_event", kind=kind, event_amount_units=amount, **{name: row[name] for name in _CHANNEL})
        self.tell((row["payer"], row["receiver"]), f"channel_{kind}", row["channel_id"], amount)

    def _receiver(self, row: Row, kind: str) -> None:
        self.put("receiver", row["receiver"], row)
        totals = {name: row[name] for name in ("receiver", "claimed_units", "settled_units")}
        self.add("receiver_event", kind=kind, **totals)

    def _pool(self, a: Row, kind: str, amount: int, **changes: Any) -> None:
        row = self.put("pool", a["poolId"], {**self.rows["pool"][a["poolId"]], **changes})
        self.add("pool_event", kind=kind, event_amount_units=amount, **{name: row[name] for name in _POOL})
        self.tell((row["payer"],), f"pool_{kind}", row["pool_id"], amount)

    def _staked(self, a: Row) -> Row:
        return self.rows["stake"].get(a["agent"]) or {
            "agent": a["agent"], "staked_units": 0, "locked_units": 0, "unbonding_units": 0, "unbond_at": None,
            "slashed_units": 0,
        }  # fmt: skip

    def _stake(self, a: Row, kind: str, **changes: Any) -> None:
        row = self.put("stake", a["agent"], {**self._staked(a), **changes})
        self.add("stake_event", kind=kind, **{name: row[name] for name in _STAKE})
        self.note((a["agent"],), kind, a.get("escrowId"), a["amount"])

    def _bonus(self, delta: int) -> None:
        if delta:
            key = self.contracts["reputation"]
            held = self.rows["bonus_pool"].get(key, {"balance_units": 0})["balance_units"]
            self.put("bonus_pool", key, {"contract": key, "balance_units": held + delta})
