# ruff: noqa: S106, S608  # no password is near, and every statement is put together from our own names
"""A database in which 1,000 buyers have a funded pool each and pay ten agents: what vouchers are measured on.

The chain's side is written into the mirror's tables directly, as if every deposit had been final for a while; nothing
that is measured reads the chain itself. Our own rows of pools and channels stand as after a first payment of each.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from coincurve import PrivateKey
from sqlalchemy import URL, create_engine

from aicp.abi.signing import address_of
from aicp.abi.typed_data import Voucher, channel_domain
from aicp.rules.constants import network
from aicp.rules.deployment import Bounds, Deployment, OperatorEpoch
from aicp.rules.ids import channel_id, marketplace_config, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, hex0x
from backend.db import migrate
from backend.db.times import moment
from indexer.core.reducer import Reducer
from indexer.settings import contracts_of_deployment, deployment_digest
from indexer.store.schema import PHYSICAL, Identity
from indexer.store.store import Store
from scripts.bench.servers import CHAIN_ID

_PARTS: Final = "(pool_id, payer, payer_authorizer, operator, reserved_units, earned_units)"
PRICE: Final = 1_000
BALANCE: Final = 10**12
DAILY_CAP: Final = 10**12


def key_of(name: str) -> bytes:
    return hashlib.sha256(f"bench {name}".encode()).digest()


def address_named(name: str) -> bytes:
    return address_of(key_of(name))


def deployment() -> Deployment:
    """Return a deployment whose contracts are addresses and nothing else."""
    operator = address_named("operator")
    return Deployment(
        chain_id=CHAIN_ID, usdc=address_named("usdc"), escrow=address_named("escrow"),
        payment_channel=address_named("channel"),
        reputation=address_named("reputation"), erc3009_collector=address_named("collector"), arbiter=ZERO_ADDRESS,
        deploy_block=0, token_name="USD Coin", token_version="2", fee_bps=0, fee_recipient=operator, admin=operator,
        guardian=operator, operators=(OperatorEpoch(address=operator, from_time=moment(0)),), constructor_arguments={},
        bounds=Bounds(
            max_fee_bps=1, min_challenge_period_seconds=1, max_challenge_period_seconds=1,
            max_accept_window_seconds=1, max_deliver_window_seconds=1, max_dispute_timeout_seconds=1,
            unbonding_seconds=1,
        ),
    )  # fmt: skip


@dataclass(slots=True)
class Lane:
    """One channel with the key that signs for it."""

    pool_id: bytes
    channel_id: bytes
    payer: bytes
    key: PrivateKey
    payer_authorizer: bytes
    receiver: bytes
    ceiling: int = 0

    def next_voucher(self, separator: bytes, price: int = PRICE) -> dict[str, str]:
        """Return the next signed voucher, as it is sent."""
        self.ceiling += price
        digest = Voucher(self.channel_id, self.ceiling).digest(channel_domain_of(separator))
        raw = self.key.sign_recoverable(digest, hasher=None)
        signature = raw[:64] + bytes((raw[64] + 27,))
        return {
            "channel_id": hex0x(self.channel_id),
            "max_claimable_units": str(self.ceiling),
            "signature": hex0x(signature),
        }


_DOMAINS: dict[bytes, Any] = {}


def channel_domain_of(contract: bytes) -> Any:
    """Return the channel's domain, made once."""
    if contract not in _DOMAINS:
        _DOMAINS[contract] = channel_domain(CHAIN_ID, contract)
    return _DOMAINS[contract]


@dataclass(slots=True)
class Ground:
    """The database and the settings of whatever is started on it."""

    database: URL
    folder: Path
    lanes: list[list[Lane]] = field(default_factory=list)
    """Of each pool, those of its agents."""

    @property
    def url(self) -> str:
        """The database, as the services are told it."""
        return self.database.set(drivername="postgresql").render_as_string(hide_password=False)

    def environment(self, **changes: str) -> dict[str, str]:
        """Return the environment of a service."""
        path = self.folder / f"{CHAIN_ID}.json"
        path.write_text(json.dumps(deployment().to_json()), encoding="utf-8")
        return {
            **os.environ,
            "AICP_DATABASE_URL": self.url, "AICP_REDIS_URL": "", "AICP_RPC_URLS": "http://127.0.0.1:1",
            "AICP_CHAIN_ID": str(CHAIN_ID), "AICP_DEPLOYMENT": str(path),
            "AICP_OPERATOR_KEY": hex0x(key_of("operator")), "AICP_RELAYER_KEYS": hex0x(key_of("relayer")),
            "AICP_SESSION_KEY_UNITS_PER_DAY": str(DAILY_CAP), **changes,
        }  # fmt: skip

    def prepare(self, pools: int, agents: int) -> None:
        """Make tables and rows."""
        made = deployment()
        migrate.upgrade(self.database.render_as_string(hide_password=False))
        contracts = contracts_of_deployment(made)
        store = Store(create_engine(self.database), Reducer(contracts))
        store.install(Identity(CHAIN_ID, bytes(32), deployment_digest(contracts), 0))
        store.publish()
        self.lanes = [_pool(made, number, agents) for number in range(pools)]
        with psycopg.connect(self.url) as connection:
            self._write(connection, made)
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

    def refresh(self) -> None:
        """Let the newest final block be of now."""
        with psycopg.connect(self.url) as connection:
            now = int(time.time())
            connection.execute(
                f"UPDATE {PHYSICAL}.cursor SET block_time = %s, finalized_time = %s, updated_at = now()", (now, now)
            )

    def _write(self, connection: psycopg.Connection[Any], made: Deployment) -> None:
        now, word = int(time.time()), bytes(32)
        cursor = connection.cursor()
        cursor.execute(f"DELETE FROM {PHYSICAL}.cursor")
        cursor.execute(
            f"INSERT INTO {PHYSICAL}.cursor (id, number, hash, block_time, safe_number, finalized_number, "
            "finalized_hash, finalized_time, epoch) VALUES (1, 100, %s, %s, 100, 100, %s, %s, 1)",
            (word, now, word, now),
        )
        operator = made.operators[0].address
        for number, lanes in enumerate(self.lanes):
            first = lanes[0]
            cursor.execute(
                f"INSERT INTO {PHYSICAL}.pool VALUES (%s, %s, %s, %s, %s, 0, 0, NULL, 0, 50, %s, %s, %s)",
                (first.pool_id, first.payer, first.payer_authorizer, operator, BALANCE, number, word, word),
            )
            cursor.execute(
                f"INSERT INTO {PHYSICAL}.pool_event (block_number, block_hash, tx_hash, log_index, block_time, "
                "pool_id, payer, kind, event_amount_units, balance_units, drawn_units, withdraw_units, nonce) "
                "VALUES (50, %s, %s, %s, %s, %s, %s, 'deposited', %s, %s, 0, 0, 0)",
                (word, word, number, now, first.pool_id, first.payer, BALANCE, BALANCE),
            )
            cursor.execute(
                f"INSERT INTO app.pool {_PARTS} VALUES (%s, %s, %s, %s, 0, 0)",
                (first.pool_id, first.payer, first.payer_authorizer, operator),
            )
            cursor.executemany(
                "INSERT INTO app.channel (channel_id, pool_id, receiver, ceiling_units, in_flight_units, earned_units) "
                "VALUES (%s, %s, %s, 0, 0, 0)",
                [(lane.channel_id, lane.pool_id, lane.receiver) for lane in lanes],
            )


def _pool(made: Deployment, number: int, agents: int) -> list[Lane]:
    key = key_of(f"session {number}")
    payer, authorizer = address_named(f"buyer {number}"), address_of(key)
    operator, constants = made.operators[0].address, network(CHAIN_ID).constants
    domain = channel_domain_of(made.payment_channel)
    pool = pool_id(pool_key(payer, authorizer, operator), domain)
    lanes = []
    for agent in range(agents):
        receiver = address_named(f"agent {agent}")
        config = marketplace_config(payer, authorizer, receiver, operator, made.usdc, constants)
        lanes.append(Lane(pool, channel_id(config, domain), payer, PrivateKey(key), authorizer, receiver))
    return lanes
