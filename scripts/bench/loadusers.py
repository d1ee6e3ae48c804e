"""`python -m scripts.bench.loadusers LOAD RESULT`: sends what the plan says, when it says so, and writes down how long
each answer took, counted from the moment the request was due.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import uvloop

from aicp.abi.runtime import Domain
from aicp.abi.signing import address_of, sign
from aicp.abi.typed_data import Bid, BidWithdrawal, marketplace_domain
from aicp.rules.primitives import checksum, hex0x, parse_hash
from scripts.bench.loadplan import Arrival, Load, User, arrivals
from scripts.bench.loadwire import Http

_BUDGET: Final = 25_000_000
_AUCTION_SECONDS: Final = 300
_KNOWN: Final = 200
"""How many of the newest auctions and deals are read."""
_ESTIMATE: Final = json.dumps({"base_units": "1000000", "complexity": 3, "urgency": "1.25"}).encode()
_ANSWERED: Final = 30.0


class Taken(msgspec.Struct):
    """How long the answers of a run took, in milliseconds by route, and what was sent when."""

    routes: dict[str, list[float]]
    bids: dict[str, float]
    """When each measured bid was due, by its salt, on the machine's monotonic clock."""
    errors: dict[str, int]
    late_ms: list[float]
    """How late each request left."""
    connections: int
    cpu_s: float


@dataclass(slots=True)
class _Auction:
    """What is known of an auction once its post is answered."""

    buyer: User
    task: dict[str, Any]
    bids: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Hash and price of those that were answered, by their place."""
    withdrawn: set[int] = field(default_factory=set)


class Users:
    """Everybody at once."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._http = Http(load.port)
        self._domain: Domain = marketplace_domain(load.chain_id, load.escrow)
        self._rng = Random(load.seed + 1)  # noqa: S311  # a load, not a secret
        self._began = 0.0
        self._auctions: dict[int, _Auction] = {}
        self._deals: list[tuple[User, str]] = []
        self.taken = Taken({}, {}, {}, [], 0, 0.0)
        self._errors: Counter[str] = Counter()

    async def run(self) -> Taken:
        """Send everything and wait for the answers."""
        plan = arrivals(self._load)
        self._began = time.monotonic() + 0.1
        under_way: set[asyncio.Task[None]] = set()
        for arrival in plan:
            wait = self._began + arrival.due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            task = asyncio.create_task(self._guarded(arrival))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        if under_way:
            await asyncio.wait(under_way, timeout=_ANSWERED)
        self._errors["no answer"] += len(under_way)
        self.taken.errors = dict(+self._errors)
        self.taken.connections = self._http.opened
        self.taken.cpu_s = time.process_time()
        return self.taken

    async def _guarded(self, arrival: Arrival) -> None:
        try:
            match arrival.kind:
                case "submit":
                    await self._submit(arrival)
                case "bid":
                    await self._bid(arrival)
                case "withdraw":
                    await self._withdraw(arrival)
                case "award":
                    await self._award(arrival)
                case "read":
                    await self._read(arrival)
        except OSError as error:
            self._errors[f"{arrival.kind}: {error}"] += 1

    async def _send(self, arrival: Arrival, route: str, path: str, user: User, body: bytes = b"") -> Any:
        """Return the answer's JSON, None for a refusal, and write down how long it took."""
        due = self._began + arrival.due
        late = time.monotonic() - due
        status, answer = await self._http.send(route.partition(" ")[0], path, user.token, body)
        if arrival.due >= self._load.warm_up:
            self.taken.routes.setdefault(route, []).append((time.monotonic() - due) * 1e3)
            self.taken.late_ms.append(late * 1e3)
        if status >= 400:
            self._errors[f"{route}: {status} {answer[:120].decode(errors='replace')}"] += 1
            return None
        return json.loads(answer)

    async def _submit(self, arrival: Arrival) -> None:
        buyer = self._load.buyers[arrival.user]
        body = {
            "title": f"Describe table {arrival.auction}", "description": "Types, missing values and outliers.",
            "capability": "data_analysis", "budget_units": str(_BUDGET), "auction_seconds": _AUCTION_SECONDS,
            "deliver_within_seconds": 3600,
        }  # fmt: skip
        task = await self._send(arrival, "POST /tasks/submit", "/tasks/submit", buyer, json.dumps(body).encode())
        if task is not None:
            self._auctions[arrival.auction] = _Auction(buyer, task)

    async def _bid(self, arrival: Arrival) -> None:
        auction = self._auctions.get(arrival.auction)
        if auction is None:
            self._errors["bid: the auction's post is not answered"] += 1
            return
        agent, price = self._load.agents[arrival.user], _BUDGET - self._rng.randrange(10_000_000)
        salt = secrets.token_bytes(32)
        message = Bid(
            task_hash=parse_hash(auction.task["task_hash"]), agent=address_of(agent.key), amount=price,
            eta_seconds=600, escrow_only=False, valid_until=int(time.time()) + 3600, salt=salt,
        )  # fmt: skip
        body = {
            "amount_units": str(price), "eta_seconds": 600, "escrow_only": False, "valid_until": message.valid_until,
            "salt": hex0x(salt), "signature": hex0x(sign(message.digest(self._domain), agent.key)),
        }  # fmt: skip
        if arrival.due >= self._load.warm_up:
            self.taken.bids[salt.hex()] = self._began + arrival.due
        path = f"/tasks/{auction.task['id']}/bids"
        bid = await self._send(arrival, "POST /tasks/{task_id}/bids", path, agent, json.dumps(body).encode())
        if bid is not None:
            auction.bids[arrival.bid] = bid["bid_hash"], price

    async def _withdraw(self, arrival: Arrival) -> None:
        auction = self._auctions.get(arrival.auction)
        if auction is None or arrival.bid not in auction.bids:
            self._errors["withdraw: the bid is not answered"] += 1
            return
        agent, (bid_hash, _) = self._load.agents[arrival.user], auction.bids[arrival.bid]
        auction.withdrawn.add(arrival.bid)
        signature = sign(BidWithdrawal(bid_hash=parse_hash(bid_hash)).digest(self._domain), agent.key)
        path = f"/tasks/{auction.task['id']}/bids/{bid_hash}/withdraw"
        body = json.dumps({"signature": hex0x(signature)}).encode()
        await self._send(arrival, "POST /tasks/{task_id}/bids/{bid_hash}/withdraw", path, agent, body)

    async def _award(self, arrival: Arrival) -> None:
        auction = self._auctions.get(arrival.auction)
        if auction is None or not auction.bids:
            self._errors["award: no bid is answered"] += 1
            return
        counting = {bid: price for place, (bid, price) in auction.bids.items() if place not in auction.withdrawn}
        body = json.dumps({"bid_hash": min(counting, key=counting.__getitem__)}).encode()
        path = f"/tasks/{auction.task['id']}/award"
        award = await self._send(arrival, "POST /tasks/{task_id}/award", path, auction.buyer, body)
        if award is not None:
            self._deals.append((auction.buyer, award["deal_id"]))

    async def _read(self, arrival: Arrival) -> None:
        user = [*self._load.buyers, *self._load.agents][arrival.user]
        route = arrival.route
        if "{task_id}" in route:
            newest = list(self._auctions)[-_KNOWN:]
            if not newest:
                return
            path = route.replace("{task_id}", self._auctions[self._rng.choice(newest)].task["id"])
        elif "{deal_id}" in route:
            if not self._deals:
                return
            user, deal_id = self._rng.choice(self._deals[-_KNOWN:])
            path = route.replace("{deal_id}", deal_id)
        else:
            path = route.replace("{agent_id}", checksum(address_of(self._rng.choice(self._load.agents).key)))
        body = _ESTIMATE if route.startswith("POST") else b""
        await self._send(arrival, route, path.partition(" ")[2], user, body)


def main() -> None:
    """Write the result."""
    load = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Load)
    taken = uvloop.run(Users(load).run())
    Path(sys.argv[2]).write_bytes(msgspec.msgpack.encode(taken))


if __name__ == "__main__":
    main()
