"""The typed client of a marketplace service. It recomputes every id and checks every term before it signs."""

from aicp.client.agent_actions import AgentActions
from aicp.client.appeals import Appeals
from aicp.client.buyer_actions import BuyerActions
from aicp.client.dispute_actions import DisputeActions
from aicp.client.errors import (
    BondAboveLimit,
    ClientError,
    Mismatch,
    NotDue,
    NotEnough,
    ProblemError,
    TermsRefused,
    Unreachable,
)
from aicp.client.market import Market
from aicp.client.paid_endpoints import PaidEndpoint, PaidEndpoints
from aicp.client.pool_actions import PoolActions
from aicp.client.wallet import Wallet

__all__ = [
    "AgentActions",
    "Appeals",
    "BondAboveLimit",
    "BuyerActions",
    "ClientError",
    "DisputeActions",
    "Market",
    "Mismatch",
    "NotDue",
    "NotEnough",
    "PaidEndpoint",
    "PaidEndpoints",
    "PoolActions",
    "ProblemError",
    "TermsRefused",
    "Unreachable",
    "Wallet",
]
