"""What a sender of vouchers pays when answers are lost or two of its calls meet."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.client import vouchers
from aicp.client.errors import ProblemError
from aicp.client.kept import create, transaction
from aicp.client.voucher_book import Signed
from aicp.client.vouchers import NotKnown, Paid, VoucherBook, VoucherSender
from tests.unit.sdk.builders import BUYER, SESSION, address, chain

AGENT, OTHER = address("agent"), address("other agent")


class Shard:
    """Stores vouchers as the service does, and answers after a moment; `deaf`: carries out and never answers."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[int, tuple[str, int]]] = {}
        self.requests: list[str] = []
        self.deaf = False
        self.down = False
        self.slow = 0
        """How many requests take long to arrive, the first ones."""
        self.room = 1_000_000

    def total(self) -> int:
        return sum(max(ceilings) for ceilings in self.stored.values())

    def paid(self, receiver: bytes, sender: VoucherSender) -> int:
        return max(self.stored.get("0x" + sender._channel(receiver).hex(), {0: ("", 0)}))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url.path)
        if request.method == "GET":
            ceilings = self.stored[request.url.path.rsplit("/", 1)[1]]
            top = max(ceilings)
            return httpx.Response(200, json={"ceiling_units": str(top), "signature": ceilings[top][0]})
        if self.slow:
            self.slow -= 1
            await asyncio.sleep(0.2)
        if self.down:
            raise httpx.ConnectError("nobody is there")
        body = json.loads(request.content)
        told = [self._take(one) for one in body.get("vouchers", [body])]
        await asyncio.sleep(0.05)
        if self.deaf:
            raise httpx.ReadError("the answer is lost")
        if "vouchers" in body:
            return httpx.Response(200, json={"results": told})
        return httpx.Response(told[0].get("status", 200), json=told[0])

    def _take(self, one: dict[str, Any]) -> dict[str, Any]:
        ceilings = self.stored.get(one["channel_id"], {})
        ceiling, top = int(one["max_claimable_units"]), max(ceilings, default=0)
        if ceiling in ceilings:
            return {"price_units": str(ceilings[ceiling][1]), "repeated": True}
        if ceiling < top:
            return {"code": "voucher_stale", "status": 409, "ceiling_units": str(top), "signature": ceilings[top][0]}
        if ceiling - top > self.room:
            return {"code": "voucher_above_pool", "status": 409}
        self.stored.setdefault(one["channel_id"], {})[ceiling] = (one["signature"], ceiling - top)
        return {"price_units": str(ceiling - top), "repeated": False}


def sender(shard: Shard, book: Path) -> VoucherSender:
    http = httpx.AsyncClient(transport=httpx.MockTransport(shard))
    return VoucherSender(chain(), BUYER.address, SESSION, VoucherBook(book), ["http://shard"], http)


@pytest.fixture(autouse=True)
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vouchers, "_DELAYS", ())


async def unknown(one: VoucherSender, shard: Shard, units: int, payment_id: str | None = None) -> str:
    """Pay, lose the answer, and return the payment's id."""
    shard.deaf = True
    with pytest.raises(NotKnown) as raised:
        await one.pay(AGENT, units, payment_id)
    shard.deaf = False
    return raised.value.payment_id


@pytest.mark.asyncio
@pytest.mark.parametrize("own", ["invoice 7", None])
async def test_a_payment_repeated_by_its_id_pays_once(tmp_path: Path, own: str | None) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    name = await unknown(one, shard, 30, own)
    assert own in {None, name}
    assert await one.pay(AGENT, 30, name) == Paid(AGENT, 30, 30)
    assert await one.pay(AGENT, 30, name) == Paid(AGENT, 30, 30)
    assert shard.total() == 30
    with pytest.raises(ValueError, match=name):
        await one.pay(AGENT, 31, name)


@pytest.mark.asyncio
async def test_a_payment_that_another_one_took_up_is_found_by_its_id(tmp_path: Path) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    name = await unknown(one, shard, 30)
    assert await one.pay(AGENT, 5) == Paid(AGENT, 5, 35)
    later = sender(shard, tmp_path / "book")
    asked = len(shard.requests)
    assert await later.pay(AGENT, 30, name) == Paid(AGENT, 30, 30)
    assert (shard.total(), len(shard.requests)) == (35, asked)


@pytest.mark.asyncio
async def test_a_refused_payment_is_tried_again_under_its_id(tmp_path: Path) -> None:
    shard = Shard()
    shard.room = 10
    one = sender(shard, tmp_path / "book")
    with pytest.raises(ProblemError):
        await one.pay(AGENT, 30, "invoice 7")
    shard.room = 50
    assert await one.pay(AGENT, 30, "invoice 7") == Paid(AGENT, 30, 30)


@pytest.mark.asyncio
async def test_what_its_caller_was_told_of_and_cannot_name_is_not_kept(tmp_path: Path) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    await one.pay(AGENT, 30)
    await one.pay_many([(AGENT, 10), (OTHER, 20)])
    with transaction(tmp_path / "book") as db:
        assert db.execute("SELECT count(*) FROM voucher_payment").fetchone() == (0,)


@pytest.mark.asyncio
async def test_a_batch_repeated_by_its_id_pays_each_once(tmp_path: Path) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    shard.deaf = True
    with pytest.raises(NotKnown) as raised:
        await one.pay_many([(AGENT, 20), (OTHER, 30)])
    shard.deaf = False
    again = await one.pay_many([(AGENT, 20), (OTHER, 30)], raised.value.payment_id)
    assert again == [Paid(AGENT, 20, 20), Paid(OTHER, 30, 30)]
    assert shard.total() == 50


@pytest.mark.asyncio
async def test_a_batch_beside_a_payment_pays_each_once(tmp_path: Path) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    shard.slow = 1
    await asyncio.gather(one.pay(OTHER, 10), one.pay_many([(AGENT, 20), (OTHER, 30)]))
    assert (shard.paid(AGENT, one), shard.paid(OTHER, one)) == (20, 40)


@pytest.mark.asyncio
async def test_batches_of_the_same_agents_in_other_orders_do_not_wait_for_each_other(tmp_path: Path) -> None:
    shard = Shard()
    one = sender(shard, tmp_path / "book")
    async with asyncio.timeout(5):
        await asyncio.gather(one.pay_many([(AGENT, 1), (OTHER, 2)]), one.pay_many([(OTHER, 3), (AGENT, 4)]))
    assert (shard.paid(AGENT, one), shard.paid(OTHER, one)) == (5, 5)


@pytest.mark.asyncio
async def test_two_processes_of_one_payer_pay_each_once(tmp_path: Path) -> None:
    shard = Shard()
    one, two = sender(shard, tmp_path / "book"), sender(shard, tmp_path / "book")
    shard.slow = 1
    told = await asyncio.gather(one.pay(AGENT, 10), two.pay(AGENT, 30))
    assert list(told) == [Paid(AGENT, 10, 10), Paid(AGENT, 30, 40)]
    assert shard.total() == 40


@pytest.mark.asyncio
async def test_many_processes_at_once_pay_what_they_say(tmp_path: Path) -> None:
    shard = Shard()
    senders = [sender(shard, tmp_path / "book") for _ in range(4)]
    single, batches = await asyncio.gather(
        asyncio.gather(*(one.pay(AGENT, 10 + number) for number, one in enumerate(senders))),
        asyncio.gather(*(one.pay_many([(AGENT, 100), (OTHER, 7)]) for one in senders)),
    )
    told = [*single, *(paid for batch in batches for paid in batch)]
    assert sum(paid.price_units for paid in told if isinstance(paid, Paid)) == shard.total() == 46 + 400 + 28


@pytest.mark.asyncio
async def test_a_voucher_of_another_state_is_no_payment_of_ours(tmp_path: Path) -> None:
    shard = Shard()
    assert await sender(shard, tmp_path / "lost").pay(AGENT, 30) == Paid(AGENT, 30, 30)
    assert await sender(shard, tmp_path / "new").pay(AGENT, 30, "a") == Paid(AGENT, 30, 60)
    told = await sender(shard, tmp_path / "third").pay_many([(AGENT, 60), (OTHER, 5)])
    assert told == [Paid(AGENT, 60, 120), Paid(OTHER, 5, 5)]


@pytest.mark.asyncio
async def test_a_batch_that_another_process_comes_before_begins_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = Shard()
    one, two = sender(shard, tmp_path / "book"), sender(shard, tmp_path / "book")
    real = VoucherBook.begin
    under_way: list[list[Signed | None]] = []

    def begin(self: VoucherBook, signed: list[Signed]) -> None:
        if len(signed) == 2:
            [other] = [voucher for voucher in signed if voucher.channel_id == two._channel(OTHER)]
            if not under_way:
                mine = two._sign(vouchers._Wish(other.channel_id, OTHER, 4, "of two"))
                real(two._book, [mine])
                shard.down = True
            try:
                real(self, signed)
            finally:
                under_way.append([one._book.pending(voucher.channel_id) for voucher in signed])
        else:
            real(self, signed)

    monkeypatch.setattr(VoucherBook, "begin", begin)
    with pytest.raises(NotKnown) as raised:
        await one.pay_many([(AGENT, 20), (OTHER, 30)])
    [[first, second]] = under_way
    assert first is None, "it is not under way alone"
    assert second is not None
    assert second.payment_id == "of two"
    assert shard.total() == 0
    shard.down = False
    again = await one.pay_many([(AGENT, 20), (OTHER, 30)], raised.value.payment_id)
    assert again == [Paid(AGENT, 20, 20), Paid(OTHER, 30, 34)]
    assert await two.pay(OTHER, 4, "of two") == Paid(OTHER, 4, 4)


@pytest.mark.asyncio
async def test_a_book_of_before_payments_had_ids_goes_on(tmp_path: Path) -> None:
    shard = Shard()
    book = tmp_path / "book"
    lost = sender(shard, tmp_path / "elsewhere")
    channel = lost._channel(AGENT)
    await lost.pay(AGENT, 70)
    await unknown(lost, shard, 30)
    pending = lost._book.pending(channel)
    assert pending is not None
    old = (
        "CREATE TABLE bare_voucher (channel_id BLOB PRIMARY KEY, ceiling_units TEXT NOT NULL, "
        "pending_units TEXT, pending_signature BLOB) STRICT"
    )
    create(book, [old])
    with transaction(book) as db:
        db.execute("INSERT INTO bare_voucher VALUES (?, '70', '100', ?)", (channel, pending.signature))
    assert VoucherBook(book).settled(channel) == 70
    found = VoucherBook(book).pending(channel)
    assert found is not None
    assert (found.units, found.ceiling_units, found.signature) == (30, 100, pending.signature)
    assert await sender(shard, book).pay(AGENT, 5) == Paid(AGENT, 5, 105)
    assert shard.total() == 105
    assert VoucherBook(book).pending(channel) is None


def test_a_late_answer_neither_lowers_a_ceiling_nor_ends_what_is_under_way(tmp_path: Path) -> None:
    one = sender(Shard(), tmp_path / "book")
    book, channel = one._book, one._channel(AGENT)
    first = one._sign(vouchers._Wish(channel, AGENT, 10, "first"))
    book.begin([first])
    book.paid(first, 10)
    second = one._sign(vouchers._Wish(channel, AGENT, 5, "second"))
    book.begin([second])
    book.paid(first, 10)
    assert (book.settled(channel), book.pending(channel)) == (10, second)
    with pytest.raises(sqlite3.IntegrityError):
        book.begin([one._sign(vouchers._Wish(channel, AGENT, 5, "third"))])
