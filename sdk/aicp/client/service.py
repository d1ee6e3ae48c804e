"""What the service says of itself and of our session."""

from __future__ import annotations

import datetime as dt
from typing import Any

from aicp.client.wire import Address, Model


class Nonce(Model):
    nonce: str
    domain: str
    uri: str
    statement: str
    chain_id: int
    issued_at: dt.datetime
    expires_at: dt.datetime


class Session(Model):
    address: Address
    chain_id: int
    scopes: list[str]
    expires_at: dt.datetime
    token: str | None = None


class Ticket(Model):
    ticket: str
    expires_at: dt.datetime


class Contracts(Model):
    escrow: Address
    payment_channel: Address
    reputation: Address
    usdc: Address
    arbiter: Address
    deploy_block: int = 0
    """No event of ours is older; 0 where the service does not say."""


class Token(Model):
    symbol: str
    name: str
    version: str
    decimals: int


class Operator(Model):
    """An operator key and the time it serves; `until` is None where no end is set. Several may serve at once."""

    address: Address
    from_time: dt.datetime
    until: dt.datetime | None = None


class Network(Model):
    """What must be known to sign for a deployment; `constants` is compared with our own before use."""

    chain_id: int
    name: str
    currency: str
    rpc_url: str
    explorer: str | None
    public: bool
    contracts: Contracts
    token: Token
    operators: list[Operator]
    constants: dict[str, Any]
    server_time: dt.datetime
