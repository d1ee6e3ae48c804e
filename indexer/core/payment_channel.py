"""PaymentChannel's events as row changes: channels, pools and receivers.

A claim above a channel's balance has drawn the difference from the channel's pool; the pool's own PoolDrawn says the
same amount once a group. A channel's balance is cumulative: claims do not lower it, refunds and withdrawals do.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final

from aicp.abi import payment_channel as abi
from aicp.rules.ids import pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS
from indexer.core.context import Contracts
from indexer.core.rows import (
    Channel,
    ChannelEvent,
    Key,
    Place,
    Pool,
    PoolEvent,
    PoolWithdrawSeen,
    Receiver,
    ReceiverEvent,
)
from indexer.core.workspace import ReducerError, Workspace

CONTRACT: Final = "payment_channel"


def keys(event: object, workspace: Workspace, contracts: Contracts) -> list[Key]:  # noqa: ARG001  # one shape for all
    """Return the rows the event reads or changes, as far as they can be told from what is loaded so far."""
    rule = _KEYS.get(type(event))
    return [] if rule is None else rule(event, workspace)


def apply(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change the rows. Raises ReducerError when the event does not follow what we hold."""
    rule = _RULES.get(type(event))
    if rule is None:
        raise ReducerError(f"no rule for PaymentChannel's {type(event).__name__}")
    rule(event, place, workspace, contracts)


def _channel_keys(event: Any, workspace: Workspace) -> list[Key]:
    row = workspace.peek(Channel, event.channel_id)
    if row is None:
        return [(Channel, event.channel_id)]
    return [(Channel, event.channel_id), (Receiver, row.receiver)]


def _created_keys(event: abi.ChannelCreated, workspace: Workspace) -> list[Key]:  # noqa: ARG001
    return [(Channel, event.channel_id), (Receiver, event.config.receiver)]


def _receiver_keys(event: abi.Settled, workspace: Workspace) -> list[Key]:  # noqa: ARG001
    return [(Receiver, event.receiver)]


def _pool_keys(event: Any, workspace: Workspace) -> list[Key]:  # noqa: ARG001
    return [(Pool, event.pool_id)]


def _created(event: abi.ChannelCreated, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    row = workspace.find(Channel, event.channel_id)
    if row is None:
        config = event.config
        key = pool_key(config.payer, config.payer_authorizer, config.receiver_authorizer)
        row = Channel(
            channel_id=event.channel_id,
            payer=config.payer,
            payer_authorizer=config.payer_authorizer,
            receiver=config.receiver,
            receiver_authorizer=config.receiver_authorizer,
            token=config.token,
            withdraw_delay=config.withdraw_delay,
            salt=config.salt,
            pool_id=pool_id(key, contracts.channel_domain),
        )
    _record_channel(row, "created", amount=0, place=place, workspace=workspace)


def _channel_moved(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    row = workspace.need(Channel, event.channel_id)
    amount = 0
    match event:
        case abi.Deposited():
            kind, amount = "deposited", event.amount
            row.balance_units = event.new_balance
        case abi.Claimed():
            kind, amount = "claimed", event.claim_amount
            _claim(row, event, place, workspace)
        case abi.ClaimedAndPaid():
            # paid past the receiver's totals, which the contract does not raise either
            kind, amount = "claimed_and_paid", event.claim_amount
            _take(row, event)
        case abi.Refunded():
            kind, amount = "refunded", event.amount
            row.balance_units -= amount
            row.withdraw_units = max(0, row.withdraw_units - amount)
            if row.withdraw_units == 0:
                row.withdraw_finalize_at = None
        case abi.WithdrawInitiated():
            kind, amount = "withdraw_initiated", event.amount
            row.withdraw_units, row.withdraw_finalize_at = amount, event.finalize_after
        case abi.WithdrawFinalized():
            kind, amount = "withdraw_finalized", event.amount
            row.balance_units -= amount
            row.withdraw_units, row.withdraw_finalize_at = 0, None
        case _:
            kind = "closed"
    if row.balance_units < row.total_claimed_units:
        raise ReducerError(f"channel 0x{row.channel_id.hex()} holds less than was claimed")
    _record_channel(row, kind, amount=amount, place=place, workspace=workspace)


def _claim(row: Channel, event: abi.Claimed, place: Place, workspace: Workspace) -> None:
    _take(row, event)
    receiver = workspace.find(Receiver, row.receiver) or Receiver(receiver=row.receiver)
    receiver.claimed_units += event.claim_amount
    _record_receiver(receiver, "claimed", place, workspace)


def _take(row: Channel, event: abi.Claimed | abi.ClaimedAndPaid) -> None:
    """Raise the claimed total and note what came from the pool. Raises ReducerError when a claim is missing."""
    row.total_claimed_units += event.claim_amount
    if row.total_claimed_units != event.new_total_claimed:
        raise ReducerError(f"channel 0x{row.channel_id.hex()} claimed {event.new_total_claimed}, a claim is missing")
    shortage = row.total_claimed_units - row.balance_units
    if shortage > 0:
        row.drawn_units += shortage
        row.balance_units = row.total_claimed_units


def _settled(event: abi.Settled, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    row = workspace.need(Receiver, event.receiver)
    row.settled_units += event.amount
    if row.settled_units > row.claimed_units:
        raise ReducerError(f"receiver 0x{row.receiver.hex()} was paid more than was claimed")
    _record_receiver(row, "settled", place, workspace)
    workspace.note(place, (event.receiver,), CONTRACT, "settled", None, event.amount)


def _pool_deposited(event: abi.PoolDeposited, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    row = workspace.find(Pool, event.pool_id)
    if row is None:
        row = Pool(
            pool_id=event.pool_id,
            payer=event.payer,
            payer_authorizer=event.payer_authorizer,
            operator=event.operator,
        )
    elif row.operator == ZERO_ADDRESS:
        row.payer, row.payer_authorizer, row.operator = event.payer, event.payer_authorizer, event.operator
    row.balance_units += event.amount
    if row.balance_units != event.balance:
        raise ReducerError(f"pool 0x{row.pool_id.hex()} says {event.balance}, we hold {row.balance_units}")
    _record_pool(row, "deposited", amount=event.amount, place=place, workspace=workspace)


def _announced(event: abi.PoolWithdrawInitiated, workspace: Workspace) -> Pool:
    """Return the pool of a withdrawal. Anybody may announce one from a pool that has never had a deposit: its parties
    are the zero address until one comes, and the withdrawal is pending then."""
    return workspace.find(Pool, event.pool_id) or Pool(
        pool_id=event.pool_id, payer=ZERO_ADDRESS, payer_authorizer=ZERO_ADDRESS, operator=ZERO_ADDRESS
    )


def _pool_moved(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:  # noqa: ARG001
    announced = isinstance(event, abi.PoolWithdrawInitiated)
    row = _announced(event, workspace) if announced else workspace.need(Pool, event.pool_id)
    amount = 0
    match event:
        case abi.PoolDrawn():
            kind, amount = "drawn", event.amount
            row.balance_units -= amount
            row.drawn_units += amount
        case abi.PoolWithdrawInitiated():
            kind, amount = "withdraw_initiated", event.amount
            row.withdraw_units, row.finalize_at, row.nonce = amount, event.finalize_at, event.nonce
            workspace.append(PoolWithdrawSeen(place=place, pool_id=row.pool_id, amount_units=amount))
        case abi.PoolWithdrawCancelled():
            kind, amount = "withdraw_cancelled", event.amount
            row.withdraw_units, row.finalize_at, row.nonce = 0, None, event.nonce
        case abi.PoolWithdrawFinalized():
            kind, amount = "withdraw_finalized", event.amount
            row.balance_units -= amount
            row.withdraw_units, row.finalize_at, row.nonce = 0, None, event.nonce
            if row.balance_units != event.balance:
                raise ReducerError(f"pool 0x{row.pool_id.hex()} says {event.balance}, we hold {row.balance_units}")
        case _:
            kind = "released"
            row.finalize_at = event.finalize_at
    if row.balance_units < 0:
        raise ReducerError(f"pool 0x{row.pool_id.hex()} would fall to {row.balance_units}")
    _record_pool(row, kind, amount=amount, place=place, workspace=workspace)


def _record_channel(row: Channel, kind: str, *, amount: int, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        ChannelEvent(
            place=place,
            channel_id=row.channel_id,
            payer=row.payer,
            receiver=row.receiver,
            kind=kind,
            event_amount_units=amount,
            balance_units=row.balance_units,
            total_claimed_units=row.total_claimed_units,
            drawn_units=row.drawn_units,
            withdraw_units=row.withdraw_units,
            withdraw_finalize_at=row.withdraw_finalize_at,
        )
    )


def _record_receiver(row: Receiver, kind: str, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        ReceiverEvent(
            place=place,
            receiver=row.receiver,
            kind=kind,
            claimed_units=row.claimed_units,
            settled_units=row.settled_units,
        )
    )


def _record_pool(row: Pool, kind: str, *, amount: int, place: Place, workspace: Workspace) -> None:
    workspace.put(row, place)
    workspace.append(
        PoolEvent(
            place=place,
            pool_id=row.pool_id,
            payer=row.payer,
            kind=kind,
            event_amount_units=amount,
            balance_units=row.balance_units,
            drawn_units=row.drawn_units,
            withdraw_units=row.withdraw_units,
            finalize_at=row.finalize_at,
            nonce=row.nonce,
        )
    )


def _silent(event: object, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change nothing: the raw log says all there is."""


_CHANNEL: Final[tuple[type[Any], ...]] = (
    abi.ChannelClosed, abi.Deposited, abi.Claimed, abi.ClaimedAndPaid, abi.Refunded, abi.WithdrawInitiated,
    abi.WithdrawFinalized,
)  # fmt: skip
_POOL: Final[tuple[type[Any], ...]] = (
    abi.PoolDrawn, abi.PoolWithdrawInitiated, abi.PoolWithdrawCancelled, abi.PoolWithdrawFinalized, abi.PoolReleased,
)  # fmt: skip
_SILENT: Final[tuple[type[Any], ...]] = (
    abi.RowSkipped, abi.SettleSkipped, abi.InflowsPaused, abi.InflowsUnpaused, abi.EIP712DomainChanged,
    abi.TokenRescued,
)  # fmt: skip
SUBJECTS: Final[dict[type[Any], Callable[[Any], bytes]]] = {
    **dict.fromkeys(_CHANNEL, attrgetter("channel_id")),
    **dict.fromkeys((*_POOL, abi.PoolDeposited), attrgetter("pool_id")),
}
"""What alone tells the keys of an event: `_channel_keys` and `_pool_keys` look at nothing else of it."""
_KEYS: Final[dict[type[Any], Callable[[Any, Workspace], list[Key]]]] = {
    **dict.fromkeys(_CHANNEL, _channel_keys),
    **dict.fromkeys((*_POOL, abi.PoolDeposited), _pool_keys),
    abi.ChannelCreated: _created_keys,
    abi.Settled: _receiver_keys,
}
_RULES: Final[dict[type[Any], Callable[[Any, Place, Workspace, Contracts], None]]] = {
    **dict.fromkeys(_CHANNEL, _channel_moved),
    **dict.fromkeys(_POOL, _pool_moved),
    **dict.fromkeys(_SILENT, _silent),
    abi.ChannelCreated: _created,
    abi.PoolDeposited: _pool_deposited,
    abi.Settled: _settled,
}
