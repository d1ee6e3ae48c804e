from __future__ import annotations

import stat
import uuid
from dataclasses import replace
from pathlib import Path

from aicp.client import models
from aicp.client.store import SignedDeposit, SignedOrder, Store
from aicp.rules.primitives import keccak
from tests.unit.sdk.builders import BUYER, OPERATOR, address, receipt_json


def order(deal: int, price: int = 400_000, channel: bytes = b"\x01" * 32) -> SignedOrder:
    return SignedOrder(
        deal_id=uuid.UUID(int=deal),
        channel_id=channel,
        bid_hash=keccak(b"bid"),
        price_units=price,
        deliver_by=100,
        evaluate_by=200,
    )


def test_receipts_survive_and_repeat_without_effect(tmp_path: Path) -> None:
    path = tmp_path / "home" / "store.sqlite"
    low, high = (models.Receipt.read(receipt_json(total, 900_000)) for total in (400_000, 800_000))
    store = Store(path)
    for receipt in (high, low, high):
        store.add_receipt(receipt)
    again = Store(path)
    assert again.receipts() == [low, high]
    assert again.receipts(low.channel_id) == [low, high]
    assert again.receipts(b"\x00" * 32) == []
    assert again.best_receipts() == [high]


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "home" / "store.sqlite"
    Store(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_deal_has_one_order_and_a_channel_their_sum(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    assert store.order(uuid.UUID(int=1)) is None
    store.put_order(order(1))
    store.put_order(order(2, 600_000))
    store.put_order(order(3, 1, channel=b"\x02" * 32))
    store.put_order(order(1))
    assert store.order(uuid.UUID(int=1)) == order(1)
    assert store.ordered_units(b"\x01" * 32) == 1_000_000


def test_a_session_key_is_made_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    assert store.session_key(31337, BUYER.address, OPERATOR.address) is None
    made = store.make_session_key(31337, BUYER.address, OPERATOR.address)
    again = Store(tmp_path / "store.sqlite").make_session_key(31337, BUYER.address, OPERATOR.address)
    assert made.address == again.address
    other = store.make_session_key(31337, BUYER.address, address("another operator"))
    assert other.address != made.address


def test_the_deposit_of_a_pool_is_kept_with_its_nonce(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    sent = SignedDeposit(pool_id=b"\x07" * 32, salt=keccak(b"salt"), units=5_000_000, valid_before=900)
    assert store.deposit(sent.pool_id) is None
    store.put_deposit(sent)
    assert Store(store.path).deposit(sent.pool_id) == sent
    known = replace(sent, intent_id=uuid.UUID(int=9))
    store.put_deposit(known)
    assert store.deposit(sent.pool_id) == known
