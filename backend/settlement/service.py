"""Claims what channels have earned and pays receivers, in the order of one key's nonces.

The claim and the settlement that pays it are two intents of one commit with the same fixed sender, so the settlement
is always mined after the claim. Claimed totals are read from the mirror only: a batch that was lost, failed or mined
in part is simply found unclaimed again, and a receiver whom a settlement has not paid is found unpaid again. Who
cannot be paid (a token may refuse an address) is left alone for a growing while. One builder at a time; a crash before
the commit leaves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from backend.context import Context
from backend.db.engine import SyncDatabase
from backend.db.ids import new_id
from backend.db.times import moment, unix
from backend.domain.settlement import MAX_ROWS, Claimable, chosen, claim_gas, settle_gas
from backend.payments.channels import lane
from backend.payments.models import ClaimRow
from backend.settlement import repo
from backend.settlement.batch import Row, batch_message, grouped
from backend.txm import repo as txm_repo
from backend.txm import service as txm
from backend.txm.machine import Machine
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError
from indexer import views

_log = structlog.get_logger("settlement")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel to claim: what the policy asks about it, and the row that would claim it."""

    claimable: Claimable
    row: Row


def candidates(session: Session, ctx: Context) -> list[Candidate]:
    """Return the channels with receipts above what the chain, or a batch on its way, has claimed."""
    rows = session.execute(repo.unclaimed(ctx.operator.address, 5 * MAX_ROWS)).tuples().all()
    ids = [channel.channel_id for channel, _, _ in rows]
    underway = dict(session.execute(repo.underway(ids)).tuples().all()) if ids else {}
    found: list[Candidate] = []
    for channel, pool, claimed in rows:
        done = max(int(claimed), int(underway.get(channel.channel_id, 0)))
        if channel.earned_units <= done:
            continue
        newest = session.execute(repo.newest_receipt(channel.channel_id)).scalar_one()
        oldest = session.execute(repo.oldest_unclaimed(channel.channel_id, done)).scalar_one()
        chain_pool = views.pool(session, pool.pool_id)
        way = lane(
            ctx, payer=pool.payer, payer_authorizer=pool.payer_authorizer, receiver=channel.receiver,
            operator=pool.operator,
        )  # fmt: skip
        found.append(
            Candidate(
                Claimable(
                    channel_id=channel.channel_id,
                    unclaimed_units=newest.total_claimed_units - done,
                    oldest_receipt_at=unix(oldest.created_at),
                    withdrawal_pending=chain_pool is not None and chain_pool.pending_withdraw_units > 0,
                ),
                Row(
                    channel_id=channel.channel_id,
                    config=way.config,
                    total_claimed_units=newest.total_claimed_units,
                    ceiling_units=newest.ceiling_units,
                    voucher_signature=newest.voucher_signature,
                    operator_signature=newest.operator_signature,
                ),
            )
        )
    return found


def settle(machine: Machine) -> int:
    """Claim and pay what the policy chooses now; return how many rows. Raises NodeUnreachable."""
    ctx, db = machine.ctx, machine.db
    found = db.read(lambda s: candidates(s, ctx))
    if not found:
        return 0
    price = machine.rpc.head().base_fee_wei + max(machine.rpc.priority_fee(), ctx.constants.min_gas_price_wei)
    picked = chosen([c.claimable for c in found], now=ctx.now(), gas_price_wei=price, constants=ctx.constants)
    by_id = {candidate.row.channel_id: candidate.row for candidate in found}
    for claimable, reason in picked:
        _log.info("a channel is due", channel="0x" + claimable.channel_id.hex(), reason=reason.value)
    rows = [by_id[claimable.channel_id] for claimable, _ in picked]
    good = [row for row in rows if _would_be_taken(machine, row)]
    return _enqueue(db, machine, good) if good else 0


def _would_be_taken(machine: Machine, row: Row) -> bool:
    """Return whether the chain would take this row now, by simulating its receipt alone."""
    data = abi.encode_claim_with_signature([row.as_claim()], row.operator_signature)
    try:
        machine.rpc.eth_call(sender=machine.keys.addresses[0], to=machine.ctx.deployment.payment_channel, data=data)
    except NodeError as error:
        code, detail = explain(error)
        _log.error("a receipt would not be taken", channel="0x" + row.channel_id.hex(), code=code, detail=detail)
        return False
    return True


def _sender(session: Session, machine: Machine) -> bytes | None:
    """Return the key that sends claims: the first that is not quarantined."""
    keys = machine.keys
    known = session.execute(txm_repo.accounts(keys.chain_id, keys.addresses)).scalars()
    usable = {account.address for account in known if account.quarantined_reason is None}
    return next((address for address in keys.addresses if address in usable), None)


def _enqueue(db: SyncDatabase, machine: Machine, rows: list[Row]) -> int:
    ctx = machine.ctx
    ordered, groups = grouped(rows)
    signature = ctx.operator.sign(batch_message(ordered).digest(ctx.domains.channel))
    data = abi.encode_claim_batch(ctx.operator.address, groups, signature)
    wanted = list(dict.fromkeys(row.config.receiver for row in ordered))

    def run(session: Session) -> int:
        sender = _sender(session, machine)
        if sender is None or not session.execute(repo.try_lock()).scalar_one():
            return 0
        ids = [row.channel_id for row in ordered]
        underway = dict(session.execute(repo.underway(ids)).tuples().all())
        if any(int(underway.get(row.channel_id, 0)) >= row.total_claimed_units for row in ordered):
            return 0  # another worker has just built this batch
        batch = str(new_id())
        claim = txm.enqueue(
            session, ctx, idem_key=f"claim:{batch}", kind="claim", on_behalf_of=ctx.operator.address,
            to=ctx.deployment.payment_channel, data=data, expires_at=None,
            reference={"batch": batch, "rows": len(ordered)}, account=sender, gas_limit=claim_gas(len(ordered)),
        )  # fmt: skip
        for row in ordered:
            session.add(
                ClaimRow(intent_id=claim.id, channel_id=row.channel_id, total_claimed_units=row.total_claimed_units)
            )
        resting = set(session.execute(repo.resting(wanted, moment(ctx.now()))).scalars())
        _pay(session, ctx, [receiver for receiver in wanted if receiver not in resting], sender, batch)
        return len(ordered)

    return db.write(run)


def _pay(session: Session, ctx: Context, receivers: list[bytes], sender: bytes, batch: str) -> None:
    """Ask for one settlement of the receivers, and write the try down with it."""
    if not receivers:
        return
    intent = txm.enqueue(
        session, ctx, idem_key=f"settle:{batch}", kind="settle", on_behalf_of=ctx.operator.address,
        to=ctx.deployment.payment_channel, data=abi.encode_settle_many(receivers), expires_at=None,
        reference={"batch": batch, "receivers": len(receivers)}, account=sender, gas_limit=settle_gas(len(receivers)),
    )  # fmt: skip
    paid = dict(session.execute(repo.settled_units(receivers)).tuples().all())
    for receiver in receivers:
        session.execute(repo.tried(receiver, int(paid.get(receiver, 0)), moment(ctx.now()), intent.id))


def pay_unpaid(machine: Machine) -> int:
    """Settle again for receivers whom a settlement has skipped, or whose settlement was lost; return for how many.

    A receiver whose payment would revert costs no gas, only a simulation after a growing pause. Raises NodeUnreachable.
    """
    ctx, db = machine.ctx, machine.db
    operator = ctx.operator.address
    found = db.read(lambda s: s.execute(repo.unpaid(operator, moment(ctx.now()), MAX_ROWS)).tuples().all())
    payable = {receiver for receiver, _ in found if _could_be_paid(machine, receiver)}

    def run(session: Session) -> int:
        sender = _sender(session, machine)
        if sender is None or not session.execute(repo.try_lock()).scalar_one():
            return 0
        now = moment(ctx.now())
        among = [receiver for receiver, _ in found]
        # asked again under the lock: another worker may have just asked for them
        rows = session.execute(repo.unpaid(operator, now, MAX_ROWS, among)).tuples().all()
        for receiver, paid in rows:
            if receiver not in payable:
                session.execute(repo.tried(receiver, int(paid), now, None))
        again = [receiver for receiver, _ in rows if receiver in payable]
        _pay(session, ctx, again, sender, str(new_id()))
        return len(again)

    return db.write(run) if found else 0


def _could_be_paid(machine: Machine, receiver: bytes) -> bool:
    data = abi.encode_settle(receiver, machine.ctx.deployment.usdc)
    try:
        machine.rpc.eth_call(sender=machine.keys.addresses[0], to=machine.ctx.deployment.payment_channel, data=data)
    except NodeError as error:
        code, _ = explain(error)
        _log.error("a receiver cannot be paid for now", receiver="0x" + receiver.hex(), code=code)
        return False
    return True
