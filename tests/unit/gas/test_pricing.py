"""Prices against hand-computed examples, and against what USDC's own transfers cost on both kinds of chain."""

from __future__ import annotations

import pytest

from scripts.gas.pricing import (
    EVM,
    NOTHING_LISTED,
    POLYGON,
    Access,
    AccessList,
    Figures,
    Load,
    Store,
    Touch,
    Transaction,
    UnpriceableError,
    best_list,
    figures,
    floor_of,
    marginal,
    reprice,
)

SENDER, TOKEN, LOGIC, CHECKER, HOLDER = (bytes([number]) * 20 for number in range(1, 6))
ADMIN, IMPLEMENTATION, PAUSED, FROM, TO, NAME, NONCE, ALLOWANCE = ((TOKEN, number) for number in range(8))


def transaction(gas_used: int, *accesses: Access, **before: int) -> Transaction:
    values = {access.slot: before.get(f"s{access.slot[1]}", 7) for access in accesses if not isinstance(access, Touch)}
    return Transaction(gas_used, b"", accesses, values, frozenset({SENDER, TOKEN}))


def transfer(gas_used: int, *, new_holder: bool = False) -> Transaction:
    """The accesses of a transfer of USDC: five words are read, the two balances written."""
    return transaction(
        gas_used,
        Load(ADMIN, 2_100),
        Load(IMPLEMENTATION, 2_100),
        Touch(LOGIC),
        Load(PAUSED, 2_100),
        Load(FROM, 2_100),
        Load(TO, 2_100),
        Store(FROM, 1, 2_900),
        Load(TO, 100),
        Store(TO, 9, 20_000 if new_holder else 2_900),
        s4=0 if new_holder else 7,
    )


def payment(gas_used: int) -> Transaction:
    """A transfer by ERC-3009 also reads the name and the nonce, writes the nonce, and looks at two more accounts."""
    plain = transfer(0)
    accesses = (
        *plain.accesses[:6],
        Load(NONCE, 2_100),
        Load(NAME, 2_100),
        Touch(CHECKER),
        Touch(HOLDER),
        Store(NONCE, 1, 20_000),
        *plain.accesses[6:],
    )
    return Transaction(gas_used, b"", accesses, {**plain.before, NAME: 7, NONCE: 0}, plain.warm)


@pytest.mark.parametrize(
    ("tx", "polygon"),
    [(transfer(44_855), 59_975), (transfer(61_979, new_holder=True), 77_939), (payment(86_308), 108_148)],
    ids=["existing holder", "new holder", "by authorization"],
)
def test_the_published_figures_of_usdc_follow_from_its_accesses(tx: Transaction, polygon: int) -> None:
    assert reprice(tx, POLYGON) == polygon
    assert reprice(tx, EVM) == tx.gas_used


def test_a_list_brings_a_transfer_of_usdc_on_polygon_back_to_the_standard_price() -> None:
    tx = transfer(44_855)
    # 5 slots save 5,460 - 100 - 1,900; the token is warm anyway and costs 2,400; the code saves 2,600 - 100 - 2,400
    assert figures(tx) == Figures(44_855, 59_975, 59_975 - 5 * 3_460 + 2_400 - 100)
    chosen = best_list(tx, POLYGON)
    assert chosen.accounts == {TOKEN, LOGIC}
    assert chosen.slots == {ADMIN, IMPLEMENTATION, PAUSED, FROM, TO}
    assert chosen.cost == 2 * 2_400 + 5 * 1_900


@pytest.mark.parametrize(
    ("accesses", "before", "polygon"),
    [
        pytest.param((Load(FROM, 2_100), Store(FROM, 9, 2_900)), 7, 5_460 + 2_060 - 5_000, id="read, then changed"),
        pytest.param((Store(FROM, 9, 5_000),), 7, 0, id="changed unread: 5,000 on both"),
        pytest.param((Store(FROM, 9, 22_100),), 0, 840, id="a new word unread"),
        pytest.param((Load(FROM, 2_100), Store(FROM, 9, 20_000)), 0, 3_360, id="a new word, read before"),
        pytest.param((Store(FROM, 7, 2_200),), 7, 840, id="written as it was"),
        pytest.param((Load(FROM, 2_100), Load(FROM, 100)), 7, 3_360, id="read twice"),
        pytest.param(
            (Load(FROM, 2_100), Store(FROM, 0, 2_900)), 7, 2_520 + 4_800 - 3_960, id="cleared: a smaller refund"
        ),
        pytest.param((Store(FROM, 9, 22_100), Store(FROM, 0, 100)), 0, 840, id="new and cleared: 19,900 back on both"),
        pytest.param((Store(FROM, 9, 5_000), Store(FROM, 7, 100)), 7, 2_800 - 1_960, id="changed and restored"),
        pytest.param((Store(FROM, 0, 5_000), Store(FROM, 9, 100)), 7, 0, id="cleared and filled again: no refund"),
        pytest.param((Store(FROM, 9, 5_000), Store(FROM, 0, 100)), 7, 4_800 - 3_960, id="changed, then cleared"),
        pytest.param((Store(FROM, 0, 5_000), Store(FROM, 7, 100)), 7, 2_800 - 1_960, id="cleared and restored"),
    ],
)
def test_what_polygon_takes_more(accesses: tuple[Access, ...], before: int, polygon: int) -> None:
    tx = transaction(150_000, *accesses, s3=before)
    assert reprice(tx, POLYGON) - tx.gas_used == polygon


def test_only_the_first_access_of_an_account_is_cold() -> None:
    tx = transaction(60_000, Touch(LOGIC), Touch(LOGIC), Touch(TOKEN))
    assert reprice(tx, POLYGON) == 60_000
    assert reprice(tx, POLYGON, AccessList(accounts=frozenset({LOGIC}))) == 60_000 - 2_500 + 2_400


def test_a_list_names_nothing_that_does_not_pay() -> None:
    # one word written unread saves 2,940 - 1,900, naming the warm account costs 2,400
    assert best_list(transaction(60_000, Store(FROM, 9, 5_000)), POLYGON) == NOTHING_LISTED
    # on a standard chain a listed word saves 100, but a list never pays for a warm account
    assert best_list(transfer(44_855), EVM).accounts == {LOGIC}


def test_a_charge_the_prices_do_not_explain_is_refused() -> None:
    with pytest.raises(UnpriceableError, match="charged 2600"):
        reprice(transaction(60_000, Load(FROM, 2_600)), POLYGON)


def test_gas_behind_a_capped_refund_or_the_floor_is_refused() -> None:
    many = [Store((TOKEN, number), 0, 5_000) for number in range(10, 20)]
    with pytest.raises(UnpriceableError):
        reprice(transaction(80_000, *many), POLYGON)
    with pytest.raises(UnpriceableError):
        reprice(transaction(floor_of(b"")), POLYGON)


def test_the_floor_counts_zero_bytes_once_and_others_four_times() -> None:
    assert floor_of(b"\x00\x01\x02") == 21_000 + 10 * (1 + 4 + 4)


def test_a_row_is_the_difference_of_two_batches_rounded_to_the_nearest_unit() -> None:
    few, many = Figures(100, 200, 300), Figures(131, 230, 329)
    assert marginal(few, many, 4) == Figures(8, 8, 7)
