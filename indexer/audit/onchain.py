"""Every value the logs give, against what the contracts answer at one block, and the money against the token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from aicp.abi import escrow as escrow_abi
from aicp.abi import payment_channel as channel_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.enums import Status
from indexer.audit import arbiter
from indexer.audit.question import Pair, Question
from indexer.audit.report import Difference, Report, Source
from indexer.chain.node import Node
from indexer.core.context import Contracts
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


def questions(rows: Iterable[StateRow], contracts: Contracts, token: bytes) -> Iterator[Question]:
    """Return the view calls that check these rows."""
    for row in rows:
        match row:
            case Escrow():
                calldata = escrow_abi.encode_state_of(row.escrow_id)
                yield Question(row, contracts.escrow, calldata, partial(_escrow, row))
            case Dispute():
                calldata = escrow_abi.encode_disputes(row.escrow_id)
                yield Question(row, contracts.escrow, calldata, partial(_dispute, row))
            case DisputeNumber():
                calldata = escrow_abi.encode_escrow_of_dispute(row.arbiter, row.dispute_id)
                decode_number = escrow_abi.decode_escrow_of_dispute_result
                yield _single(row, contracts.escrow, calldata, "escrow_id", decode_number)
            case EscrowConfig():
                calls = (
                    ("fee_recipient", escrow_abi.encode_fee_recipient(), escrow_abi.decode_fee_recipient_result),
                    ("fee_bps", escrow_abi.encode_fee_bps(), escrow_abi.decode_fee_bps_result),
                )
                for column, calldata, decode in calls:
                    yield _single(row, contracts.escrow, calldata, column, decode)
            case Ledger() if contracts.arbiter is not None and row.contract == contracts.arbiter.address:
                yield arbiter.balance(row)
            case Ledger():
                calldata = escrow_abi.encode_balance_of(row.account)
                yield _single(row, row.contract, calldata, "balance_units", escrow_abi.decode_balance_of_result)
            case BonusPool():
                calldata = reputation_abi.encode_bonus_pool()
                decode_bonus = reputation_abi.decode_bonus_pool_result
                yield _single(row, contracts.reputation, calldata, "balance_units", decode_bonus)
            case _:
                yield from _totals(row, contracts, token)


def _totals(row: StateRow, contracts: Contracts, token: bytes) -> Iterator[Question]:
    match row:
        case Channel():
            calldata = channel_abi.encode_channels(row.channel_id)
            yield Question(row, contracts.payment_channel, calldata, partial(_channel, row))
            calldata = channel_abi.encode_pending_withdrawals(row.channel_id)
            yield Question(row, contracts.payment_channel, calldata, partial(_pending, row))
        case Pool():
            calldata = channel_abi.encode_pools(row.pool_id)
            yield Question(row, contracts.payment_channel, calldata, partial(_pool, row))
        case Receiver():
            calldata = channel_abi.encode_receivers(row.receiver, token)
            yield Question(row, contracts.payment_channel, calldata, partial(_receiver, row))
        case Stake():
            calldata = reputation_abi.encode_stake_of(row.agent)
            yield Question(row, contracts.reputation, calldata, partial(_stake, row))
            calldata = reputation_abi.encode_unstake_request(row.agent)
            decode = reputation_abi.decode_unstake_request_result
            yield _single(row, contracts.reputation, calldata, "unbonding_units", decode)
        case AgentRecord():
            calldata = reputation_abi.encode_record_of(row.agent)
            yield Question(row, contracts.reputation, calldata, partial(_record, row))
        case ScoreEpoch():
            calldata = reputation_abi.encode_root_of(row.epoch)
            yield Question(row, contracts.reputation, calldata, partial(_epoch, row))
        case _ if contracts.arbiter is not None:
            yield from arbiter.questions(row, contracts.arbiter.address)


def _single(row: StateRow, contract: bytes, calldata: bytes, column: str, decode: Callable[[bytes], Any]) -> Question:
    return Question(row, contract, calldata, lambda raw: [(column, decode(raw), getattr(row, column))])


def _escrow(row: Escrow, raw: bytes) -> list[Pair]:
    state = escrow_abi.decode_state_of_result(raw)
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
    state = escrow_abi.decode_disputes_result(raw)
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


def _epoch(row: ScoreEpoch, raw: bytes) -> list[Pair]:
    root = reputation_abi.decode_root_of_result(raw)
    return [("root", root, bytes(32) if row.vetoed else row.root)]


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


def compare(node: Node, rows: list[StateRow], contracts: Contracts, token: bytes, report: Report) -> None:
    """Ask the contracts about every row, and the token about every contract, all at the report's block."""
    asked = list(questions(rows, contracts, token))
    answers = node.view_calls([(q.contract, q.calldata) for q in asked], report.block_hash)
    for question, answer in zip(asked, answers, strict=True):
        row = question.row
        for column, found, derived in question.pairs(answer):
            report.checked[f"{row.TABLE} values against the contracts"] += 1
            if found != derived:
                report.differences.append(
                    Difference(
                        source=Source.CHAIN,
                        table=row.TABLE,
                        key="0x" + getattr(row, row.KEY).hex(),
                        column=column,
                        found=found,
                        derived=derived,
                        block_number=row.block_number,
                        tx_hash=row.tx_hash,
                    )
                )
    _compare_money(node, rows, contracts, token, report)


def owed(rows: Iterable[StateRow], contracts: Contracts) -> dict[bytes, int]:
    """Return what each contract owes to all its users together, in base units; of the arbiter only the balances."""
    sums: dict[bytes, int] = defaultdict(int)
    for row in rows:
        match row:
            case Escrow():
                sums[contracts.escrow] += row.amount_units - row.released_units - row.refunded_units
            case Dispute():
                sums[contracts.escrow] += row.bond_left_units
            case Ledger():
                sums[row.contract] += row.balance_units
            case Channel():
                sums[contracts.payment_channel] += row.balance_units - row.total_claimed_units
            case Pool():
                sums[contracts.payment_channel] += row.balance_units
            case Receiver():
                sums[contracts.payment_channel] += row.claimed_units - row.settled_units
            case Stake():
                sums[contracts.reputation] += row.staked_units
            case BonusPool():
                sums[contracts.reputation] += row.balance_units
            case _:
                continue
    return sums


def _compare_money(node: Node, rows: list[StateRow], contracts: Contracts, token: bytes, report: Report) -> None:
    sums, named = owed(rows, contracts), contracts.named
    if contracts.arbiter is not None:
        sums[contracts.arbiter.address] += sum(arbiter.owed(row) for row in rows)
    calls = [(token, usdc_abi.encode_balance_of(contract)) for contract in named.values()]
    answers = node.view_calls(calls, report.block_hash)
    for (name, contract), raw in zip(named.items(), answers, strict=True):
        held = usdc_abi.decode_balance_of_result(raw)
        report.checked["contracts hold what they owe"] += 1
        if held < sums[contract]:
            report.differences.append(
                Difference(
                    source=Source.CONSERVATION,
                    table=name,
                    key="0x" + contract.hex(),
                    column="usdc_units",
                    found=held,
                    derived=sums[contract],
                )
            )
    drawn: dict[bytes, int] = defaultdict(int)
    for row in rows:
        if isinstance(row, Channel):
            drawn[row.pool_id] += row.drawn_units
    for row in rows:
        if isinstance(row, Pool):
            report.checked["pool draws against channel draws"] += 1
            if drawn[row.pool_id] != row.drawn_units:
                report.differences.append(
                    Difference(
                        source=Source.CONSERVATION,
                        table="pool",
                        key="0x" + row.pool_id.hex(),
                        column="drawn_units",
                        found=row.drawn_units,
                        derived=drawn[row.pool_id],
                        block_number=row.block_number,
                        tx_hash=row.tx_hash,
                    )
                )
