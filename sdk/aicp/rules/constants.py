"""The constants of each network, from the one file that deployment, Python and TypeScript read."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Final

from aicp.rules.primitives import keccak

_DOCUMENT = json.loads(files("aicp.rules").joinpath("constants.json").read_text(encoding="utf-8"))

MARKETPLACE_SALT: Final[bytes] = keccak(_DOCUMENT["marketplace_salt_text"].encode())
"""Salt of every marketplace channel; an outside x402 client uses its own, so the two never share a channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """Amounts in base units (`_units`), clocks in seconds (`_seconds`), rates in basis points (`_bps`)."""

    threshold_units: int
    fee_bps: int
    max_fee_bps: int
    minimum_price_units: int
    accept_window_seconds: int
    authorization_lifetime_seconds: int
    agent_acceptance_seconds: int
    challenge_period_seconds: int
    min_challenge_period_seconds: int
    max_challenge_period_seconds: int
    max_accept_window_seconds: int
    max_deliver_window_seconds: int
    dispute_timeout_seconds: int
    max_dispute_timeout_seconds: int
    pool_withdraw_delay_seconds: int
    pool_release_seconds: int
    channel_withdraw_delay_seconds: int
    max_micro_seconds: int
    max_finality_age_seconds: int
    claim_margin_seconds: int
    evaluation_seconds: int
    unbonding_seconds: int
    stake_bps: int
    keeper_margin_seconds: int
    dispute_margin_seconds: int
    settle_age_seconds: int
    settle_gas_multiple: int
    native_price_units: int
    """Planning price of one native coin, by which gas is weighed against what a claim is worth: 0.50 USDC for POL,
    3,000 USDC for ETH. Round figures for settlement timing only, never for what anybody is paid; compare them with the
    reference feeds of the chain (Chainlink POL/USD, ETH/USD; https://docs.chain.link/data-feeds) before deploying."""
    pool_default_units: int
    pool_cap_units: int
    assigned_safe_after_seconds: int
    awaiting_payment_seconds: int
    min_gas_price_wei: int
    max_fee_cap_wei: int
    bump_after_seconds: int
    submit_directly_before_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One chain we can run on. `usdc` is None where the token is deployed by us (the local chain only).

    `access_lists` is true where naming slots beforehand (EIP-2930) is much cheaper than meeting them cold: on Polygon
    since PIP-88, 1,900 instead of 5,460 gas a slot.
    """

    chain_id: int
    name: str
    kind: str
    currency: str
    usdc: str | None
    token_name: str
    token_version: str
    explorer: str | None
    public: bool
    finality_depth: int
    access_lists: bool
    constants: Constants


@cache
def network(chain_id: int) -> Network:
    """Return the network of a chain id. Raises KeyError when it is not one we know."""
    raw = _DOCUMENT["networks"][str(chain_id)]
    values = {f.name: int(raw["constants"][f.name]) for f in fields(Constants)}
    plain = {key: value for key, value in raw.items() if key != "constants"}
    return Network(chain_id=chain_id, constants=Constants(**values), **plain)


def known_chain_ids() -> tuple[int, ...]:
    """Return every chain id in the constants file."""
    return tuple(int(key) for key in _DOCUMENT["networks"])
