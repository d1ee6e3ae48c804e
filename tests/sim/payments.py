"""What happens in PaymentChannel and Reputation besides deals: pools, channels, claims, stakes, score epochs."""

from __future__ import annotations

from typing import Any

from aicp.abi.typed_data import ChannelConfig
from aicp.rules.ids import pool_id, pool_key
from tests.sim.turn import AGENTS, BUYERS, DOMAIN, NOBODY, OPERATOR, TOKEN, UNIT, Turn

Record = dict[str, Any]
_HERE = "payment_channel"


def deposit_pool(turn: Turn) -> None:
    """Put money into a buyer's pool."""
    payer = turn.random.choice(BUYERS)
    key = pool_id(pool_key(payer, NOBODY, OPERATOR), DOMAIN)
    pool = turn.state.get(("pool", key), {"id": key, "payer": payer, "balance": 0, "withdraw": 0, "nonce": 0})
    amount = turn.units(80 * UNIT)
    pool = turn.put("pool", key, pool, balance=pool["balance"] + amount)
    turn.emit(
        *(_HERE, "PoolDeposited"), poolId=key, payer=payer, payerAuthorizer=NOBODY, operator=OPERATOR, amount=amount,
        balance=pool["balance"],
    )  # fmt: skip


def move_pool(turn: Turn) -> None:
    """Announce a withdrawal from a pool, or cancel, release or finish one."""
    pool = turn.pick(turn.of("pool"))
    if pool is None:
        return
    key, nonce, waiting = pool["id"], pool["nonce"] + 1, pool["withdraw"]
    throw = turn.random.random()
    if not waiting:
        if pool["balance"]:
            amount = turn.units(pool["balance"])
            turn.emit(_HERE, "PoolWithdrawInitiated", poolId=key, amount=amount, finalizeAt=turn.time + 60, nonce=nonce)
            turn.put("pool", key, pool, withdraw=amount, nonce=nonce)
    elif throw < 0.3:
        turn.emit(_HERE, "PoolWithdrawCancelled", poolId=key, amount=waiting, nonce=nonce)
        turn.put("pool", key, pool, withdraw=0, nonce=nonce)
    elif throw < 0.5:
        turn.emit(_HERE, "PoolReleased", poolId=key, finalizeAt=turn.time + 1, nonce=pool["nonce"])
    else:
        amount = min(waiting, pool["balance"])
        balance = pool["balance"] - amount
        turn.emit(_HERE, "PoolWithdrawFinalized", poolId=key, amount=amount, balance=balance, nonce=nonce)
        turn.put("pool", key, pool, withdraw=0, nonce=nonce, balance=balance)


def open_channel(turn: Turn) -> None:
    """Open a channel, sometimes with a deposit of its own in the same transaction."""
    payer, receiver = turn.random.choice(BUYERS), turn.random.choice(AGENTS)
    config = ChannelConfig(payer, NOBODY, receiver, OPERATOR, TOKEN, 86_400, turn.fresh("salt"))
    key = config.digest(DOMAIN)
    words = (payer, NOBODY, receiver, OPERATOR, TOKEN, 86_400, config.salt)
    turn.emit(_HERE, "ChannelCreated", channelId=key, config=words)
    channel = turn.put("channel", key, {
        "id": key, "payer": payer, "receiver": receiver, "config": words, "balance": 0, "claimed": 0, "withdraw": 0,
    })  # fmt: skip
    if turn.random.random() < 0.4:
        _deposit(turn, channel)
    if turn.random.random() < 0.3:
        _claim_rows(turn, [turn.state["channel", key]])


def move_channel(turn: Turn) -> None:
    """Deposit into a channel, take money back, or close it."""
    channel = turn.pick(turn.of("channel"))
    if channel is None:
        return
    key, free, throw = channel["id"], channel["balance"] - channel["claimed"], turn.random.random()
    if throw < 0.4 or not free:
        _deposit(turn, channel)
    elif throw < 0.6:
        amount = turn.units(free)
        turn.emit(_HERE, "Refunded", channelId=key, sender=OPERATOR, amount=amount)
        withdraw = max(0, channel["withdraw"] - amount)
        turn.put("channel", key, channel, balance=channel["balance"] - amount, withdraw=withdraw)
    elif throw < 0.8 or not channel["withdraw"]:
        amount = turn.units(free)
        turn.emit(_HERE, "WithdrawInitiated", channelId=key, amount=amount, finalizeAfter=turn.time + 60)
        turn.put("channel", key, channel, withdraw=amount)
    else:
        amount = min(free, channel["withdraw"])
        turn.emit(_HERE, "WithdrawFinalized", channelId=key, sender=channel["payer"], amount=amount)
        turn.emit(_HERE, "ChannelClosed", channelId=key, config=channel["config"])
        turn.put("channel", key, channel, balance=channel["balance"] - amount, withdraw=0)


def claim(turn: Turn) -> None:
    """Claim on one or several channels of a payer."""
    channel = turn.pick(turn.of("channel"))
    if channel is not None:
        rows = turn.of("channel", payer=channel["payer"])
        _claim_rows(turn, turn.random.sample(rows, turn.random.randint(1, min(4, len(rows)))))


def settle(turn: Turn) -> None:
    """Pay a receiver what was claimed."""
    receiver = turn.pick([record for record in turn.of("receiver") if record["claimed"] > record["settled"]])
    if receiver is not None:
        amount = receiver["claimed"] - receiver["settled"]
        turn.emit(_HERE, "Settled", receiver=receiver["who"], token=TOKEN, sender=OPERATOR, amount=amount)
        turn.put("receiver", receiver["who"], receiver, settled=receiver["claimed"])


def stake(turn: Turn) -> None:
    """Move an agent's stake or the bonus pool."""
    agent = turn.random.choice(AGENTS)
    row = turn.state.get(("stake", agent), {"staked": 0, "locked": 0})
    free, throw = row["staked"] - row["locked"], turn.random.random()
    if throw < 0.1:
        amount = turn.units(9 * UNIT)
        turn.state["bonus",] += amount
        turn.emit("reputation", "BonusPoolFunded", **{"from": BUYERS[0], "amount": amount})
    elif throw < 0.6 or not free:
        amount = turn.units(100 * UNIT)
        row = turn.put("stake", agent, row, staked=row["staked"] + amount)
        turn.emit("reputation", "Staked", agent=agent, amount=amount, staked=row["staked"])
    elif throw < 0.8:
        turn.emit("reputation", "UnstakeRequested", agent=agent, amount=turn.units(free), unbondAt=turn.time + 60)
    else:
        amount = turn.units(free)
        turn.put("stake", agent, row, staked=row["staked"] - amount)
        turn.emit("reputation", "Unstaked", agent=agent, amount=amount)


def anchor(turn: Turn) -> None:
    """Anchor a score epoch, or veto one."""
    number = turn.state.get(("epochs",), 0)
    if number and turn.random.random() < 0.3:
        turn.emit("reputation", "EpochVetoed", epoch=turn.random.randint(1, number))
        return
    turn.state["epochs",] = number + 1
    uri: str | bytes = turn.random.choice(("https://example.org/epoch", b"\xc3\x28 no text", "\0"))
    turn.emit(
        *("reputation", "EpochAnchored"), epoch=number + 1, root=turn.fresh("root"), leafCount=4,
        manifestHash=turn.fresh("manifest"), activeAt=turn.time + 60, uri=uri,
    )  # fmt: skip


def _deposit(turn: Turn, channel: Record) -> None:
    amount = turn.units(30 * UNIT)
    channel = turn.put("channel", channel["id"], channel, balance=channel["balance"] + amount)
    turn.emit(
        *(_HERE, "Deposited"), channelId=channel["id"], sender=channel["payer"], amount=amount,
        newBalance=channel["balance"],
    )  # fmt: skip


def _claim_rows(turn: Turn, channels: list[Record]) -> None:
    """Claim, the channels' own money first, then the pool's; a row the pool cannot pay is skipped."""
    payer = channels[0]["payer"]
    key = pool_id(pool_key(payer, NOBODY, OPERATOR), DOMAIN)
    pool = turn.state.get(("pool", key), {"balance": 0})
    left, drawn = pool["balance"], 0
    pay = turn.random.random() < 0.2
    for row, channel in enumerate(channels):
        most = channel["balance"] - channel["claimed"] + left
        if not most:
            turn.emit(_HERE, "RowSkipped", group=0, row=row, reason=4)
            continue
        amount = turn.units(most)
        total = channel["claimed"] + amount
        shortage = max(0, total - channel["balance"])
        left, drawn = left - shortage, drawn + shortage
        name = "ClaimedAndPaid" if pay else "Claimed"
        turn.emit(_HERE, name, channelId=channel["id"], sender=OPERATOR, claimAmount=amount, newTotalClaimed=total)
        turn.put("channel", channel["id"], channel, claimed=total, balance=channel["balance"] + shortage)
        if not pay:
            who = channel["receiver"]
            receiver = turn.state.get(("receiver", who), {"who": who, "claimed": 0, "settled": 0})
            turn.put("receiver", who, receiver, claimed=receiver["claimed"] + amount)
    if drawn:
        turn.put("pool", key, pool, balance=left)
        turn.emit(_HERE, "PoolDrawn", poolId=key, amount=drawn)
