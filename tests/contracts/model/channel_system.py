"""The payment channel and the token as one model, and their deployment on a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.contracts.model.escrow_system import code_of, keyring
from tests.contracts.model.machine import Ground, View
from tests.contracts.model.node import Contract, Event, Node
from tests.contracts.model.outcome import ZERO, Tx
from tests.contracts.model.pool_model import PooledChannelModel
from tests.contracts.model.token_model import ENDLESS, TokenModel
from tests.contracts.model.typed import Domain
from tests.fixtures.services import CHAIN_ID, Anvil

ROLES = ("owner", "guardian", "c1", "c2", "key", "o1", "o2", "r1", "r2", "stranger")
WALLET = 50_000


@dataclass(slots=True)
class ChannelSystem:
    """The models, who is who, and calls by name."""

    who: dict[str, str]
    token: TokenModel
    channel: PooledChannelModel

    def call(self, contract: str, function: str, tx: Tx, arguments: tuple[Any, ...]) -> list[Event]:
        """Apply a call."""
        return getattr(getattr(self, contract), function)(tx, *arguments) or []

    def moments(self) -> list[int]:
        """Ends of waits."""
        book = self.channel.book
        found = [pool.finalize_at for pool in book.pools.values() if pool.finalize_at]
        return found + [deal.asked_at + deal.config.delay for deal in book.channels.values() if deal.asked_at]

    def views(self) -> list[View]:
        """What every view must answer."""
        channel, usdc = self.channel, self.token.domain.contract
        found: list[View] = [("channel", "inflowsPaused", (), (channel.inflows_paused,))]
        accounts = (*self.who.values(), channel.address, channel.collector)
        found += [("token", "balanceOf", (account,), (self.token.balances[account],)) for account in accounts]
        for channel_id, deal in channel.book.channels.items():
            found.append(("channel", "channels", (channel_id,), (deal.balance, deal.claimed)))
            found.append(("channel", "pendingWithdrawals", (channel_id,), (deal.asked, deal.asked_at)))
            found.append(("channel", "refundNonce", (channel_id,), (deal.refund_nonce,)))
            found.append(("channel", "getChannelId", (deal.config,), (channel_id,)))
        for key, pool in channel.book.pools.items():
            word = (pool.balance, pool.asked, pool.finalize_at, pool.nonce)
            found.append(("channel", "pools", (channel.pool_id(key),), word))
            found.append(("channel", "getPoolId", key, (channel.pool_id(key),)))
        for account, totals in channel.book.receivers.items():
            found.append(("channel", "receivers", (account, usdc), (totals.claimed, totals.settled)))
            found.append(("channel", "receivers", (account, account), (0, 0)))
        return found

    def owed(self) -> int:
        """All the contract owes."""
        book = self.channel.book
        found = sum(deal.free for deal in book.channels.values()) + sum(pool.balance for pool in book.pools.values())
        return found + sum(totals.claimed - totals.settled for totals in book.receivers.values())


def deploy(chain: Anvil, project: Any) -> tuple[Ground, ChannelSystem]:
    """Deploy everything, fill the payers' wallets, and describe the same as a model."""
    node = Node(chain.url)
    accounts, keys = keyring()
    who = dict(zip(ROLES, accounts, strict=True))
    ground = Ground(node, {}, accounts, keys, CHAIN_ID)

    def put(label: str, compiled: Any, kinds: list[str], values: tuple[Any, ...], *, watched: bool = True) -> str:
        code, abi = code_of(compiled)
        address = node.deploy(who["owner"], code, kinds, values)
        ground.contracts[label] = node.add(Contract(label, address, abi), watched=watched)
        return address

    token = put("token", project.MockUSDC, ["address"], (who["owner"],), watched=False)
    channel = put("channel", project.PaymentChannel, ["address"] * 4, (token, who["guardian"], ZERO, ZERO))
    collector = node.views([(ground.contracts["channel"], "erc3009Collector", ())])[0][0]
    usdc = TokenModel(Domain("USD Coin", "2", CHAIN_ID, token), who["owner"])
    domain = Domain("x402 Batch Settlement", "1", CHAIN_ID, channel)
    system = ChannelSystem(who, usdc, PooledChannelModel(channel, collector, usdc, domain, who["guardian"]))
    for role in ("c1", "c2", "r1"):
        for function, arguments in (("faucet", (who[role], WALLET)), ("approve", (channel, ENDLESS))):
            at = node.now() + 1
            system.call("token", function, Tx(who[role], at), arguments)
            assert node.send(who[role], ground.contracts["token"], function, arguments, at).error is None
    ground.remember()
    return ground, system
