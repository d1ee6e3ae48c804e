"""What buyers and agents do in a story, through the services of the API and from wallets of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy.orm import Session

from aicp.abi.typed_data import Bid, MicroDelivery, MicroOrder, MicroReturn, MicroVerdict
from aicp.rules.documents import FileEntry, deliverable_hash
from aicp.rules.documents import manifest as manifest_document
from aicp.rules.primitives import keccak
from backend.auctions import service as auctions
from backend.auctions.schemas import BidIn
from backend.db.engine import SyncDatabase
from backend.db.ids import new_id
from backend.db.times import moment
from backend.deals.models import Deal
from backend.deals.schemas import DeliveryIn, OrderIn, ReturnIn, VerdictIn
from backend.errors import Problem, Unavailable
from backend.files.models import Upload
from backend.files.schemas import Manifest, ManifestFile
from backend.payments import moves, orders, pools
from backend.payments.schemas import PoolMoveIn
from backend.tasks import service as tasks
from backend.tasks.schemas import TaskIn
from tests.contracts.model.channel_types import PoolDeal
from tests.sim.db import Crash
from tests.sim.money.book import OPEN, Book, Order, State
from tests.sim.money.contract import CHANNEL, calldata
from tests.sim.money.people import Person, Purse, cast

if TYPE_CHECKING:
    from tests.sim.money.stage import Stage

Act = Callable[[Session], object]
_AT_WORK: Final = 1_200
_TO_JUDGE: Final = 2_400


class Market:
    """See the module's docstring. `api` is the API's database."""

    def __init__(self, stage: Stage, api: SyncDatabase) -> None:
        self.ctx, self.ground, self.random, self.counts = stage.ctx, stage.ground, stage.random, stage.counts
        self._say = stage.say
        self.api = api
        self.book = Book()
        self.careless = False
        """Whether buyers sometimes sign a ceiling that is too low."""
        self.resync: Callable[[], object] = lambda: None
        """Called ahead of an order: a client first learns what became of its vouchers."""
        self._fresh = self._latest = 0
        self.doubts: list[Act] = []
        """Deposits and withdrawals without an answer: asked again as they were."""

    # how requests go

    def ask(self, what: str, act: Act) -> str | None:
        """Send a request; return None for success, the code of a refusal, "unknown" where no answer came."""
        try:
            self.api.write(act)
        except (Unavailable, Crash):
            self.counts[f"unanswered_{what}"] += 1
            return "unknown"
        except Problem as problem:
            self.counts[f"{what}_{problem.code}"] += 1
            self._say(f"{what}: {problem.code}")
            return problem.code
        self.counts[what] += 1
        self._say(what)
        return None

    def fresh(self, what: str) -> bytes:
        """Return new bytes."""
        self._fresh += 1
        return keccak(f"{what} {self._fresh}".encode())

    @property
    def now(self) -> int:
        """The true time; people's clocks are right."""
        return self.ground.now

    def _units(self, most: int) -> int:
        return self.random.choice((10_000, 50_000, 1_000_000, most, self.random.randint(10_000, most)))

    # pools

    def deposit(self, purse: Purse | None = None, units: int = 0) -> None:
        """Deposit through the relayer."""
        purse = purse or (self.someone() if self.random.random() < 0.7 else self.random.choice(cast().purses))
        units = units or self._units(6_000_000)
        given = purse.deposit(self.ctx, units, self.fresh("salt"), self.now + self.random.choice((60, 600, 6_000)))

        def act(session: Session) -> object:
            return pools.deposit(session, self.ctx, purse.buyer.address, given)

        if self.ask("deposit", act) == "unknown":
            self.doubts.append(act)
        elif self.random.random() < 0.2:
            self.ask("deposit_again", act)

    def withdraw(self) -> None:
        """Ask for a pool, or take that back: by signature through the service, or from the buyer's own wallet."""
        purse = self.random.choice(cast().purses)
        pool = self.on_chain(purse)
        if pool is None:
            return
        cancel = pool.finalize_at > 0 and self.random.random() < 0.7
        units = 0 if cancel else self.random.choice((pool.balance or 1, self._units(3_000_000)))
        if self.random.random() < 0.5:
            parties = purse.parties[1:]
            name = "cancelPoolWithdraw" if cancel else "initiatePoolWithdraw"
            data = calldata(name, *parties) if cancel else calldata(name, *parties, units)
            self.ground.send_of(purse.buyer.address, CHANNEL, data)
            self.counts[f"wallet_{name}"] += 1
            self._say(f"wallet: {name} {units}")
            return
        given = purse.withdrawal(self.ctx, units, pool.nonce, self.now + self.random.choice((60, 3_000)))

        def act(session: Session) -> object:
            return pools.withdraw(session, self.ctx, purse.pool, purse.buyer.address, given)

        if self.ask("cancel_withdraw" if cancel else "withdraw", act) == "unknown":
            self.doubts.append(act)

    def someone(self) -> Purse:
        """Return a purse to pay from: mostly one that may."""
        able = [one for one in cast().purses if self.on_chain(one) and self.ctx.takes(one.operator.address)]
        return self.random.choice(able if able and self.random.random() < 0.9 else cast().purses)

    def on_chain(self, purse: Purse) -> PoolDeal | None:
        """Return a pool as the chain's head has it."""
        return self.ground.money.book.pools.get(purse.parties)

    def move(self) -> None:
        """Move a pool to the buyer's other operator: a withdrawal, and the deposit that follows it."""
        purse = self.random.choice(cast().purses)
        pool, target = self.on_chain(purse), cast().other(purse)
        if pool is None or not pool.balance or pool.finalize_at:
            return
        units = self.random.choice((pool.balance, self.random.randint(1, pool.balance)))
        later = self.now + self.ctx.constants.pool_withdraw_delay_seconds + self.random.choice((600, 40_000))
        given = PoolMoveIn(
            withdrawal=purse.withdrawal(self.ctx, units, pool.nonce, self.now + self.random.choice((60, 3_000))),
            deposit=target.deposit(self.ctx, max(1, units // self.random.choice((1, 2))), self.fresh("salt"), later),
        )  # fmt: skip

        def act(session: Session) -> object:
            return moves.move(session, self.ctx, purse.pool, purse.buyer.address, given)

        if self.ask("move", act) == "unknown":
            self.doubts.append(act)

    # orders

    def order(
        self, purse: Purse | None = None, agent: Person | None = None, price: int = 0, *, signer: Person | None = None
    ) -> Order | None:
        """Get a deal, and order with the session key; the price is reserved."""
        purse = purse or self.someone()
        agent = agent or self.random.choice(cast().agents)
        self.resync()
        price = price or self._units(2_500_000)
        deal = self._deal(purse, agent, price)
        if deal is None:
            return None
        if deal.operator != purse.operator.address:
            purse = cast().other(purse)  # the award names whom the buyer has a pool with
        deliver_by = self.now + self.random.choice((300, _AT_WORK))
        evaluate_by = deliver_by + self.random.choice((60, _TO_JUDGE))
        way = purse.lane(self.ctx, agent)
        message = MicroOrder(
            channel_id=way.channel_id, bid_hash=deal.bid_hash, price=price, deliver_by=deliver_by,
            evaluate_by=evaluate_by,
        )  # fmt: skip
        ceiling = self._ceiling(purse, agent, price)
        given = OrderIn(
            payer_authorizer=purse.session.address, price_units=price, deliver_by=deliver_by, evaluate_by=evaluate_by,
            signature=purse.session.sign(message, self.ctx.domains.marketplace),
            voucher=purse.voucher(self.ctx, way, ceiling, signer),
        )  # fmt: skip
        order_hash = message.digest(self.ctx.domains.marketplace)
        order = Order(deal.id, order_hash, purse, agent, price, deliver_by, evaluate_by, ceiling)
        self.book.orders.append(order)
        self.request(order, "order", "placed", lambda s: orders.place(s, self.ctx, deal.id, purse.buyer.address, given))
        return order

    def _ceiling(self, purse: Purse, agent: Person, price: int) -> int:
        """Return the ceiling to sign: enough for what the buyer knows of, sometimes more, rarely too little."""
        asked = self.book.live(purse, agent) + price
        if self.careless and self.random.random() < 0.05:
            return max(1, asked - 1)
        highest = max(
            asked + self.random.choice((0, 0, 0, 40_000)), self.book.ceilings.get((purse.pool, agent.address), 0)
        )
        self.book.ceilings[purse.pool, agent.address] = highest
        return highest

    def _deal(self, purse: Purse, agent: Person, price: int) -> Deal | None:
        body = {
            "title": "Describe a table", "description": "Types and outliers.", "capability": "data_analysis",
            "budget_units": str(price), "auction_seconds": 300, "deliver_within_seconds": 3600,
        }  # fmt: skip
        salt, until = self.fresh("bid"), self.now + 40_000
        found: list[Deal] = []

        def act(session: Session) -> object:
            task = tasks.submit(session, self.ctx, purse.buyer.address, TaskIn.model_validate(body))
            message = Bid(
                task_hash=task.task_hash, agent=agent.address, amount=price, eta_seconds=60, escrow_only=False,
                valid_until=until, salt=salt,
            )  # fmt: skip
            bid = BidIn(
                amount_units=price, eta_seconds=60, escrow_only=False, valid_until=until, salt=salt,
                signature=agent.sign(message, self.ctx.domains.marketplace),
            )  # fmt: skip
            placed = auctions.place(session, self.ctx, agent.address, task.id, bid)
            found.append(auctions.award(session, self.ctx, purse.buyer.address, task.id, placed.bid_hash)[2])
            return None

        return found[-1] if self.ask("deal", act) is None else None

    def request(self, order: Order, what: str, then: State, act: Act) -> str | None:
        """Ask for a step of an order, and note what the answer makes of it."""
        code = self.ask(what, act)
        if code is None:
            order.state, order.doubt, order.last = then, None, act
            if then == "placed":
                key = (order.purse.pool, order.agent.address)
                self.book.stored[key] = max(order.ceiling, self.book.stored.get(key, 0))
        elif code == "unknown":
            order.doubt, order.then = act, then
        else:
            order.doubt = None
            self._refused(order, what, then, code)
        return code

    def _refused(self, order: Order, what: str, then: State, code: str) -> None:
        if order.state == "asked":
            order.state = "refused"
            return
        if code not in {"wrong_state", "signature_expired"}:
            raise AssertionError(f"{what} was refused: {code}")
        if self.latest < (order.evaluate_by if order.state == "delivered" else order.deliver_by):
            raise AssertionError(f"{what} was refused, {code}, and no clock has run out")
        self.counts[f"{what}_after_the_clock"] += 1

    @property
    def latest(self) -> int:
        """The latest time any clock of the service has shown."""
        self._latest = max(self._latest, self.ctx.now())
        return self._latest

    @property
    def in_doubt(self) -> bool:
        """Whether a request was never answered."""
        return bool(self.doubts) or any(order.doubt is not None for order in self.book.orders)

    def doubtful(self, purse: Purse, agent: Person) -> bool:
        """Whether an order of a channel was never answered."""
        return any(o.doubt is not None for o in self.book.orders if o.purse is purse and o.agent is agent)

    def resolve(self) -> None:
        """Repeat one request that was never answered."""
        waiting = [order for order in self.book.orders if order.doubt is not None]
        if self.doubts and (not waiting or self.random.random() < 0.5):
            act = self.doubts.pop(0)
            if self.ask("asked_again", act) == "unknown":
                self.doubts.append(act)
        elif waiting:
            order = self.random.choice(waiting)
            assert order.doubt is not None
            self.request(order, "order_asked_again", order.then, order.doubt)

    def repeat(self) -> None:
        """Repeat a request that was answered long ago: nothing may move."""
        done = [order for order in self.book.orders if order.last is not None]
        if done:
            order = self.random.choice(done)
            assert order.last is not None
            code = self.ask("repeat", order.last)
            assert code in {None, "unknown"}, f"a repeat was refused: {code}"

    def _pick(self, *states: State) -> Order | None:
        found = [one for one in self.book.orders if one.state in states and one.doubt is None]
        return self.random.choice(found) if found else None

    def deliver(self, order: Order | None = None) -> None:
        """Hand in a result."""
        order = order or self._pick("placed")
        if order is None:
            return
        agent, deal_id = order.agent, order.deal_id
        manifest, upload = self._result(agent)
        digest = _hash_of(manifest)
        message = MicroDelivery(order_hash=order.order_hash, deliverable_hash=digest)
        given = DeliveryIn(manifest=manifest, signature=agent.sign(message, self.ctx.domains.marketplace))

        def act(session: Session) -> object:
            if session.get(Upload, upload.id) is None:
                session.add(_copy(upload))
                session.flush()
            return orders.deliver(session, self.ctx, deal_id, agent.address, given)

        order.deliverable = digest
        self.request(order, "deliver", "delivered", act)

    def _result(self, agent: Person) -> tuple[Manifest, Upload]:
        body = self.fresh("result")[:20]
        digest = hashlib.sha256(body).digest()
        upload = Upload(
            id=new_id(), owner=agent.address, sha256=digest, name="result.json", size=20,
            media_type="application/json", created_at=moment(self.now),
        )  # fmt: skip
        file = ManifestFile(name="result.json", sha256=digest, size=20, media_type="application/json")
        return Manifest(files=[file], salt=self.fresh("manifest")), upload

    def judge(self, order: Order | None = None, *, accepted: bool | None = None) -> None:
        """Accept or reject a result."""
        order = order or self._pick("delivered")
        if order is None:
            return
        good = self.random.random() < 0.7 if accepted is None else accepted
        message = MicroVerdict(
            order_hash=order.order_hash, deliverable_hash=order.deliverable, accepted=good,
            reason=0 if good else 3,
        )  # fmt: skip
        given = VerdictIn(
            deliverable_hash=order.deliverable, accepted=good, reason=message.reason,
            signature=order.purse.session.sign(message, self.ctx.domains.marketplace),
        )  # fmt: skip
        deal_id, buyer = order.deal_id, order.purse.buyer.address
        self.request(
            order, "accept" if good else "reject", "earned" if good else "void",
            lambda s: orders.judge(s, self.ctx, deal_id, buyer, given),
        )  # fmt: skip

    def give_back(self) -> None:
        """Give an order back."""
        order = self._pick("placed", "delivered")
        if order is None:
            return
        message = MicroReturn(order_hash=order.order_hash)
        given = ReturnIn(signature=order.agent.sign(message, self.ctx.domains.marketplace))
        deal_id, agent = order.deal_id, order.agent.address
        self.request(order, "give_back", "void", lambda s: orders.give_back(s, self.ctx, deal_id, agent, given))

    def open_orders(self) -> list[Order]:
        """Return the orders whose end is not known."""
        return [order for order in self.book.orders if order.state in OPEN]


def _copy(upload: Upload) -> Upload:
    return Upload(
        id=upload.id, owner=upload.owner, sha256=upload.sha256, name=upload.name, size=upload.size,
        media_type=upload.media_type, created_at=upload.created_at,
    )  # fmt: skip


def _hash_of(manifest: Manifest) -> bytes:
    entries = [FileEntry(name=f.name, sha256=f.sha256, size=f.size, media_type=f.media_type) for f in manifest.files]
    return deliverable_hash(manifest_document(entries, manifest.salt))
