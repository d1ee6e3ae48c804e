"""Receipts of an agent, checked with nobody's database: who signed them, their order, and what is claimed on chain."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aicp.abi.signing import sign, to_compact
from aicp.abi.typed_data import ChannelConfig, ClaimBatch, ClaimEntry, Domain, Voucher
from aicp.client import models
from aicp.client.store import Store
from aicp.client.wallet import Wallet
from aicp.rules.ids import channel_id, pool_id, pool_key
from indexer.audit import vouchers
from indexer.audit.book import Book, Identity
from indexer.audit.report import Report
from indexer.audit.signed import Vouches
from indexer.audit.vouchers import VoucherFileError
from indexer.core.rows import Channel, Pool

DOMAIN = Domain("x402 Batch Settlement", "1", 31337, b"\x33" * 20)
SESSION, OPERATOR, OTHER = (Wallet(bytes([n]) * 32) for n in (1, 2, 3))
CONFIG = ChannelConfig(
    payer=b"\x0a" * 20, payer_authorizer=SESSION.address, receiver=b"\x0b" * 20, receiver_authorizer=OPERATOR.address,
    token=b"\x11" * 20, withdraw_delay=86_400, salt=b"\x0c" * 32,
)  # fmt: skip
CHANNEL = channel_id(CONFIG, DOMAIN)
POOL = pool_id(pool_key(CONFIG.payer, CONFIG.payer_authorizer, CONFIG.receiver_authorizer), DOMAIN)


def nobody(_account: bytes, _digest: bytes, _signature: bytes) -> bool:
    """No contract vouches for anything."""
    return False


def receipt(total: int, price: int, ceiling: int, **signers: Wallet) -> models.Receipt:
    """Return a receipt as the SDK gets it from the service."""
    voucher = Voucher(channel_id=CHANNEL, max_claimable_amount=ceiling).digest(DOMAIN)
    entry = ClaimEntry(channel_id=CHANNEL, max_claimable_amount=ceiling, total_claimed=total)
    claim = ClaimBatch(claims=(entry,)).digest(DOMAIN)
    return models.Receipt(
        id=uuid.uuid4(), channel_id=CHANNEL, order_hash=bytes(32), deal_id=uuid.uuid4(),
        config=models.Config(
            payer=CONFIG.payer, payer_authorizer=CONFIG.payer_authorizer, receiver=CONFIG.receiver,
            receiver_authorizer=CONFIG.receiver_authorizer, token=CONFIG.token,
            withdraw_delay=CONFIG.withdraw_delay, salt=CONFIG.salt,
        ),
        max_claimable_units=ceiling,
        voucher_signature=sign(voucher, signers.get("session", SESSION).secret_key()),
        total_claimed_units=total,
        operator_signature=sign(claim, signers.get("operator", OPERATOR).secret_key()),
        price_units=price, acknowledged=True, claimed=False, created_at=dt.datetime.now(dt.UTC),
    )  # fmt: skip


def elsewhere(good: models.Receipt) -> models.Receipt:
    """Return the receipt with the config of another channel."""
    return good.model_copy(update={"config": good.config.model_copy(update={"salt": bytes(32)})})


GOOD = (receipt(400, 400, 500), receipt(1_000, 600, 1_000), receipt(1_500, 500, 2_000))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    identity = Identity(chain_id=31337, genesis_hash=b"", deployment_digest=b"")
    book = Book(tmp_path / "book.sqlite", identity, "")
    book.put([on_chain(1_000), Pool(pool_id=POOL, payer=b"", payer_authorizer=b"", operator=b"", balance_units=500)])
    yield book
    book.close(finished=True)


def on_chain(claimed: int) -> Channel:
    """Return the channel as the chain has it."""
    return Channel(
        channel_id=CHANNEL, payer=b"", payer_authorizer=b"", receiver=b"", receiver_authorizer=b"", token=b"",
        withdraw_delay=0, salt=b"", pool_id=POOL, balance_units=claimed, total_claimed_units=claimed,
        block_number=9, tx_hash=b"\x09" * 32,
    )  # fmt: skip


@pytest.fixture
def checked(book: Book, tmp_path: Path) -> Callable[..., Report]:
    def check(
        *receipts: models.Receipt, operators: frozenset[bytes] = frozenset(), vouches: Vouches = nobody
    ) -> Report:
        file = tmp_path / "receipts.jsonl"
        file.write_text("".join(f"{one.model_dump_json()}\n\n" for one in receipts))
        vouchers.check(file)
        vouchers.keep(file, book)
        report = Report()
        vouchers.compare(book, DOMAIN, operators, vouches, report)
        return report

    return check


def found(report: Report) -> list[str]:
    """Return the columns that differ."""
    assert len(report.lowest) == report.count
    return [one.column for one in report.lowest]


def test_good_receipts_agree_in_any_order_and_from_the_sdks_store(
    book: Book, checked: Callable[..., Report], tmp_path: Path
) -> None:
    assert found(checked(GOOD[2], GOOD[0], GOOD[1], operators=frozenset([OPERATOR.address]))) == []
    store = Store(tmp_path / "wallet.sqlite")
    for one in GOOD:
        store.add_receipt(one)
    report = Report()
    vouchers.keep(store.path, book)  # all of them a second time
    vouchers.compare(book, DOMAIN, frozenset(), nobody, report)
    assert (found(report), report.checked["receipts of the files against their signatures"]) == ([], 3 * 3)
    assert report.checked["receipts of the files against each other"] == 3 + 2 * 3


@pytest.mark.parametrize(
    ("bad", "columns"),
    [
        (receipt(1_500, 500, 2_000, session=OTHER), ["receipt receipts.jsonl:5: signer of the voucher"]),
        (receipt(1_500, 500, 2_000, operator=OTHER), ["receipt receipts.jsonl:5: signer of the receipt"]),
        (receipt(1_500, 500, 1_499), ["receipt receipts.jsonl:5: ceiling"]),
        (receipt(1_500, 501, 2_000), ["receipt receipts.jsonl:5: total less price"]),
        (receipt(1_000, 0, 1_000), ["receipt receipts.jsonl:5: total"]),
        (receipt(1_501, 501, 2_000), ["balance_units"]),
        (elsewhere(GOOD[2]), ["receipt receipts.jsonl:5: channel_id"]),
    ],
)  # fmt: skip
def test_a_bad_receipt_is_named(checked: Callable[..., Report], bad: models.Receipt, columns: list[str]) -> None:
    assert found(checked(GOOD[0], GOOD[1], bad)) == columns


def test_a_falling_ceiling_is_named(checked: Callable[..., Report]) -> None:
    assert found(checked(receipt(400, 400, 1_001), GOOD[1])) == [
        "receipt receipts.jsonl:3: ceiling after the one before"
    ]


def test_a_foreign_operator_is_named(checked: Callable[..., Report]) -> None:
    report = checked(GOOD[1], operators=frozenset([OTHER.address]))
    assert found(report) == ["receipt receipts.jsonl:1: operator of the deployment"]


@pytest.mark.parametrize(
    ("claimed", "columns"),
    [
        (1_000, []),
        (400, ["balance_units"]),
        (0, ["balance_units"]),
        (700, ["total_claimed_units"]),
        (1_600, ["total_claimed_units"]),
    ],
)
def test_what_is_claimed_is_the_total_of_a_receipt(
    book: Book, checked: Callable[..., Report], claimed: int, columns: list[str]
) -> None:
    book.put([on_chain(claimed)])
    report = checked(GOOD[0], GOOD[1])
    assert found(report) == columns
    for difference in report.lowest:
        if columns == ["total_claimed_units"]:
            assert (difference.found, difference.derived, difference.block_number) == ("1000", str(claimed), 9)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text[:-5], "malformed|truncated"),
        (lambda text: "{}", "channel_id"),
        (lambda text: text.replace('"price_units":"400"', '"price_units":"-400"'), "not a base-unit amount"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, change: Callable[[str], str], reason: str) -> None:
    file = tmp_path / "receipts.jsonl"
    file.write_text(f"{GOOD[1].model_dump_json()}\n{change(GOOD[0].model_dump_json())}\n")
    with pytest.raises(VoucherFileError, match=f"number 2, is no receipt.*{reason}"):
        vouchers.check(file)
    with pytest.raises(VoucherFileError, match="cannot be read"):
        vouchers.check(tmp_path / "none")


def test_who_may_sign_by_contract(book: Book, checked: Callable[..., Report]) -> None:
    asked: list[tuple[bytes, bytes]] = []

    def vouches(account: bytes, _digest: bytes, signature: bytes) -> bool:
        asked.append((account, signature))
        return True

    assert found(checked(receipt(1_000, 600, 1_000, session=OTHER), vouches=vouches)) == [
        "receipt receipts.jsonl:1: signer of the voucher"
    ], "a session key is a plain key"
    assert asked == []
    wrong = receipt(1_000, 600, 1_000, operator=OTHER)
    assert (found(checked(wrong, vouches=vouches)), asked) == ([], [(OPERATOR.address, wrong.operator_signature)])


def test_signatures_of_64_bytes_are_read(checked: Callable[..., Report]) -> None:
    names = ("voucher_signature", "operator_signature")
    compact = GOOD[1].model_copy(update={name: to_compact(getattr(GOOD[1], name)) for name in names})
    assert found(checked(compact)) == []
