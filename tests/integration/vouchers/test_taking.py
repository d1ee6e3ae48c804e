"""What is taken, what is refused and why; whoever races whom, a pool never pays more than it holds."""

from __future__ import annotations

import random
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from aicp.abi.signing import sign, to_compact
from aicp.abi.typed_data import Voucher, channel_domain
from aicp.rules.primitives import checksum, hex0x
from tests.fixtures.moneylab import Person, World
from tests.fixtures.voucherlab import Shards, paid, receiver, voucher, way
from tests.integration.vouchers.conftest import POOL

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def code(answer: Any) -> str:
    return str(answer.json()["code"])


def signed(world: World, agent: bytes, ceiling: int, **changes: Any) -> dict[str, Any]:
    return voucher(world, agent, ceiling) | changes


def test_a_voucher_pays_what_it_raises_and_its_repeat_pays_nothing(world: World, shards: Shards) -> None:
    before, agent = paid(world), receiver(1)
    first = shards.send(voucher(world, agent, 1_000))
    assert first.status_code == 200, first.text
    assert first.json()["price_units"] == "1000"
    second = shards.send(voucher(world, agent, 1_700))
    assert second.json()["price_units"] == "700"
    for body, price in ((voucher(world, agent, 1_700), "700"), (voucher(world, agent, 1_000), "1000")):
        again = shards.send(body)
        assert (again.status_code, again.json()["price_units"], again.json()["repeated"]) == (200, price, True)
    assert paid(world) == before + 1_700


def test_a_lower_one_that_was_never_stored_gets_what_is_needed_to_go_on(world: World, shards: Shards) -> None:
    agent = receiver(2)
    highest = voucher(world, agent, 900)
    assert shards.send(highest).status_code == 200
    answer = shards.send(voucher(world, agent, 500))
    assert (answer.status_code, code(answer)) == (409, "voucher_stale")
    told = answer.json()
    assert (told["ceiling_units"], told["signature"]) == ("900", highest["signature"])
    assert (told["earned_units"], told["in_flight_units"]) == ("900", "0")
    state = shards.http.get(f"{shards.url(0)}/channels/{highest['channel_id']}").json()
    assert state["signature"] == highest["signature"]


def test_every_refusal_has_its_own_code_and_stores_nothing(world: World, shards: Shards) -> None:
    agent = receiver(3)
    good = voucher(world, agent, 800)
    assert shards.send(good).status_code == 200
    before, domain = paid(world), world.ctx.domains.channel
    raw = bytes.fromhex(voucher(world, agent, 900)["signature"][2:])
    s = int.from_bytes(raw[32:64], "big")
    high = raw[:32] + (ORDER - s).to_bytes(32, "big") + bytes((55 - raw[64],))
    message = Voucher(channel_id=way(world, agent).channel_id, max_claimable_amount=900)
    other_chain = channel_domain(1, domain.verifying_contract)
    other_contract = channel_domain(domain.chain_id, secrets.token_bytes(20))
    key = world.session_key
    cases = [
        ("voucher_high_s", hex0x(high)),
        ("voucher_bad_v", hex0x(raw[:64] + bytes((raw[64] - 27,)))),
        ("voucher_wrong_signer", hex0x(raw[:64] + bytes((55 - raw[64],)))),  # the other v: another key
        ("voucher_malformed", hex0x(to_compact(raw))),
        ("voucher_malformed", "0x"),
        ("voucher_malformed", "0x" + "zz" * 65),
        ("voucher_wrong_signer", hex0x(key.sign(message, other_chain))),
        ("voucher_wrong_signer", hex0x(key.sign(message, other_contract))),
        ("voucher_wrong_signer", voucher(world, receiver(1), 900)["signature"]),  # another channel's
        ("voucher_wrong_signer", voucher(world, agent, 901)["signature"]),
        ("voucher_wrong_signer", voucher(world, agent, 900, signer=world.buyer)["signature"]),
        ("voucher_malformed", hex0x(b"\xff" * 32 + raw[32:])),
    ]
    for expected, signature in cases:
        answer = shards.send(signed(world, agent, 900, signature=signature))
        assert code(answer) == expected, (expected, answer.text)
        assert 400 <= answer.status_code < 500
    other = sign(Voucher(message.channel_id, 800).digest(domain), secrets.token_bytes(32))
    assert code(shards.send(good | {"signature": hex0x(other)})) == "voucher_differs"
    assert code(shards.send(voucher(world, agent, POOL * 2))) == "voucher_above_pool"
    assert paid(world) == before
    assert shards.send(good).json()["repeated"] is True


@pytest.mark.parametrize("amount", ["0", "-1", "01", "1.0", "1e3", " 1", "", "1_000", str(2**128), "٣", "9" * 60])
def test_amounts_that_are_none(world: World, shards: Shards, amount: str) -> None:
    answer = shards.send(voucher(world, receiver(3), 800) | {"max_claimable_units": amount})
    assert (answer.status_code, code(answer)) == (422, "voucher_malformed")


@pytest.mark.parametrize("amount", [5, 5.0, None, ["5"]])
def test_amounts_of_another_type(world: World, shards: Shards, amount: object) -> None:
    answer = shards.send(voucher(world, receiver(3), 800) | {"max_claimable_units": amount})
    assert (answer.status_code, code(answer)) == (422, "invalid_input")


def test_the_largest_amount_there_is_is_only_too_much(world: World, shards: Shards) -> None:
    for ceiling in (2**128 - 1, 2**63, 2**63 - 1):
        assert code(shards.send(voucher(world, receiver(3), ceiling))) == "voucher_above_pool"


def test_channels_and_pools_nobody_knows(world: World, shards: Shards) -> None:
    body = voucher(world, receiver(77), 100)
    alone = {name: body[name] for name in ("channel_id", "max_claimable_units", "signature")}
    assert code(shards.send(alone)) == "channel_unknown"
    lying = body | {"channel": body["channel"] | {"receiver": checksum(receiver(78))}}
    assert code(shards.send(lying)) == "voucher_malformed"
    stranger = Person(secrets.token_bytes(32))
    assert code(shards.send(voucher(world, receiver(77), 100, signer=stranger))) == "voucher_wrong_signer"
    assert world.one("SELECT count(*) FROM app.channel WHERE receiver = :a", a=receiver(77)) == 0
    key, world.session_key = world.session_key, stranger  # a key without a pool
    unfunded = voucher(world, receiver(77), 100)
    world.session_key = key
    assert code(shards.send(unfunded)) == "pool_unknown"
    assert world.one("SELECT count(*) FROM app.pool") == 1


@pytest.mark.parametrize("text", ["1.5", "0x", "0x" + "g" * 64, "0x" + "00" * 31, "x" * 66])
def test_asking_for_a_channel_that_is_none_costs_nobody_else_an_answer(world: World, shards: Shards, text: str) -> None:
    for asked, answer in ((text, "voucher_malformed"), ("0x" + secrets.token_hex(32), "channel_unknown")):
        assert code(shards.http.get(f"{shards.url(0)}/channels/{asked}")) == answer


def test_a_batch_answers_each_in_its_place(world: World, shards: Shards) -> None:
    before, agent = paid(world), receiver(4)
    bodies = [voucher(world, agent, 100 * step) for step in range(1, 11)]
    bodies.insert(3, voucher(world, agent, 100_000_000))
    bodies.insert(5, voucher(world, agent, 350) | {"signature": "0x"})
    answer = shards.batch(bodies)
    assert answer.status_code == 200
    told = [entry.get("code", entry.get("price_units")) for entry in answer.json()["results"]]
    assert told == [*["100"] * 3, "voucher_above_pool", "100", "voucher_malformed", *["100"] * 6]
    assert paid(world) == before + 1_000
    assert shards.batch([]).status_code == 422
    assert shards.batch(bodies[:1] * 1_001).status_code == 422


def test_the_wrong_shard_takes_it_as_well_and_both_stay_right(world: World, shards: Shards) -> None:
    before, agent = paid(world), receiver(5)
    owner = shards.owner(world.pool_id)
    for step in range(1, 21):
        answer = shards.send(voucher(world, agent, 10 * step), shard=(owner + step) % 2)
        assert (answer.status_code, answer.json()["price_units"]) == (200, "10"), answer.text
    for shard in (0, 1):
        assert shards.send(voucher(world, agent, 200), shard).json()["repeated"] is True
        assert code(shards.send(voucher(world, agent, 195), shard)) == "voucher_stale"
    assert paid(world) == before + 200


def test_200_clients_race_20_channels_of_one_pool(world: World, shards: Shards) -> None:
    """Whatever is taken, in whatever order and by whichever shard: all books agree, and the pool is never exceeded."""
    before = paid(world)
    left = POOL - before
    step = left // 150  # far more is asked for than the pool holds
    bodies = [
        voucher(world, receiver(1_000 + channel), step * ceiling) for channel in range(20) for ceiling in range(1, 21)
    ]
    random.Random(5).shuffle(bodies)
    clients = [bodies[number::200] for number in range(200)]

    def client(number: int) -> list[tuple[str, int, str]]:
        told = []
        for place, body in enumerate(clients[number]):
            shard = (number + place) % 2
            answer = shards.send(body, shard)
            document = answer.json()
            told.append((body["channel_id"], answer.status_code, document.get("code", document.get("price_units"))))
        return told

    with ThreadPoolExecutor(64) as pool:
        outcomes = [entry for told in pool.map(client, range(200)) for entry in told]
    taken = sum(int(what) for _, status, what in outcomes if status == 200)
    codes = {what for _, status, what in outcomes if status != 200}
    assert codes <= {"voucher_stale", "voucher_above_pool"}, codes
    assert "voucher_above_pool" in codes
    assert paid(world) == before + taken
    assert paid(world) <= POOL
    assert POOL - paid(world) < step  # refused only what really did not fit
    again = {body["channel_id"]: shards.send(body) for body in bodies}
    assert all(answer.status_code in {200, 402, 409} for answer in again.values())
    assert paid(world) == before + taken + sum(
        int(answer.json()["price_units"]) for answer in again.values()
        if answer.status_code == 200 and not answer.json()["repeated"]
    )  # fmt: skip
