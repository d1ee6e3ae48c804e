"""Statements over what operators watch: contracts, nodes, balances of keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import Delete, Insert, Select, Update, delete, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert

from backend.txm.models import ContractCode, NodeState, RelayAccount
from backend.txm.nodes import NodeHealth


def keep_code(chain_id: int, address: bytes, code_hash: bytes) -> Insert:
    """Keep the hash of a contract's code, unless one is known."""
    return (
        pg_insert(ContractCode).values(chain_id=chain_id, address=address, code_hash=code_hash).on_conflict_do_nothing()
    )


def known_code(chain_id: int, address: bytes) -> Select[bytes]:
    """The hash of a contract's code when it was first seen."""
    return select(ContractCode.code_hash).where(ContractCode.chain_id == chain_id, ContractCode.address == address)


def node_state(node: NodeHealth, now: dt.datetime) -> Insert:
    """Keep what became of the newest request to a node."""
    values = {"answers": node.answers, "failures": node.failures, "last_error": node.last_error, "updated_at": now}
    return (
        pg_insert(NodeState)
        .values(name=node.name, **values)
        .on_conflict_do_update(index_elements=["name"], set_=values)
    )


def resets(since: dt.datetime) -> Select[str, dt.datetime | None]:
    """The nodes an operator wants asked again, and when each was last wanted so, since a moment."""
    return select(NodeState.name, NodeState.reset_at).where(NodeState.reset_at > since)


def forget_nodes(names: Sequence[str]) -> Delete:
    """Drop nodes that are no longer in the settings."""
    return delete(NodeState).where(NodeState.name.not_in(names))


def keep_balance(chain_id: int, address: bytes, wei: int, now: dt.datetime) -> Update:
    """Keep what a key owns."""
    this = (RelayAccount.chain_id == chain_id, RelayAccount.address == address)
    return update(RelayAccount).where(*this).values(balance_wei=wei, balance_at=now)
