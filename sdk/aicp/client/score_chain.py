"""What scores follow from, read from an RPC: settled escrows, first funders, free stakes, anchored epochs.

It asks nothing but logs, blocks and views, of any node, and believes no service. web3 is imported here, so whoever
needs this module imports it when it is needed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from web3 import AsyncHTTPProvider, AsyncWeb3
from web3.exceptions import Web3Exception

from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.reputation import ScoreLeaf
from aicp.abi.runtime import word_address
from aicp.client.errors import ClientError, Unreachable
from aicp.rules.deployment import Deployment
from aicp.rules.facts import Deal, deals_of, sources
from aicp.rules.primitives import checksum, hex0x
from aicp.rules.witnesses import first_funders

_RANGE: Final = 5_000
_ACCOUNTS: Final = 200
_AT_ONCE: Final = 16


@dataclass(frozen=True, slots=True)
class Anchor:
    """An anchored epoch; `counts` is whether scores can be proven against it now."""

    event: reputation_abi.EpochAnchored
    counts: bool
    vetoed: bool


@dataclass(frozen=True, slots=True)
class Block:
    """Number, hash, and unix second of a block."""

    number: int
    hash: bytes
    time: int


class ScoreChain:
    """One deployment on one RPC, read only."""

    def __init__(self, rpc_url: str, deployment: Deployment) -> None:
        self._web3 = AsyncWeb3(AsyncHTTPProvider(rpc_url))
        self._deployment = deployment

    async def check(self) -> None:
        """Raises ClientError where the RPC serves another chain, Unreachable where it does not answer."""
        found = await self._ask(self._web3.eth.chain_id)
        if found != self._deployment.chain_id:
            raise ClientError(f"The RPC serves chain {found}, not {self._deployment.chain_id}.")

    async def block(self, number: int) -> Block | None:
        """Return a block, None where there is none of this number yet."""
        if number > int(await self._ask(self._web3.eth.block_number)):
            return None
        found = await self._ask(self._web3.eth.get_block(number))
        return Block(int(found["number"]), bytes(found["hash"]), int(found["timestamp"]))

    async def deals(self, last_block: int) -> tuple[Deal, ...]:
        """Return every settled escrow as the events up to a block tell it."""
        wanted = sources(self._deployment.escrow, self._deployment.reputation)
        logs = []
        for contract, events in wanted.items():
            logs += await self._logs(contract, [[hex0x(topic) for topic in events]], last_block)
        logs.sort(key=_place)
        times = await self._times({log["blockNumber"] for log in logs})
        decoded = []
        for log in logs:
            topics = tuple(bytes(topic) for topic in log["topics"])
            event: Any = wanted[bytes.fromhex(log["address"][2:])][topics[0]]
            decoded.append((event.decode(topics, bytes(log["data"])), times[log["blockNumber"]]))
        return deals_of(decoded)

    async def funders(self, accounts: Iterable[bytes], last_block: int, least_units: int) -> dict[bytes, bytes]:
        """Return who first gave each account so much USDC in all since the deployment, by the token's own logs."""
        wanted = sorted(accounts)
        logs = []
        for at in range(0, len(wanted), _ACCOUNTS):
            receivers = [hex0x(word_address(account)) for account in wanted[at : at + _ACCOUNTS]]
            logs += await self._logs(
                self._deployment.usdc, [hex0x(usdc_abi.Transfer.TOPIC), None, receivers], last_block
            )
        logs.sort(key=_place)
        transfers = (
            usdc_abi.Transfer.decode(tuple(bytes(topic) for topic in log["topics"]), bytes(log["data"])) for log in logs
        )
        return first_funders(((one.from_, one.to, one.value) for one in transfers), wanted, least_units)

    async def free_stake(self, agent: bytes, block: int) -> int:
        """Return the stake of an agent that no escrow had locked at a block; the node must know its state then."""
        data = await self._call(reputation_abi.encode_free_stake(agent), block)
        return reputation_abi.decode_free_stake_result(data)

    async def anchor(self, epoch: int | None) -> Anchor:
        """Return an epoch, the newest that counts for None. Raises ClientError where there is none."""
        anchored, vetoed = await self.epochs()
        for number in sorted(anchored, reverse=True) if epoch is None else [epoch]:
            if number in anchored:
                active = await self._call(reputation_abi.encode_is_active(number), "latest")
                counts = reputation_abi.decode_is_active_result(active)
                if counts or epoch is not None:
                    return Anchor(anchored[number], counts, number in vetoed)
        if epoch is not None:
            raise ClientError(f"There is no epoch {epoch}.")
        waiting = [event for number, event in anchored.items() if number not in vetoed]
        if not waiting:
            if anchored:
                raise ClientError("No epoch of scores counts: every one that was anchored was vetoed.")
            raise ClientError("No epoch of scores is anchored yet: one ends every midnight UTC, if a deal was settled.")
        at = dt.datetime.fromtimestamp(min(event.active_at for event in waiting), dt.UTC)
        raise ClientError(f"No epoch of scores counts yet: the first does from {at:%Y-%m-%d %H:%M:%S} UTC.")

    async def newest_at(self, time: int) -> reputation_abi.EpochAnchored | None:
        """Return the newest epoch that counted at a unix second, None where none did.

        Only an epoch that does not count yet can be vetoed, so one that ever counted still does.
        """
        anchored, vetoed = await self.epochs()
        counted = (one for number, one in anchored.items() if number not in vetoed and one.active_at <= time)
        return max(counted, key=lambda one: one.epoch, default=None)

    async def epochs(self) -> tuple[dict[int, reputation_abi.EpochAnchored], set[int]]:
        """Return the epochs that were anchored by their numbers, and the numbers of those that were vetoed."""
        last = int(await self._ask(self._web3.eth.block_number))
        topics: list[Any] = [
            [hex0x(event.TOPIC) for event in (reputation_abi.EpochAnchored, reputation_abi.EpochVetoed)]
        ]
        anchored: dict[int, reputation_abi.EpochAnchored] = {}
        vetoed: set[int] = set()
        for log in await self._logs(self._deployment.reputation, topics, last):
            words = tuple(bytes(topic) for topic in log["topics"])
            if words[0] == reputation_abi.EpochVetoed.TOPIC:
                vetoed.add(reputation_abi.EpochVetoed.decode(words, bytes(log["data"])).epoch)
            else:
                event = reputation_abi.EpochAnchored.decode(words, bytes(log["data"]))
                anchored[event.epoch] = event
        return anchored, vetoed

    async def verify_score(self, leaf: ScoreLeaf, proof: list[bytes]) -> int:
        """Return the score that the contract itself finds proven. Raises ClientError where it refuses."""
        try:
            data = await self._call(reputation_abi.encode_verify_score(leaf.epoch, leaf, proof), "latest")
        except Unreachable as error:
            raise ClientError("The contract does not find the score proven.") from error
        return reputation_abi.decode_verify_score_result(data)

    async def _call(self, data: bytes, block: int | str) -> bytes:
        request: Any = {"to": checksum(self._deployment.reputation), "data": hex0x(data)}
        return bytes(await self._ask(self._web3.eth.call(request, block)))  # type: ignore[arg-type]

    async def _times(self, numbers: set[int]) -> dict[int, int]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(number: int) -> tuple[int, int]:
            async with gate:
                return number, int((await self._ask(self._web3.eth.get_block(number)))["timestamp"])

        return dict(await asyncio.gather(*(one(number) for number in numbers)))

    async def _logs(self, contract: bytes, topics: list[Any], last: int) -> list[Any]:
        """Return logs from the deployment on, in ranges that the node is willing to answer."""
        found: list[Any] = []
        first, step = self._deployment.deploy_block, _RANGE
        while first <= last:
            until = min(first + step - 1, last)
            wanted: Any = {"address": checksum(contract), "topics": topics, "fromBlock": first, "toBlock": until}
            try:
                found += await self._ask(self._web3.eth.get_logs(wanted))
            except Unreachable:
                if step == 1:
                    raise
                step = max(1, step // 4)
                continue
            first = until + 1
        return found

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except (OSError, TimeoutError, Web3Exception, ValueError) as error:
            raise Unreachable(f"The RPC did not answer ({type(error).__name__}).") from error


def _place(log: Any) -> tuple[int, int]:
    return int(log["blockNumber"]), int(log["logIndex"])
