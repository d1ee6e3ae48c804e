"""What must be true of money at every moment, and when nothing is left to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from aicp.abi.typed_data import ClaimBatch, ClaimEntry, Voucher
from aicp.rules.primitives import keccak
from backend.context import Context
from backend.payments.channels import Lane
from tests.sim.money import contract
from tests.sim.money.contract import Money, recovered
from tests.sim.money.ground import Ground, money_at
from tests.sim.money.people import Person, Purse, cast

if TYPE_CHECKING:
    from tests.sim.money.stage import Stage


class Wrong(AssertionError):
    """Money is not where it must be."""


def require(true: bool, what: str) -> None:
    """Raises Wrong."""
    if not true:
        raise Wrong(what)


def conserved(money: Money, supply: int) -> None:
    """No USDC is made or lost, and the contract holds exactly what it owes. Raises Wrong."""
    require(money.supply() == supply, f"USDC: {money.supply()} is not {supply}")
    held = money.token.balances[money.channel.address]
    require(held == money.kept(), f"the contract holds {held} and owes {money.kept()}")


def covered(stage: Stage, purse: Purse) -> None:
    """What was just promised is there, as the mirror's newest and final blocks have it. Raises Wrong.

    Each channel pays from its own balance first, and all of them pay the rest from the pool.
    """
    with stage.sandbox.engine.connect() as connection:
        row = connection.execute(text("SELECT hash, finalized_hash FROM chain.cursor")).one()
    for at in (row.hash, row.finalized_hash):
        money = money_at(stage.chain.by_hash[bytes(at)])
        pool = money.book.pools.get(purse.parties)
        room = 0 if pool is None else max(0, pool.balance - pool.asked)  # claims go on after more was asked for
        drawn = sum(_beyond_own(stage, money, purse, agent) for agent in cast().agents)
        require(drawn <= room, f"{drawn} promised from a pool that has {room}")


def _beyond_own(stage: Stage, money: Money, purse: Purse, agent: Person) -> int:
    """Return what the two channels to an agent may still draw from the pool."""
    book, found = stage.market.book, 0
    promised = book.promised(purse, agent, stage.market.latest)
    for way, units in zip(purse.lanes(stage.ctx, agent), promised, strict=True):
        channel = money.book.channels.get(way.channel_id)
        own = 0
        if channel is not None:
            own = channel.balance - channel.asked - book.given_back(way.channel_id, channel.refund_nonce)
        found += max(0, units - max(0, own))
    return found


def claimed_on(money: Money, way: Lane) -> int:
    """Return what the chain has claimed on a channel."""
    found = money.book.channels.get(way.channel_id)
    return 0 if found is None else found.claimed


def at_rest(stage: Stage) -> Counter[str]:
    """Check everything once all is healed and every round has nothing left to do. Raises Wrong."""
    counts: Counter[str] = Counter()
    ctx, ground = stage.ctx, stage.ground
    with stage.sandbox.engine.connect() as connection:
        for purse in cast().purses:
            for agent in cast().agents:
                book = stage.market.book
                earnings = (book.earned(purse, agent), book.sold(purse, agent))
                for way, earned in zip(purse.lanes(ctx, agent), earnings, strict=True):
                    paid = _paid(connection, ground, f"{purse.buyer} to {agent}", way, earned)
                    _receipts(connection, ground, ctx, way, earned)
                    counts.update(agents_paid=int(paid > 0), units_paid=paid)
        _settled(ground.money)
        _nonces(connection, ground)
        counts += _intents(connection, ground)
    return counts


def _paid(connection: Connection, ground: Ground, who: str, way: Lane, earned: int) -> int:
    """An agent is paid on chain exactly what it has earned; return how much."""
    on_chain = claimed_on(ground.money, way)
    found = text("SELECT earned_units, in_flight_units FROM app.channel WHERE channel_id = :id")
    row = connection.execute(found, {"id": way.channel_id}).one_or_none()
    stored = 0 if row is None else int(row.earned_units)
    require(stored == earned, f"{who}: {stored} earned by the service's book, {earned} by ours")
    require(row is None or row.in_flight_units == 0, f"{who}: something is in flight at rest")
    require(on_chain == earned, f"{who}: {on_chain} claimed of {earned}")
    return on_chain


def _receipts(connection: Connection, ground: Ground, ctx: Context, way: Lane, earned: int) -> None:
    """Every receipt verifies; the newest covers all that was earned, and its holder can claim it alone."""
    query = text("SELECT * FROM app.receipt WHERE channel_id = :id ORDER BY total_claimed_units")
    rows = connection.execute(query, {"id": way.channel_id}).all()
    require((int(rows[-1].total_claimed_units) if rows else 0) == earned, "the newest receipt covers something else")
    for row in rows:
        total, ceiling = int(row.total_claimed_units), int(row.ceiling_units)
        entry = ClaimEntry(channel_id=way.channel_id, max_claimable_amount=ceiling, total_claimed=total)
        digest = ClaimBatch(claims=(entry,)).digest(ctx.domains.channel)
        signer = recovered(digest, bytes(row.operator_signature))
        require(signer == contract.text(way.config.receiver_authorizer), "a receipt is not the operator's")
        voucher = Voucher(channel_id=way.channel_id, max_claimable_amount=ceiling).digest(ctx.domains.channel)
        signer = recovered(voucher, bytes(row.voucher_signature))
        require(signer == contract.text(way.voucher_signer), "a receipt without its voucher")
        require(total <= ceiling, "a receipt above its voucher")
    if rows:
        _claimable(ground.money, way, rows[-1])


def _claimable(money: Money, way: Lane, row: Any) -> None:
    config = way.config
    words = (
        *(contract.text(one) for one in (config.payer, config.payer_authorizer, config.receiver)),
        *(contract.text(config.receiver_authorizer), contract.text(config.token), config.withdraw_delay, config.salt),
    )
    claim = ((words, int(row.ceiling_units)), bytes(row.voucher_signature), int(row.total_claimed_units))
    data = contract.calldata("claimWithSignature", [claim], bytes(row.operator_signature))
    _, done = contract.perform(money, config.receiver, contract.CHANNEL, data, 0)
    require(done.revert is None, f"a receipt its holder cannot claim: {done.error}")


def _settled(money: Money) -> None:
    for who, totals in money.book.receivers.items():
        require(totals.claimed == totals.settled, f"{who} waits for {totals.claimed - totals.settled}")
        require(money.token.balances[who] == totals.settled, f"{who} has {money.token.balances[who]}")


def _nonces(connection: Connection, ground: Ground) -> None:
    """Every key has used each of its nonces once, without a gap, and the chain has mined them all."""
    for one in cast().relayers:
        mined = ground.money.nonces[one.address]
        rows = connection.execute(
            text("SELECT nonce FROM txm.tx WHERE account = :who ORDER BY nonce"), {"who": one.address}
        )
        nonces = [row.nonce for row in rows]
        ours = set(nonces)
        foreign = {number for number in range(mined) if number not in ours}
        sent = {number for number, hash_ in _mined_by(ground, one.address).items() if _strange(connection, hash_)}
        require(foreign <= sent, f"{one}: nonces {sorted(foreign - sent)} were never signed for")
        require(len(ours) == len(nonces), f"{one}: a nonce twice")
        require(not nonces or nonces[-1] < mined, f"{one}: nonce {nonces[-1:]} is not mined, {mined} are")


def _mined_by(ground: Ground, sender: bytes) -> dict[int, bytes]:
    return {
        done.sent.nonce: done.sent.hash
        for block in ground.chain.path
        for done in ground.executed[block.hash]
        if done.sent.sender == sender
    }


def _strange(connection: Connection, tx_hash: bytes) -> bool:
    return connection.execute(text("SELECT 1 FROM txm.attempt WHERE hash = :hash"), {"hash": tx_hash}).first() is None


def _intents(connection: Connection, ground: Ground) -> Counter[str]:
    """The call of each intent is on the chain once where it is final, and never where it has ended otherwise."""
    query = (
        "SELECT a.hash, a.raw, i.id, i.state, i.kind, i.data FROM txm.attempt a JOIN txm.tx t ON t.id = a.tx_id"
        " LEFT JOIN txm.intent i ON i.id = t.intent_id"
    )
    known = {bytes(row.hash): row for row in connection.execute(text(query))}
    effects: Counter[Any] = Counter()
    for block in ground.chain.path:
        for done in ground.executed[block.hash]:
            row = known.get(done.sent.hash)
            if row is None or not done.sent.data:
                continue
            require(row.id is not None, f"a call was mined whose intent was given up: {keccak(done.sent.raw).hex()}")
            effects[row.id] += done.succeeded
    counts: Counter[str] = Counter()
    for row in connection.execute(text("SELECT id, kind, state FROM txm.intent")):
        counts[f"intent_{row.state}"] += 1
        times = effects[row.id]
        require(times <= 1, f"the call of a {row.kind} happened {times} times")
        require(row.state in {"final", "failed", "expired", "cancelled"}, f"a {row.kind} is {row.state} at rest")
        require((row.state == "final") == (times == 1), f"a {row.kind} is {row.state} and happened {times} times")
    return counts
