"""What the audit asks Escrow, PaymentChannel and Reputation about each row; the arbiter's part is in `arbiter`.

An id is the digest of what it stands for, so the contract that computes it again from our columns checks all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from aicp.abi import escrow as abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi.enums import Status
from aicp.abi.typed_data import ChannelConfig
from aicp.abi.typed_data import EscrowTerms as Terms
from indexer.audit import arbiter
from indexer.audit.question import Ground, Pair, Question, single
from indexer.core.dispute_rows import Dispute, DisputeNumber
from indexer.core.rows import (
    AgentRecord,
    BonusPool,
    Channel,
    Escrow,
    EscrowConfig,
    Ledger,
    Pool,
    Receiver,
    ScoreEpoch,
    Stake,
    StateRow,
)
from indexer.core.states import EscrowStatus, Outcome

_STATUS = {status: Status[status.name].value for status in EscrowStatus}
_OUTCOME = {outcome.value: code for code, outcome in enumerate(Outcome)}


def questions(row: StateRow, ground: Ground) -> Iterator[Question]:
    """Return the view calls that check a row; none for a row no view answers for."""
    court = ground.contracts.arbiter
    match row:
        case Ledger() if court is not None and row.contract == court.address:
            return iter([arbiter.balance(row)])
        case Escrow() | Dispute() | DisputeNumber() | EscrowConfig() | Ledger():
            return _deals(row, ground)
        case Channel() | Pool() | Receiver():
            return _payments(row, ground)
        case Stake() | AgentRecord() | ScoreEpoch() | BonusPool():
            return _reputation(row, ground)
        case _:
            return iter(()) if court is None else arbiter.questions(row, court.address)


def _deals(row: Escrow | Dispute | DisputeNumber | EscrowConfig | Ledger, ground: Ground) -> Iterator[Question]:
    here = ground.contracts.escrow
    match row:
        case Escrow():
            yield Question(row, here, abi.encode_state_of(row.escrow_id), partial(_escrow, row))
            yield single(row, here, abi.encode_escrow_id(_terms(row)), "escrow_id", abi.decode_escrow_id_result)
            if row.accepted_at is not None:
                calldata = reputation_abi.encode_required_stake(row.amount_units)
                decode = reputation_abi.decode_required_stake_result
                yield single(row, ground.contracts.reputation, calldata, "stake_units", decode)
        case Dispute():
            yield Question(row, here, abi.encode_disputes(row.escrow_id), partial(_dispute, row))
        case DisputeNumber():
            calldata = abi.encode_escrow_of_dispute(row.arbiter, row.dispute_id)
            yield single(row, here, calldata, "escrow_id", abi.decode_escrow_of_dispute_result)
        case EscrowConfig():
            yield single(row, here, abi.encode_fee_recipient(), "fee_recipient", abi.decode_fee_recipient_result)
            yield single(row, here, abi.encode_fee_bps(), "fee_bps", abi.decode_fee_bps_result)
        case Ledger():
            calldata = abi.encode_balance_of(row.account)
            yield single(row, row.contract, calldata, "balance_units", abi.decode_balance_of_result)


def _payments(row: Channel | Pool | Receiver, ground: Ground) -> Iterator[Question]:
    here = ground.contracts.payment_channel
    match row:
        case Channel():
            yield Question(row, here, channel_abi.encode_channels(row.channel_id), partial(_channel, row))
            yield Question(row, here, channel_abi.encode_pending_withdrawals(row.channel_id), partial(_pending, row))
            config = ChannelConfig(
                payer=row.payer,
                payer_authorizer=row.payer_authorizer,
                receiver=row.receiver,
                receiver_authorizer=row.receiver_authorizer,
                token=row.token,
                withdraw_delay=row.withdraw_delay,
                salt=row.salt,
            )
            calldata = channel_abi.encode_get_channel_id(config)
            yield single(row, here, calldata, "channel_id", channel_abi.decode_get_channel_id_result)
            calldata = channel_abi.encode_get_pool_id(row.payer, row.payer_authorizer, row.receiver_authorizer)
            yield single(row, here, calldata, "pool_id", channel_abi.decode_get_pool_id_result)
        case Pool():
            yield Question(row, here, channel_abi.encode_pools(row.pool_id), partial(_pool, row))
            calldata = channel_abi.encode_get_pool_id(row.payer, row.payer_authorizer, row.operator)
            yield single(row, here, calldata, "pool_id", channel_abi.decode_get_pool_id_result)
        case Receiver():
            yield Question(row, here, channel_abi.encode_receivers(row.receiver, ground.token), partial(_receiver, row))


def _reputation(row: Stake | AgentRecord | ScoreEpoch | BonusPool, ground: Ground) -> Iterator[Question]:
    here = ground.contracts.reputation
    match row:
        case Stake():
            yield Question(row, here, reputation_abi.encode_stake_of(row.agent), partial(_stake, row))
            calldata = reputation_abi.encode_unstake_request(row.agent)
            yield single(row, here, calldata, "unbonding_units", reputation_abi.decode_unstake_request_result)
        case AgentRecord():
            yield Question(row, here, reputation_abi.encode_record_of(row.agent), partial(_record, row))
        case ScoreEpoch():
            yield Question(row, here, reputation_abi.encode_root_of(row.epoch), partial(_root, row))
            yield Question(row, here, reputation_abi.encode_is_active(row.epoch), partial(_active, row, ground.time))
        case BonusPool():
            calldata = reputation_abi.encode_bonus_pool()
            yield single(row, here, calldata, "balance_units", reputation_abi.decode_bonus_pool_result)


def _terms(row: Escrow) -> Terms:
    return Terms(
        client=row.client,
        provider=row.provider,
        verifier=row.verifier,
        arbiter=row.arbiter,
        amount=row.amount_units,
        fee_bps=row.fee_bps,
        quorum=row.quorum,
        accept_by=row.accept_by,
        deliver_by=row.deliver_by,
        challenge_period=row.challenge_period,
        dispute_timeout=row.dispute_timeout,
        job_hash=row.job_hash,
        salt=row.salt,
    )


def _escrow(row: Escrow, raw: bytes) -> list[Pair]:
    state = abi.decode_state_of_result(raw)
    status = EscrowStatus(row.status)
    ended_as = _OUTCOME[row.outcome] if row.outcome is not None else 0
    accepted = row.accepted_at is not None
    flags = row.rated_by_client | row.rated_by_provider << 1 | row.stake_locked << 2 | accepted << 3
    return [
        ("status", state.status, _STATUS[status]),
        ("released_units", state.released, row.released_units),
        ("refunded_units", state.refunded, row.refunded_units),
        ("clock", state.clock, row.decide_by or row.respond_by or row.challenge_ends_at or 0),
        ("ruling", state.ruling, row.ruling if status is EscrowStatus.RULED else ended_as),
        ("flags", state.flags, flags),
    ]


def _dispute(row: Dispute, raw: bytes) -> list[Pair]:
    state = abi.decode_disputes_result(raw)
    return [
        ("bond_left_units", state.client_bond, row.bond_left_units),
        ("dispute_id", state.dispute_id, row.dispute_id or 0),
    ]


def _channel(row: Channel, raw: bytes) -> list[Pair]:
    state = channel_abi.decode_channels_result(raw)
    return [
        ("balance_units", state.balance, row.balance_units),
        ("total_claimed_units", state.total_claimed, row.total_claimed_units),
    ]


def _pending(row: Channel, raw: bytes) -> list[Pair]:
    pending = channel_abi.decode_pending_withdrawals_result(raw)
    until = pending.initiated_at + row.withdraw_delay if pending.initiated_at else 0
    return [
        ("withdraw_units", pending.amount, row.withdraw_units),
        ("withdraw_finalize_at", until, row.withdraw_finalize_at or 0),
    ]


def _pool(row: Pool, raw: bytes) -> list[Pair]:
    word = channel_abi.decode_pools_result(raw)
    return [
        ("balance_units", word.balance, row.balance_units),
        ("withdraw_units", word.withdraw_amount, row.withdraw_units),
        ("finalize_at", word.finalize_at, row.finalize_at or 0),
        ("nonce", word.nonce, row.nonce),
    ]


def _receiver(row: Receiver, raw: bytes) -> list[Pair]:
    state = channel_abi.decode_receivers_result(raw)
    return [
        ("claimed_units", state.total_claimed, row.claimed_units),
        ("settled_units", state.total_settled, row.settled_units),
    ]


def _stake(row: Stake, raw: bytes) -> list[Pair]:
    word = reputation_abi.decode_stake_of_result(raw)
    return [
        ("staked_units", word.staked, row.staked_units),
        ("locked_units", word.locked, row.locked_units),
        ("unbond_at", word.unbond_at, row.unbond_at or 0),
    ]


def _root(row: ScoreEpoch, raw: bytes) -> list[Pair]:
    root = reputation_abi.decode_root_of_result(raw)
    return [("root", root, bytes(32) if row.vetoed else row.root)]


def _active(row: ScoreEpoch, time: int, raw: bytes) -> list[Pair]:
    return [("active", reputation_abi.decode_is_active_result(raw), not row.vetoed and time >= row.active_at)]


def _record(row: AgentRecord, raw: bytes) -> list[Pair]:
    record = reputation_abi.decode_record_of_result(raw)
    return [
        ("completed", record.completed, row.completed),
        ("failed", record.failed, row.failed),
        ("disputed", record.disputed, row.disputed),
        ("lost", record.lost, row.lost),
        ("settled_units", record.settled_value, row.settled_units),
        ("last_outcome_at", record.last_outcome_at, row.last_outcome_at or 0),
    ]
