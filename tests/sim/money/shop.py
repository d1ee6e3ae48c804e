"""The gateway in a story: channels of buyers' own, requests they pay, answers that come late or never, refunds.

A client has one request of a channel at a time and repeats it, byte for byte, until it knows what became of it.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import ReceiveWithAuthorization
from aicp.rules.primitives import keccak
from backend.agents.models import Agent
from backend.db.times import moment
from backend.payments import charges, refunds
from backend.x402 import purchases, refunding, relays
from backend.x402.models import PaidEndpoint
from backend.x402.schemas import Erc3009
from backend.x402.upstream import UpstreamAnswer
from tests.sim.money.book import Sale
from tests.sim.money.check import covered, require
from tests.sim.money.people import Person, Purse, cast

if TYPE_CHECKING:
    from tests.sim.money.stage import Stage

ANSWER: Final = UpstreamAnswer(status=200, media_type="application/json", body=b'{"rows": 3}')
_PRICES: Final = (10_000, 250_000, 1_200_000)


class Shop:
    """See the module's docstring."""

    def __init__(self, stage: Stage) -> None:
        self._stage, self._market, self._book = stage, stage.market, stage.market.book
        self._ctx, self._random = stage.ctx, stage.random

    def open(self) -> None:
        """Register the agents and one endpoint of each."""
        at = moment(self._market.now)

        def act(session: Session) -> object:
            for agent in cast().agents:
                slug = agent.name.replace(" ", "-")
                session.add(
                    Agent(address=agent.address, slug=slug, name=agent.name, description="", capabilities=[],
                          capacity=1, last_heartbeat=None, registered_at=at)
                )  # fmt: skip
                session.flush()
                session.add(
                    PaidEndpoint(id=_endpoint(agent), agent=agent.address, slug=slug, upstream_url="http://upstream",
                                 price_units=1, description="", mime_type="application/json", created_at=at,
                                 updated_at=at)
                )  # fmt: skip
            return None

        self._market.api.write(act)

    # a channel's own balance

    def deposit(self, purse: Purse | None = None, agent: Person | None = None, units: int = 0) -> None:
        """Deposit into a channel of one's own, by a signature the service relays."""
        purse, agent = purse or self._market.someone(), agent or self._random.choice(cast().agents)
        units = units or self._random.choice((50_000, 1_000_000, 3_000_000))
        way, salt = purse.own_lane(self._ctx, agent), self._market.fresh("channel salt")
        before = self._market.now + self._random.choice((60, 600, 6_000))
        message = ReceiveWithAuthorization(
            from_=purse.buyer.address, to=self._ctx.deployment.erc3009_collector, value=units, valid_after=0,
            valid_before=before, nonce=keccak(way.channel_id + salt),
        )  # fmt: skip
        given = Erc3009.model_construct(
            valid_after=0, valid_before=before, salt=salt,
            signature=purse.buyer.sign(message, self._ctx.domains.token),
        )  # fmt: skip

        def act(session: Session) -> object:
            return relays.deposit(session, self._ctx, way.config, units, given)

        if self._market.ask("channel_deposit", act) == "unknown":
            self._market.doubts.append(act)

    def refund(self) -> None:
        """Ask for what a channel holds beyond what it has earned, or for a part of it."""
        known = self._stage.ground.money.book.channels
        places = [(purse, agent) for purse in cast().purses for agent in cast().agents]
        ready = [
            (purse, agent) for purse, agent in places
            if purse.own_lane(self._ctx, agent).channel_id in known and self._book.sale_at(purse, agent) is None
        ]  # fmt: skip
        if not ready:
            return
        purse, agent = self._random.choice(ready)
        free = known[purse.own_lane(self._ctx, agent).channel_id].free
        self.ask_back(purse, agent, self._random.choice((None, None, 20_000, max(1, free // 2))))

    def ask_back(self, purse: Purse, agent: Person, units: int | None) -> None:
        """Ask for so much of a channel."""
        way = purse.own_lane(self._ctx, agent)
        channel = self._stage.ground.money.book.channels[way.channel_id]
        asked = refunds.Asked(
            config=way.config, ceiling_units=self._book.sold(purse, agent), units=units, nonce=channel.refund_nonce,
            claimed_units=channel.claimed,
        )  # fmt: skip
        found: list[tuple[uuid.UUID, int]] = []
        code = self._market.ask("refund", lambda s: found.append(refunding._sign(s, ctx=self._ctx, asked=asked)))
        if code is None:
            signed = self._book.refunds.setdefault(way.channel_id, {})
            signed[asked.nonce] = max(found[-1][1], signed.get(asked.nonce, 0))
            covered(self._stage, purse)

    # requests

    def buy(self, purse: Purse | None = None, agent: Person | None = None, price: int = 0) -> Sale:
        """Pay a request, or repeat the one whose end is not known."""
        purse, agent = purse or self._market.someone(), agent or self._random.choice(cast().agents)
        sale = self._book.sale_at(purse, agent)
        if sale is None:
            sale = self._signed(purse, agent, price or self._random.choice(_PRICES))
            self._book.sales.append(sale)
        elif sale.state == "open" and self._random.random() < 0.3:
            self._answered(sale)  # the agent's server was slow
            return sale
        self._begin(sale)
        return sale

    def _signed(self, purse: Purse, agent: Person, price: int) -> Sale:
        ceiling = self._book.sold(purse, agent) + price
        way, ends_at = purse.own_lane(self._ctx, agent), self._market.now + self._random.choice((45, 300))
        asked = charges.Asked(
            config=way.config, ceiling_units=ceiling, price_units=price, ends_at=moment(ends_at),
            signature=purse.voucher(self._ctx, way, ceiling).signature,
        )  # fmt: skip
        bought = purchases.Bought(
            endpoint_id=_endpoint(agent), price_units=price, request_hash=self._market.fresh("request"), payment_id=None
        )
        return Sale(purse, agent, price, asked, bought, ends_at)

    def _begin(self, sale: Sale) -> None:
        """Ask, as the gateway does for a client: each time with a time of its own."""
        ends_at = self._market.now + self._random.choice((45, 300))
        asked = replace(sale.asked, ends_at=moment(ends_at))
        found: list[Any] = []
        code = self._market.ask(
            "gateway",
            lambda s: found.append(purchases.begin_by_channel(s, self._ctx, sale.bought, asked, deposit=None)),
        )
        if code == "unknown":
            sale.ends_at = max(sale.ends_at, ends_at)
            sale.state = "doubt" if sale.payment is not None else "asked"
        elif code is not None:
            require(code != "ceiling_mismatch", "the client's count of its channel is another one")
            if code != "channel_busy":
                sale.state = "void"
        else:
            self._begun(sale, found[-1], ends_at)

    def _begun(self, sale: Sale, begun: purchases.Begun, ends_at: int) -> None:
        match begun:
            case purchases.Fresh(payment):
                sale.payment, sale.state, sale.ends_at = payment, "open", ends_at
                covered(self._stage, sale.purse)
                self._carry(sale)
            case purchases.Stored(answer):
                require(answer == ANSWER, "another answer than the agent's")
                require(sale.state != "open", "paid for an answer nobody gave")
                sale.state = "earned"
            case purchases.Pending(payment):
                sale.payment = payment
                self._stage.count("gateway_pending")

    def _carry(self, sale: Sale) -> None:
        throw = self._random.random()
        if throw < 0.7:
            self._answered(sale)
        elif throw < 0.85:
            self._failed(sale)
        else:
            self._stage.count("gateway_dies")

    def _answered(self, sale: Sale) -> None:
        """The agent has answered; it is paid, or the request was void by then."""
        payment, found = sale.payment, []
        assert payment is not None
        code = self._market.ask(
            "gateway_answer",
            lambda s: found.append(purchases.answer_by_channel(s, self._ctx, payment, sale.asked, ANSWER)),
        )
        require(code in {None, "unknown"}, f"an answer was refused: {code}")
        if code == "unknown":
            sale.state = "doubt"
        elif found[-1] is not None:
            sale.state = "earned"
        else:
            sale.state = "void"
            self._stage.count("gateway_answer_too_late")

    def _failed(self, sale: Sale) -> None:
        payment = sale.payment
        assert payment is not None
        code = self._market.ask("gateway_failure", lambda s: purchases.fail(s, payment))
        require(code in {None, "unknown"}, f"a failure was refused: {code}")
        sale.state = "void" if code is None else "doubt"

    def conclude(self) -> None:
        """Learn the end of every request, once nothing breaks any more."""
        for sale in self._book.sales:
            if not sale.over:
                self._stage.ground.now = max(self._stage.ground.now, sale.ends_at + 1)
                self._begin(sale)
        waiting = [sale for sale in self._book.sales if not sale.over]
        for sale in waiting:
            if sale.state == "open":
                self._failed(sale)
        require(all(sale.over for sale in self._book.sales), f"requests without an end: {waiting}")


def _endpoint(agent: Person) -> uuid.UUID:
    return uuid.UUID(bytes=keccak(agent.address)[:16])
