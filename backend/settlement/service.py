"""Claims what channels have earned and pays receivers, in the order of one key's nonces.

The claim and the settlement that pays it are two intents of one commit with the same fixed sender, so the settlement
is always mined after the claim. Claimed totals are read from the mirror only: a batch that was lost, failed or mined
in part is simply found unclaimed again, and a receiver whom a settlement has not paid is found unpaid again. One claim
of a channel at a time, and none before the mirror has read what became of the one before. What fails is tried again
after a growing while: a claim the chain refuses or skips, and who cannot be paid (a token may refuse an address). One
builder at a time; a crash before the commit leaves nothing.

What a withdrawal threatens is claimed at once where it is worth its own gas. Less is dust, which anybody can make as
much of as he likes: it goes in batches of its own behind all others, inside a daily allowance of gas of the pool's
owner, and the agent, who holds the receipt, can always claim it himself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.orm import Session

from aicp.abi import payment_channel as abi
from aicp.rules.primitives import hex0x
from backend.context import Context
from backend.db.ids import new_id
from backend.db.times import moment, unix
from backend.domain.settlement import (
    MAX_ROWS,
    Claimable,
    ClaimReason,
    batch_limit,
    claim_gas,
    claim_reason,
    fits,
    settle_gas,
    worth,
)
from backend.payments.channels import config_of
from backend.payments.models import ClaimRow
from backend.settlement import dust, repo
from backend.settlement.batch import Row, batch_message, grouped
from backend.settlement.senders import Senders, move_stuck, senders
from backend.txm import service as txm
from backend.txm.classify import is_revert
from backend.txm.machine import Machine
from backend.txm.reverts import explain
from backend.txm.rpc import NodeError, request_of
from backend.txm.states import Priority

_log = structlog.get_logger("settlement")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A channel to claim: what the policy asks about it, whose signature claims it, and the row that does."""

    claimable: Claimable
    operator: bytes
    payer: bytes
    """Whose pool it is."""
    dust: bool
    """Threatened, and worth less than its own gas."""
    claimed_units: int
    row: Row


def candidates(session: Session, ctx: Context, policy: repo.Policy) -> list[Candidate]:
    """Return the channels to claim now by the policy, at most one batch, threatened ones first."""
    found: list[Candidate] = []
    for channel, pool, newest, claimed, oldest, threatened, tries in session.execute(repo.claimable(policy)).tuples():
        claimable = Claimable(
            channel_id=channel.channel_id,
            unclaimed_units=newest.total_claimed_units - int(claimed),
            oldest_receipt_at=unix(oldest),
            withdrawal_pending=threatened,
            tries=tries,
        )
        row = Row(
            channel_id=channel.channel_id,
            config=config_of(ctx, pool, channel),
            total_claimed_units=newest.total_claimed_units,
            ceiling_units=newest.ceiling_units,
            voucher_signature=newest.voucher_signature,
            operator_signature=newest.operator_signature,
        )
        small = threatened and claimable.unclaimed_units < policy.worth.threatened_units
        found.append(Candidate(claimable, pool.operator, pool.payer, small, int(claimed), row))
    return found


def _policy(machine: Machine, gas_price_wei: int) -> repo.Policy:
    ctx = machine.ctx
    return repo.Policy(
        operators=ctx.operators,
        now=moment(ctx.now()),
        old_since=moment(ctx.now() - ctx.constants.settle_age_seconds),
        worth=worth(gas_price_wei=gas_price_wei, constants=ctx.constants),
        owner_gas_per_day=ctx.settings.relayed_gas_per_day,
        dust_gas_per_day=ctx.settings.facilitated_gas_per_day,
    )


def settle(machine: Machine) -> int:
    """Claim and pay what the policy chooses now; return how many rows. Raises NodeUnreachable."""
    ctx, db = machine.ctx, machine.db
    move_stuck(machine)
    if not db.read(lambda s: s.execute(repo.any_unclaimed(ctx.operators)).scalar_one()):
        db.write(partial(dust.tell, policy=None))
        return 0
    price = machine.rpc.head().base_fee_wei + max(machine.rpc.priority_fee(), ctx.constants.min_gas_price_wei)
    policy = _policy(machine, price)
    found = db.read(lambda s: dust.granted(s, ctx, candidates(s, ctx, policy)))
    for one in found:
        known = claim_reason(one.claimable, now=ctx.now(), gas_price_wei=price, constants=ctx.constants)
        # the database has found it due: what nothing else explains is a wish
        reason = known or ClaimReason.WISH
        about = {"channel": hex0x(one.row.channel_id), "unclaimed_units": one.claimable.unclaimed_units}
        if reason is ClaimReason.WITHDRAWAL:
            _log.error("a withdrawal threatens receipts", **about, tries=one.claimable.tries)
        else:
            _log.info("a channel is due", **about, reason=reason)
    good, claimed = _taken(machine, policy, found), 0
    if good:
        keys = senders(machine)
        ready = (batch for rows in batches(good) for batch in sized(machine, rows))
        claimed = sum(_enqueue(machine, policy, batch, keys) for batch in ready)
    db.write(partial(dust.tell, policy=policy))
    return claimed


def batches(found: Sequence[Candidate]) -> list[list[Candidate]]:
    """Return the rows in batches of one operator each, dust behind the others.

    Rows that have failed go apart, in ever smaller batches.
    """
    alike: dict[tuple[bool, bytes, int], list[Candidate]] = {}
    for one in sorted(found, key=lambda one: one.dust):
        alike.setdefault((one.dust, one.operator, one.claimable.tries), []).append(one)
    return [
        rows[start : start + batch_limit(tries)]
        for (_, _, tries), rows in alike.items()
        for start in range(0, len(rows), batch_limit(tries))
    ]


def _taken(machine: Machine, policy: repo.Policy, found: list[Candidate]) -> list[Candidate]:
    """Return the rows the chain would take now, by simulating each receipt alone; one it refuses rests."""
    sender, contract = machine.keys.addresses[0], machine.ctx.deployment.payment_channel
    calls = [abi.encode_claim_with_signature([one.row.as_claim()], one.row.operator_signature) for one in found]
    answers = machine.rpc.batch([("eth_call", (request_of(sender, contract, data), "latest")) for data in calls])
    good: list[Candidate] = []
    for one, answer in zip(found, answers, strict=True):
        if not isinstance(answer, NodeError):
            good.append(one)
            continue
        code, detail = explain(answer)
        _log.error("a receipt would not be taken", channel="0x" + one.row.channel_id.hex(), code=code, detail=detail)
        if is_revert(answer):
            machine.db.write(partial(_rest, policy=policy, one=one))
    return good


def _rest(session: Session, *, policy: repo.Policy, one: Candidate) -> None:
    """Write down that the chain refuses a receipt, unless another worker has a claim of it under way by now."""
    channel_id = one.row.channel_id
    if not session.execute(repo.try_lock()).scalar_one():
        return
    if session.execute(repo.claimable(policy, [channel_id])).first() is not None:
        session.execute(repo.claim_tried(channel_id, one.claimed_units, policy.now, None))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows one transaction can claim, in the order of its calldata, and the gas it may use."""

    candidates: list[Candidate]
    data: bytes
    gas_limit: int

    @property
    def receivers(self) -> list[bytes]:
        """Who is paid by it, each once."""
        return list(dict.fromkeys(one.row.config.receiver for one in self.candidates))


def sized(machine: Machine, rows: list[Candidate]) -> list[Batch]:
    """Return rows of one operator in as few batches as calldata and gas allow, each simulated as a whole.

    A batch that is too large, or that the chain refuses as a whole, is halved. A row it refuses alone is left out.
    Raises NodeUnreachable.
    """
    ctx = machine.ctx
    operator = ctx.operator_of(rows[0].operator)
    assert operator is not None, "the policy names only operators whose keys are here"
    ordered, groups = grouped([one.row for one in rows])
    places = {row.channel_id: place for place, row in enumerate(ordered)}
    inside = sorted(rows, key=lambda one: places[one.row.channel_id])
    signature = operator.sign(batch_message(ordered).digest(ctx.domains.channel))
    data = abi.encode_claim_batch(operator.address, groups, signature)
    request = request_of(machine.keys.addresses[0], ctx.deployment.payment_channel, data)
    [estimate] = machine.rpc.batch([("eth_estimateGas", (request, "latest"))])
    if not isinstance(estimate, NodeError) and fits(calldata_bytes=len(data), estimated_gas=int(estimate, 16)):
        return [Batch(inside, data, claim_gas(int(estimate, 16)))]
    if len(inside) == 1:
        _log.error("a batch of one row cannot be sent", channel=hex0x(inside[0].row.channel_id))
        return []
    middle = len(inside) // 2
    return [*sized(machine, inside[:middle]), *sized(machine, inside[middle:])]


def _enqueue(machine: Machine, policy: repo.Policy, batch: Batch, keys: Senders) -> int:
    ctx, rows = machine.ctx, batch.candidates
    operator = rows[0].operator
    wanted, gas = batch.receivers, batch.gas_limit
    sender = keys.take(gas + settle_gas(len(wanted)), 2)
    if sender is None:
        return 0

    def run(session: Session) -> int:
        if not session.execute(repo.try_lock()).scalar_one():
            return 0
        # asked again under the lock: another worker may have just built this batch
        still = session.execute(repo.claimable(policy, [one.row.channel_id for one in rows])).all()
        if len(still) < len(rows):
            return 0
        dust.charge(session, ctx, [one.payer for one in rows if one.dust])
        name = str(new_id())
        claim = txm.enqueue(
            session, ctx, idem_key=f"claim:{name}", kind="claim", on_behalf_of=operator,
            to=ctx.deployment.payment_channel, data=batch.data, expires_at=None,
            reference={"batch": name, "rows": len(rows)}, account=sender, gas_limit=gas,
            priority=Priority.URGENT,
        )  # fmt: skip
        for one in rows:
            row = one.row
            session.add(
                ClaimRow(intent_id=claim.id, channel_id=row.channel_id, total_claimed_units=row.total_claimed_units)
            )
            session.execute(repo.claim_tried(row.channel_id, one.claimed_units, policy.now, claim.id))
        resting = set(session.execute(repo.resting(wanted, policy.now)).scalars())
        _pay(session, ctx, [receiver for receiver in wanted if receiver not in resting], sender, name)
        return len(rows)

    try:
        return machine.db.write(run)
    except dust.DayUsedUpError:
        return 0  # by a call of his own meanwhile; the next round asks how much is left


def _pay(session: Session, ctx: Context, receivers: list[bytes], sender: bytes, batch: str) -> None:
    """Ask for one settlement of the receivers, and write the try down with it."""
    if not receivers:
        return
    intent = txm.enqueue(
        session, ctx, idem_key=f"settle:{batch}", kind="settle", on_behalf_of=ctx.operator.address,
        to=ctx.deployment.payment_channel, data=abi.encode_settle_many(receivers), expires_at=None,
        reference={"batch": batch, "receivers": len(receivers)}, account=sender, gas_limit=settle_gas(len(receivers)),
        priority=Priority.URGENT,
    )  # fmt: skip
    paid = dict(session.execute(repo.settled_units(receivers)).tuples().all())
    for receiver in receivers:
        session.execute(repo.tried(receiver, int(paid.get(receiver, 0)), moment(ctx.now()), intent.id))


def pay_unpaid(machine: Machine) -> int:
    """Settle again for receivers whom a settlement has skipped, or whose settlement was lost; return for how many.

    A receiver whose payment would revert costs no gas, only a simulation after a growing pause. Raises NodeUnreachable.
    """
    ctx, db = machine.ctx, machine.db
    operators = ctx.operators
    found = db.read(lambda s: s.execute(repo.unpaid(operators, moment(ctx.now()), MAX_ROWS)).tuples().all())
    if not found:
        return 0
    payable = _payable(machine, [receiver for receiver, _ in found])
    sender = senders(machine).take(settle_gas(max(1, len(payable))), 1) if payable else None

    def run(session: Session) -> int:
        if not session.execute(repo.try_lock()).scalar_one():
            return 0
        now = moment(ctx.now())
        among = [receiver for receiver, _ in found]
        # asked again under the lock: another worker may have just asked for them
        rows = session.execute(repo.unpaid(operators, now, MAX_ROWS, among)).tuples().all()
        for receiver, paid in rows:
            if receiver not in payable:
                session.execute(repo.tried(receiver, int(paid), now, None))
        again = [receiver for receiver, _ in rows if receiver in payable]
        if sender is None:
            return 0
        _pay(session, ctx, again, sender, str(new_id()))
        return len(again)

    return db.write(run)


def _payable(machine: Machine, receivers: list[bytes]) -> set[bytes]:
    """Return those whom the chain would pay now."""
    sender, contract = machine.keys.addresses[0], machine.ctx.deployment.payment_channel
    calls = [abi.encode_settle(receiver, machine.ctx.deployment.usdc) for receiver in receivers]
    answers = machine.rpc.batch([("eth_call", (request_of(sender, contract, data), "latest")) for data in calls])
    found: set[bytes] = set()
    for receiver, answer in zip(receivers, answers, strict=True):
        if isinstance(answer, NodeError):
            code, _ = explain(answer)
            _log.error("a receiver cannot be paid for now", receiver="0x" + receiver.hex(), code=code)
        else:
            found.add(receiver)
    return found
