"""The transactions one wallet sends by itself: each has a nonce, and is sent again for a higher fee until it is mined.

Goals and invariants:
- a transaction that is not mined after a while is sent again under the same nonce: one of its versions is mined, never
  two;
- its fees rise by an eighth each time, more than the tenth that nodes ask for, or to the market's where that is higher;
- that ends after a few times, and the caller is told; the next transaction takes the place that is blocked, for more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from aiohttp import ClientError as HttpError
from web3 import AsyncWeb3
from web3.exceptions import Web3Exception
from web3.types import TxParams, TxReceipt, Wei

from aicp.client.chain import Chain
from aicp.client.errors import ClientError, NotEnough, Unreachable
from aicp.client.wallet import Wallet
from aicp.rules.constants import network
from aicp.rules.primitives import checksum, hex0x

RPC_ERRORS: Final = (OSError, TimeoutError, ValueError, Web3Exception, HttpError)
"""What a node that does not answer, or answers something else, looks like."""
PATIENCE: Final = 24.0
POLL: Final = 0.5
SENDS: Final = 5
_GAS_MARGIN_PERCENT: Final = 120
_GWEI: Final = 10**9


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction pays for its gas, in wei: the tip, and the most in all."""

    tip: int
    most: int

    def raised(self, market: Fees) -> Fees:
        """Return fees that replace these in any node's queue, and are no less than the market's."""
        return Fees(max(-(-self.tip * 9 // 8), market.tip), max(-(-self.most * 9 // 8), market.most))


class Transactions:
    """One wallet on one RPC."""

    def __init__(self, web3: AsyncWeb3[Any], wallet: Wallet, chain: Chain) -> None:
        self._eth = web3.eth
        self._wallet = wallet
        self._chain = chain
        self._sender = web3.to_checksum_address(checksum(wallet.address))
        self._placing = asyncio.Lock()
        self._left: dict[int, Fees] = {}
        """Nonces whose transaction was given up, with its last fees."""

    async def send(self, to: bytes, data: bytes) -> bytes:
        """Send a call and return its hash once it is mined.

        Raises what the node answers to the first version, NotEnough where the wallet cannot pay for the gas,
        ClientError where it was mined and failed, Unreachable where none of its versions is mined.
        """
        call: TxParams = {"from": self._sender, "to": checksum(to), "data": hex0x(data)}  # type: ignore[typeddict-item]
        gas = await self._eth.estimate_gas(call) * _GAS_MARGIN_PERCENT // 100
        async with self._placing:
            nonce, fees = await self._place()
            await self._require_gas(gas, fees)
            sent = [await self._submit(call, gas, nonce, fees)]
            self._left.pop(nonce, None)
        mined = await self._mined(sent)
        for _ in range(SENDS - 1):
            if mined is not None:
                break
            with suppress(*RPC_ERRORS):  # one of them may be mined just now, or more may be too dear: then we wait on
                higher = fees.raised(await self._market())
                sent.append(await self._submit(call, gas, nonce, higher))
                fees = higher
            mined = await self._mined(sent)
        if mined is None:
            raise await self._given_up(sent[-1], nonce, fees)
        if mined["status"] != 1:
            raise ClientError(f"The transaction {hex0x(bytes(mined['transactionHash']))} was mined but failed.")
        return bytes(mined["transactionHash"])

    async def _place(self) -> tuple[int, Fees]:
        """Return the nonce for a new transaction, and its fees: one that was given up is replaced."""
        market = await self._market()
        first = await self._eth.get_transaction_count(self._sender, "latest")
        self._left = {nonce: fees for nonce, fees in self._left.items() if nonce >= first}
        if first in self._left:
            return first, self._left[first].raised(market)
        return await self._eth.get_transaction_count(self._sender, "pending"), market

    async def _market(self) -> Fees:
        tip = max(await self._eth.max_priority_fee, self._chain.constants.min_gas_price_wei)
        base = (await self._eth.get_block("latest")).get("baseFeePerGas", Wei(0))
        return Fees(tip, 2 * base + tip)

    async def _require_gas(self, gas: int, fees: Fees) -> None:
        most = gas * fees.most
        if await self._eth.get_balance(self._sender) < most:
            currency = network(self._chain.chain_id).currency
            raise NotEnough(
                f"{self._sender} sends this itself and needs gas: up to {Decimal(most) / 10**18:.6f} {currency}, more "
                "than it has. Nothing was sent."
            )

    async def _submit(self, call: TxParams, gas: int, nonce: int, fees: Fees) -> bytes:
        from eth_account import Account

        transaction = {
            "to": call["to"],
            "data": call["data"],
            "chainId": self._chain.chain_id,
            "nonce": nonce,
            "gas": gas,
            "maxPriorityFeePerGas": fees.tip,
            "maxFeePerGas": fees.most,
            "value": 0,
        }
        signed = Account.sign_transaction(transaction, self._wallet.secret_key())
        return bytes(await self._eth.send_raw_transaction(signed.raw_transaction))

    async def _mined(self, sent: list[bytes]) -> TxReceipt | None:
        """Wait a while until one version of a transaction is mined; return its receipt, if there is one."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while True:
                    for version in reversed(sent):
                        with suppress(*RPC_ERRORS):
                            return await self._eth.get_transaction_receipt(version)  # type: ignore[arg-type]
                    await asyncio.sleep(POLL)
        return None

    async def _given_up(self, last: bytes, nonce: int, fees: Fees) -> Unreachable:
        self._left[nonce] = fees
        first = await self._eth.get_transaction_count(self._sender, "latest")
        if first > nonce:
            return Unreachable("Another transaction of this wallet took the place of this one. Send it again.")
        if first < nonce:
            return Unreachable(
                f"The transaction {hex0x(last)} waits for an earlier one of this wallet, with nonce {first}, which is "
                "not mined. Send that one again for a higher fee."
            )
        return Unreachable(
            f"The transaction {hex0x(last)} is not mined after {PATIENCE * SENDS:.0f} seconds, for up to "
            f"{Decimal(fees.most) / _GWEI:.2f} gwei. Send it again: it then takes its own place, for a higher fee."
        )
