"""A group of vouchers is put together from figures in memory: its sums, its refusals and its answers are exact."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from aicp.rules.primitives import ZERO_ADDRESS
from backend.payments.known import Known, KnownChannel, KnownPool
from backend.payments.outcomes import RETRYABLE, STATUS, TITLE, Accepted, Code, Outcome, Refused
from backend.payments.planning import Item, Plan
from backend.payments.recovering import HALF_ORDER, Signer, shape_problem
from backend.payments.writer import lower_outcome

DAY = 20_000
CAP = 500


def pool(number: int, headroom: int, **changes: int) -> KnownPool:
    made = KnownPool(bytes([number]) * 32, b"p" * 20, b"k" * 20, b"o" * 20, on_chain=True, headroom_units=headroom)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def channel(number: int, of: KnownPool, ceiling: int = 0) -> KnownChannel:
    text = f"0x{number:064x}"
    made = KnownChannel(text, bytes.fromhex(text[2:]), of, "market", b"r" * 20, Signer(bytes(32), b"k" * 20))
    made.ceiling_units = ceiling
    return made


@dataclass(slots=True)
class Heard:
    outcomes: list[Outcome] = field(default_factory=list)

    def item(self, of: KnownChannel, ceiling: int, signature: bytes = b"s") -> Item:
        return Item(of, ceiling, signature, self.outcomes.append)


def plan(*items: Item, cap: int = CAP) -> Plan:
    made = Plan(DAY, cap)
    for item in items:
        made.place(item)
    return made


def refusals(of: Plan) -> list[tuple[Code, dict[str, object]]]:
    return [(refused.code, refused.extra) for _, refused in of.short]


def test_each_voucher_pays_what_it_raises_the_ceiling_by_and_a_channel_is_written_once() -> None:
    heard, one = Heard(), channel(1, pool(1, 1_000), ceiling=10)
    made = plan(heard.item(one, 15, b"a"), heard.item(one, 40, b"b"))
    assert [price for _, price in made.paid] == [5, 25]
    (rise,) = made.rises.values()
    assert (rise.expected, rise.ceiling_units, rise.signature, rise.sum_units) == (10, 40, b"b", 30)
    parameters = made.parameters()
    assert parameters[:10] == (
        [bytes([1]) * 32], [30], [1_000], [one.channel_id], [10], [40], [b"b"], [30], DAY, CAP,
    )  # fmt: skip
    assert parameters[10:] == ([one.channel_id] * 2, [15, 40], [b"a", b"b"], [5, 25])


def test_planning_alone_changes_no_figure() -> None:
    one = channel(1, pool(1, 1_000), ceiling=10)
    plan(Heard().item(one, 15), Heard().item(one, 40))
    assert (one.ceiling_units, one.earned_units, one.signature, one.pool.earned_units) == (10, 0, None, 0)


def test_two_channels_of_a_pool_share_its_room() -> None:
    heard, shared = Heard(), pool(1, 100)
    first, second = channel(1, shared), channel(2, shared)
    made = plan(heard.item(first, 60), heard.item(second, 41), heard.item(second, 40))
    assert [price for _, price in made.paid] == [60, 40]
    assert refusals(made) == [(Code.ABOVE_POOL, {"available_units": "40", "price_units": "41"})]


def test_room_is_headroom_and_what_own_balances_paid_less_all_that_is_promised() -> None:
    shared = pool(1, 100, reserved_units=30, earned_units=50, own_paid_units=5)
    assert shared.room() == 25
    made = plan(Heard().item(channel(1, shared), 25), Heard().item(channel(2, shared), 1))
    assert [price for _, price in made.paid] == [25]
    assert refusals(made)[0][1]["available_units"] == "0"
    withdrawing = pool(2, -40)
    assert refusals(plan(Heard().item(channel(3, withdrawing), 1)))[0][1]["available_units"] == "0"


def test_the_days_cap_counts_what_was_spent_on_that_day_only() -> None:
    today, before = pool(1, 10_000, spent_day=DAY, spent_units=490), pool(2, 10_000, spent_day=DAY - 1, spent_units=490)
    made = plan(Heard().item(channel(1, today), 11), Heard().item(channel(2, before), 500))
    assert [price for _, price in made.paid] == [500]
    assert refusals(made) == [
        (Code.SESSION_KEY_CAP, {"cap_units": "500", "ordered_units": "490", "price_units": "11"})
    ]  # fmt: skip


def test_the_same_voucher_again_another_one_at_the_same_ceiling_and_a_lower_one() -> None:
    heard = Heard()
    one = channel(1, pool(1, 1_000), ceiling=20)
    one.signature, one.price_units = b"old", 7
    made = plan(
        heard.item(one, 20, b"old"), heard.item(one, 20, b"other"), heard.item(one, 19, b"x"),
        heard.item(one, 50, b"new"), heard.item(one, 50, b"new"), heard.item(one, 50, b"odd"),
        heard.item(one, 20, b"old"),
    )  # fmt: skip
    assert [price for _, price in made.repeated] == [7, 30]
    assert [code for code, _ in refusals(made)] == [Code.DIFFERS, Code.DIFFERS]
    assert [item.ceiling_units for item in made.lower] == [19, 20]
    assert [accepted.repeated for _, accepted in made.stored()] == [False, True, True]


def test_a_lower_voucher_is_answered_by_what_is_stored_at_its_ceiling() -> None:
    one = channel(1, pool(1, 1_000), ceiling=20)
    item = Heard().item(one, 10, b"mine")
    assert lower_outcome(item, (b"mine", 4)) == Accepted(one.text, 10, 4, repeated=True)
    for stored, code in (((b"theirs", 4), Code.DIFFERS), (None, Code.STALE)):
        refused = lower_outcome(item, stored)
        assert isinstance(refused, Refused)
        assert (refused.code, refused.extra) == (code, one.corrective())


STEPS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 60), st.sampled_from([b"a", b"b"])), min_size=1, max_size=40
)


@given(STEPS, st.integers(0, 120), st.integers(0, 120), st.integers(0, 90))
def test_any_group_stays_within_room_and_cap_and_answers_everybody_once(
    steps: list[tuple[int, int, bytes]], first: int, second: int, cap: int
) -> None:
    pools = [pool(1, first), pool(2, second)]
    channels = [channel(number, pools[number % 2]) for number in range(4)]
    heard = Heard()
    made = plan(*(heard.item(channels[number], ceiling, mark) for number, ceiling, mark in steps), cap=cap)
    assert len(made.paid) + len(made.repeated) + len(made.lower) + len(made.short) == len(steps)
    for of in pools:
        paid = sum(price for item, price in made.paid if item.channel.pool is of)
        assert paid == made.sums.get(id(of), 0) <= min(of.room(), cap)
    assert all(price > 0 for _, price in made.paid)
    for of_channel in channels:
        prices = [price for item, price in made.paid if item.channel is of_channel]
        ceilings = [item.ceiling_units for item, _ in made.paid if item.channel is of_channel]
        assert ceilings == sorted(set(ceilings))
        assert sum(prices) == (ceilings[-1] if ceilings else 0)
    figures = [
        {
            "pool_id": of.pool_id, "reserved_units": 0, "earned_units": made.sums[key], "own_paid_units": 0,
            "spent_units": made.sums[key],
        }
        for key, of in made.pools.items()
    ]  # fmt: skip
    made.written(figures)
    assert all(of.room() >= 0 for of in pools)
    for of_channel in channels:
        assert of_channel.earned_units == of_channel.ceiling_units
    again = plan(*(item for item, _ in made.paid), cap=cap)
    assert not again.paid, "what is stored is never paid again"


def row(number: int, of: int, key: bytes = b"k" * 20) -> tuple[dict[str, object], dict[str, object]]:
    made = {
        "channel_id": number.to_bytes(32, "big"), "pool_id": bytes([of]) * 32, "kind": "market", "receiver": b"r" * 20,
        "ceiling_units": 9, "ceiling_signature": b"s", "paid_units": 4, "earned_units": 8, "in_flight_units": 1,
    }  # fmt: skip
    parent = {
        "pool_id": bytes([of]) * 32, "payer": b"p" * 20, "payer_authorizer": key, "operator": b"o" * 20,
        "reserved_units": 1, "earned_units": 8, "own_paid_units": 0, "spent_day": 3, "spent_units": 8,
        "headroom_units": 50, "pending_units": None,
    }  # fmt: skip
    return made, parent


def test_what_is_known_already_is_not_replaced_by_an_older_row() -> None:
    known = Known()
    made, parent = row(1, 1)
    known.add([made], {parent["pool_id"]: parent})  # type: ignore[dict-item]
    (one,) = known.channels.values()
    assert (one.ceiling_units, one.price_units, one.pool.on_chain, one.pool.room()) == (9, 4, False, 41)
    one.ceiling_units = 30
    known.add([made], {parent["pool_id"]: parent})  # type: ignore[dict-item]
    assert known.channels[one.text].ceiling_units == 30
    assert one.pool.channels == 1


def test_who_signs_is_the_session_key_or_the_payer_where_there_is_none() -> None:
    known = Known()
    for number, key in ((1, b"k" * 20), (2, ZERO_ADDRESS)):
        made, parent = row(number, number, key)
        known.add([made], {parent["pool_id"]: parent})  # type: ignore[dict-item]
    assert [one.signer.address for one in known.channels.values()] == [b"k" * 20, b"p" * 20]


def test_the_channels_used_longest_ago_go_and_a_pool_goes_with_its_last(monkeypatch) -> None:
    monkeypatch.setattr("backend.payments.known.MOST_CHANNELS", 2)
    known = Known()
    for number, of in ((1, 1), (2, 1), (3, 2), (4, 2)):
        made, parent = row(number, of)
        known.add([made], {parent["pool_id"]: parent})  # type: ignore[dict-item]
    assert [one.channel_id[-1] for one in known.channels.values()] == [3, 4]
    assert list(known.pools) == [bytes([2]) * 32]


def test_every_refusal_has_its_status_and_words_and_says_whether_to_come_again() -> None:
    assert set(STATUS) == set(TITLE) == set(Code)
    for code in Code:
        body = Refused(code, {"price_units": "1"}).body()
        assert (body["code"], body["status"], body["price_units"]) == (code.value, STATUS[code], "1")
        assert body["retryable"] is (STATUS[code] == 503) is (code in RETRYABLE)


def test_the_shape_of_a_signature() -> None:
    good = b"\1" * 32 + HALF_ORDER
    assert shape_problem(good + b"\x1b") is shape_problem(good + b"\x1c") is None
    assert shape_problem(good) is Code.MALFORMED
    assert {shape_problem(good + bytes([v])) for v in (0, 1, 26, 29, 255)} == {Code.BAD_V}
    above = (int.from_bytes(HALF_ORDER, "big") + 1).to_bytes(32, "big")
    assert shape_problem(b"\1" * 32 + above + b"\x1b") is Code.HIGH_S
