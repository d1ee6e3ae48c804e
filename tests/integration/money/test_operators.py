"""Epochs of operator keys: two serve at once, each its own pools; one that is over finishes, and its pools move on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace

import pytest

from aicp.abi.signing import recover
from aicp.abi.typed_data import BidReceipt, PoolWithdraw, ReceiveWithAuthorization
from aicp.rules.deployment import OperatorEpoch
from aicp.rules.ids import pool_deposit_nonce, pool_id, pool_key
from aicp.rules.primitives import hex0x
from backend.auctions import view as auctions
from backend.context import OperatorSigner, load_context
from backend.db.times import moment
from backend.deals.models import Deal
from backend.errors import Conflict, InvalidInput, InvalidSignature
from backend.network import service as network
from backend.payments import moves, pools
from backend.payments.channels import lane
from backend.payments.errors import PoolClosing, RetiredOperator
from backend.payments.models import MicroOrder
from backend.payments.receipts import earn
from backend.payments.schemas import PoolDepositIn, PoolMoveIn, PoolMoveOut, PoolWithdrawIn
from backend.settings import Settings
from backend.wallet import service as wallet
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

PRICE = 400_000
DAY = 86_400

Epoch = tuple[OperatorSigner, int, int | None]


def serve(world: World, *epochs: Epoch) -> None:
    """Go on with these keys, as after a restart: each from and until so many seconds from now."""
    now = world.clock()
    listed = tuple(
        OperatorEpoch(
            address=signer.address,
            from_time=moment(now + start),
            until=None if end is None else moment(now + end),
        )
        for signer, start, end in epochs
    )
    world.ctx = replace(
        world.ctx,
        signers=tuple(signer for signer, _, _ in epochs),
        deployment=replace(world.ctx.deployment, operators=listed),
    )
    world.machine = replace(world.machine, ctx=world.ctx)


@pytest.fixture
def old(world: World, _as_before: None) -> OperatorSigner:
    return world.ctx.operator


@pytest.fixture
def new() -> OperatorSigner:
    return OperatorSigner.from_hex(hex0x(secrets.token_bytes(32)))


@pytest.fixture(autouse=True)
def _as_before(world: World) -> Iterator[None]:
    """Every test begins with one key that serves for ever, and a session key of its own."""
    world.session_key = replace(world.session_key, key=secrets.token_bytes(32))
    first = OperatorSigner.from_hex(world.ctx.settings.operator_key.get_secret_value())
    serve(world, (first, -10 * DAY, None))
    yield
    world.turn()


def claimed(world: World, channel_id: bytes) -> int:
    row = world.sql("SELECT total_claimed_units FROM chain.channel WHERE channel_id = :id", id=channel_id)
    return int(row[0][0]) if row else 0


def channel_of(world: World, operator: OperatorSigner) -> bytes:
    return lane(
        world.ctx, payer=world.buyer.address, payer_authorizer=world.session_key.address,
        receiver=world.agent.address, operator=operator.address,
    ).channel_id  # fmt: skip


def operator_of(deal: Deal) -> bytes:
    return deal.operator


def test_two_operators_serve_at_once_and_each_goes_on_with_its_own(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    world.deposit(2 * USDC)
    under_old = world.pool_id
    first = world.deal(PRICE)
    world.place(first, world.order(first, PRICE))
    world.deliver(first)

    serve(world, (new, -60, None), (old, -DAY, 7 * DAY))
    assert world.ctx.operator is new
    second = world.deal(PRICE)
    assert operator_of(second) == old.address, "the buyer's pool stays with its operator until it is moved"
    third = world.deal(9 * USDC)
    assert operator_of(third) == new.address, "what that pool does not cover goes to whom new pools name"
    with pytest.raises(RetiredOperator):
        world.write(lambda s: pools.deposit(s, replace(world.ctx, signers=(new,)), *deposit_of(world, old)))

    world.deposit(10 * USDC)
    assert world.pool_id != under_old
    world.place(third, world.order(third, 9 * USDC))
    fourth = world.deal(PRICE)
    assert operator_of(fourth) == new.address, "with a pool under both it is the newer one"
    serve(world, (old, -DAY, 7 * DAY), (new, -60, None))
    assert world.ctx.operator.address == new.address, "the order of the keys does not decide"
    world.ctx = replace(world.ctx, signers=(old, new))

    as_old(world, old, new)
    world.place(second, world.order(second, 2 * PRICE))
    world.deliver(second)
    world.judge(second, accepted=True)
    world.judge(first, accepted=True)
    as_new(world, old, new)
    world.deliver(third)
    world.judge(third, accepted=True)
    receipts = world.sql(
        "SELECT operator, max(total_claimed_units) FROM app.receipt r JOIN app.channel c USING (channel_id)"
        " JOIN app.pool p USING (pool_id, operator) WHERE p.payer_authorizer = :key GROUP BY operator",
        key=world.session_key.address,
    )
    assert {(bytes(who), int(total)) for who, total in receipts} == {
        (old.address, 2 * PRICE), (new.address, 9 * USDC),
    }  # fmt: skip
    world.clock.added += world.ctx.constants.settle_age_seconds
    assert sweeps.settle(world.machine) == 2
    world.until(
        lambda: (
            claimed(world, channel_of(world, old)) == 2 * PRICE and claimed(world, channel_of(world, new)) == 9 * USDC
        ),
        "both claims are on chain, each signed by its own key",
    )


def deposit_of(world: World, operator: OperatorSigner) -> tuple[bytes, PoolDepositIn]:
    return world.buyer.address, PoolDepositIn(
        payer_authorizer=world.session_key.address, operator=operator.address, amount_units=1,
        valid_before=world.clock() + 60, salt=bytes(32), signature=bytes(65),
    )  # fmt: skip


def as_old(world: World, old: OperatorSigner, new: OperatorSigner) -> None:
    """Let the test's buyer sign for his pool under the older operator; the service serves both."""
    serve(world, (old, -60, 7 * DAY), (new, -DAY, None))


def as_new(world: World, old: OperatorSigner, new: OperatorSigner) -> None:
    serve(world, (new, -60, None), (old, -DAY, 7 * DAY))


def test_an_operator_whose_time_is_over_takes_nothing_new_and_finishes_the_rest(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    world.deposit(2 * USDC)
    reserved, awarded = world.deal(PRICE), world.deal(PRICE)
    world.place(reserved, world.order(reserved, 2 * PRICE))
    late_order, channel = world.order(awarded, 2 * PRICE), world.lane().channel_id
    order_hash = world.order_hash(reserved)

    serve(world, (new, -60, None))
    with pytest.raises(RetiredOperator):
        world.write(lambda s: earn(s, world.ctx, s.get_one(MicroOrder, order_hash)))

    serve(world, (new, -60, None), (old, -DAY, -30))
    with pytest.raises(RetiredOperator):
        world.place(awarded, late_order)
    with pytest.raises(RetiredOperator):
        world.write(lambda s: pools.deposit(s, world.ctx, *deposit_of(world, old)))
    assert operator_of(world.deal(PRICE)) == new.address
    world.deliver(reserved)
    world.clock.added += 700
    assert sweeps.keep(world.machine) >= 1, "silence accepts what was delivered"
    receipt = world.sql("SELECT operator, total_claimed_units FROM app.receipt WHERE channel_id = :id", id=channel)
    assert [(bytes(who), int(total)) for who, total in receipt] == [(old.address, PRICE)]
    world.clock.added += world.ctx.constants.settle_age_seconds
    assert sweeps.settle(world.machine) == 1
    world.until(lambda: claimed(world, channel) == PRICE, "its claim is on chain")


def move_of(world: World, old_pool: bytes, target: OperatorSigner, units: int, lifetime: int = 2 * DAY) -> PoolMoveIn:
    """What a buyer signs to move so much of a pool to another operator, with the same session key."""
    nonce = int(world.one("SELECT nonce FROM chain.pool WHERE pool_id = :id", id=old_pool))
    out = PoolWithdraw(pool_id=old_pool, amount=units, cancel=False, nonce=nonce, valid_until=world.clock() + 600)
    new_pool = pool_id(
        pool_key(world.buyer.address, world.session_key.address, target.address), world.ctx.domains.channel
    )
    salt, before = secrets.token_bytes(32), world.clock() + lifetime
    back = ReceiveWithAuthorization(
        from_=world.buyer.address, to=world.ctx.deployment.payment_channel, value=units, valid_after=0,
        valid_before=before, nonce=pool_deposit_nonce(new_pool, salt),
    )  # fmt: skip
    return PoolMoveIn(
        withdrawal=PoolWithdrawIn(
            amount_units=units, nonce=nonce, valid_until=out.valid_until,
            signature=world.buyer.sign(out, world.ctx.domains.channel),
        ),
        deposit=PoolDepositIn(
            payer_authorizer=world.session_key.address, operator=target.address, amount_units=units,
            valid_before=before, salt=salt, signature=world.buyer.sign(back, world.ctx.domains.token),
        ),
    )  # fmt: skip


def ask_move(world: World, pool: bytes, given: PoolMoveIn) -> PoolMoveOut:
    return world.write(lambda s: moves.move(s, world.ctx, pool, world.buyer.address, given))


def moved(world: World, pool: bytes) -> PoolMoveOut:
    return world.read(lambda s: moves.read(s, world.ctx, pool, world.buyer.address))


def releases(world: World, pool: bytes) -> list[str]:
    rows = world.sql(
        "SELECT state FROM txm.intent WHERE kind = 'pool_release' AND reference->>'pool_id' = :id ORDER BY created_at",
        id=hex0x(pool),
    )
    return [row[0] for row in rows]


def balance(world: World, pool: bytes) -> int:
    rows = world.sql("SELECT balance_units FROM chain.pool WHERE pool_id = :id", id=pool)
    return int(rows[0][0]) if rows else 0


def test_two_signatures_move_a_pool_to_the_next_operator(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    """Nobody waits a day: the operator lets the withdrawal go, as what stays covers all that is promised."""
    world.deposit(5 * USDC)
    pool = world.pool_id
    done, under_way = world.deal(PRICE), world.deal(PRICE)
    world.place(done, world.order(done, PRICE))
    world.deliver(done)
    world.judge(done, accepted=True)
    world.place(under_way, world.order(under_way, 2 * PRICE))
    world.deliver(under_way)
    serve(world, (new, -60, None), (old, -DAY, -30))
    free = 5 * USDC - 2 * PRICE
    given = move_of(world, pool, new, free)
    wrong = given.model_copy(update={"deposit": given.deposit.model_copy(update={"amount_units": free - 1})})
    with pytest.raises(InvalidSignature):
        ask_move(world, pool, wrong)
    with pytest.raises(InvalidInput, match="outlive"):
        ask_move(world, pool, move_of(world, pool, new, free, lifetime=DAY - 1))
    with pytest.raises(RetiredOperator):
        ask_move(world, pool, move_of(world, pool, old, free))

    before = world.usdc_of(world.buyer.address)
    asked = ask_move(world, pool, given)
    assert (asked.state, asked.deposit) == ("withdrawing", None)
    assert ask_move(world, pool, given).withdrawal.id == asked.withdrawal.id, "asked twice, done once"
    sweeps.sweep_transactions(world.machine)
    world.mirror()
    assert int(world.one("SELECT withdraw_units FROM chain.pool WHERE pool_id = :id", id=pool)) == free
    for _ in range(2):
        sweeps.keep(world.machine)
        world.clock.added += 40
    assert releases(world, pool) == [], "not before it is final: a reorg could put a larger one in its place"
    world.until(lambda: world.intent_state(asked.withdrawal.id) == "final", "the withdrawal is announced")
    world.turn()
    sweeps.keep(world.machine)
    assert releases(world, pool) == [], "not before every process has seen the withdrawal"
    world.clock.added += 31
    sweeps.keep(world.machine)
    world.until(lambda: releases(world, pool) == ["final"], "the operator lets it go")
    world.later(16 * 60)
    sweeps.keep(world.machine)
    world.until(lambda: balance(world, pool) == 2 * PRICE, "paid out after a quarter of an hour")
    world.turn()
    sweeps.keep(world.machine)
    world.until(lambda: balance(world, world.pool_id) == free, "and deposited again, with nobody's help")
    world.turn()
    assert world.usdc_of(world.buyer.address) == before
    end = moved(world, pool)
    assert end.deposit is not None
    assert (end.state, end.target_pool_id) == ("depositing", world.pool_id)
    assert releases(world, pool) == ["final"], "once"

    assert world.state(under_way) == "completed", "silence has accepted it meanwhile"
    world.clock.added += world.ctx.constants.settle_age_seconds
    sweeps.settle(world.machine)
    world.until(lambda: claimed(world, channel_of(world, old)) == 2 * PRICE, "what stayed paid the agent in full")
    fresh = world.deal(PRICE)
    world.place(fresh, world.order(fresh, PRICE))


def test_a_withdrawal_is_not_let_go_while_agents_would_lose_by_it(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    world.deposit(2 * USDC)
    pool = world.pool_id
    deal = world.deal(PRICE)
    world.place(deal, world.order(deal, PRICE))
    world.deliver(deal)
    serve(world, (new, -60, None), (old, -DAY, -30))
    asked = ask_move(world, pool, move_of(world, pool, new, 2 * USDC))
    world.until(lambda: world.intent_state(asked.withdrawal.id) == "final", "announced")
    world.turn()
    for _ in range(2):
        sweeps.keep(world.machine)
        world.clock.added += 40
    assert releases(world, pool) == [], "the order in flight is not covered by what stays"
    world.judge(deal, accepted=True)
    sweeps.keep(world.machine)
    assert releases(world, pool) == [], "the receipt is not claimed"
    assert sweeps.settle(world.machine) == 1, "a withdrawal is pending: claimed at once"
    world.until(lambda: claimed(world, channel_of(world, old)) == PRICE, "claimed")
    world.turn()
    sweeps.keep(world.machine)
    assert releases(world, pool) == [], "more is asked for than there is: a claim in a reorg might want it back"


def test_a_cancelled_move_deposits_nothing(world: World, old: OperatorSigner, new: OperatorSigner) -> None:
    world.deposit(1 * USDC)
    pool = world.pool_id
    as_new(world, old, new)
    asked = ask_move(world, pool, move_of(world, pool, new, USDC // 2))
    world.until(lambda: world.intent_state(asked.withdrawal.id) == "final", "announced")
    world.turn()
    again = move_of(world, pool, new, USDC // 2)
    same = again.withdrawal.model_copy(update={"nonce": asked.nonce})
    with pytest.raises(Conflict, match="follows this withdrawal"):
        ask_move(world, pool, again.model_copy(update={"withdrawal": same}))
    nonce = int(world.one("SELECT nonce FROM chain.pool WHERE pool_id = :id", id=pool))
    message = PoolWithdraw(pool_id=pool, amount=0, cancel=True, nonce=nonce, valid_until=world.clock() + 600)
    cancel = PoolWithdrawIn(
        amount_units=0, cancel=True, nonce=nonce, valid_until=message.valid_until,
        signature=world.buyer.sign(message, world.ctx.domains.channel),
    )  # fmt: skip
    intent = world.write(lambda s: pools.withdraw(s, world.ctx, pool, world.buyer.address, cancel))
    world.until(lambda: world.intent_state(intent.id) == "final", "cancelled")
    world.turn()
    sweeps.keep(world.machine)
    end = moved(world, pool)
    assert (end.state, end.ended_reason, end.deposit) == ("ended", "withdrawal_cancelled", None)


def test_a_move_whose_withdrawal_was_not_carried_out_is_asked_for_again(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    world.deposit(1 * USDC)
    pool = world.pool_id
    as_new(world, old, new)
    first = move_of(world, pool, new, USDC // 2)
    asked = ask_move(world, pool, first)
    world.write(lambda s: wallet.cancel(s, world.ctx, asked.withdrawal.id, world.buyer.address))
    sweeps.keep(world.machine)
    ended = moved(world, pool)
    assert (ended.state, ended.ended_reason, ended.deposit) == ("ended", "withdrawal_failed", None)
    assert ask_move(world, pool, first) == ended, "what is only repeated changes nothing"

    world.clock.added += 1
    second = move_of(world, pool, new, USDC // 2)
    with pytest.raises(Conflict, match="sign another"):
        ask_move(world, pool, second.model_copy(update={"withdrawal": first.withdrawal}))
    asked = ask_move(world, pool, second.model_copy(update={"deposit": first.deposit}))
    assert (asked.state, asked.ended_reason) == ("withdrawing", None), "the deposit was signed for good"
    with pytest.raises(Conflict, match="follows this withdrawal"):
        ask_move(world, pool, second)

    world.write(lambda s: wallet.cancel(s, world.ctx, asked.withdrawal.id, world.buyer.address))
    sweeps.keep(world.machine)
    world.clock.added += 1
    asked = ask_move(world, pool, move_of(world, pool, new, USDC // 4))
    world.until(lambda: world.intent_state(asked.withdrawal.id) == "final", "announced")
    world.turn()
    sweeps.keep(world.machine)
    assert (moved(world, pool).state, moved(world, pool).amount_units) == ("withdrawing", USDC // 4)


def test_a_pool_that_leaves_takes_no_order(world: World, old: OperatorSigner, new: OperatorSigner) -> None:
    world.deposit(1 * USDC)
    pool = world.pool_id
    serve(world, (old, -60, 7 * DAY), (new, -DAY, None))
    deal = world.deal(PRICE)
    asked = ask_move(world, pool, move_of(world, pool, new, USDC))
    world.until(lambda: world.intent_state(asked.withdrawal.id) == "final", "announced")
    world.turn()
    with pytest.raises(PoolClosing):
        world.place(deal, world.order(deal, PRICE))
    assert operator_of(world.deal(PRICE)) == old.address, "no open pool anywhere: whom new pools name"


def test_a_bids_receipt_names_who_signed_it(world: World, old: OperatorSigner, new: OperatorSigner) -> None:
    task = world.post(PRICE)
    bid_hash = world.bid(task, world.agent, PRICE)
    serve(world, (new, -60, None), (old, -DAY, -30))
    for written in (True, False):
        shown = world.read(lambda s: auctions.bid_by_hash(s, world.ctx, bid_hash))
        digest = BidReceipt(bid_hash=bid_hash, seq=shown.seq).digest(world.ctx.domains.marketplace)
        assert shown.operator == recover(digest, shown.receipt_signature) == old.address, written
        world.sql("UPDATE app.bid SET operator = NULL WHERE bid_hash = :id", id=bid_hash)


def test_keys_come_from_the_environment_and_their_times_from_the_deployment(world: World) -> None:
    keys = [hex0x(bytes(31) + bytes([n])) for n in (1, 2)]
    given = world.ctx.settings.model_dump(exclude={"retired_operator_keys"})
    ctx = load_context(Settings(_env_file=None, **given, retired_operator_keys=",".join(keys)))
    others = [OperatorSigner.from_hex(key) for key in keys]
    assert ctx.operator.address == world.ctx.signers[0].address
    assert ctx.operators == (ctx.operator.address, *(signer.address for signer in others))
    assert ctx.operator_of(others[1].address) == others[1]
    assert ctx.operator_of(bytes(20)) is None
    assert not ctx.takes(others[0].address), "the deployment does not list it"
    assert all(key[2:] not in repr(ctx.settings) + repr(ctx) for key in keys)


def test_clients_learn_who_serves_who_will_and_who_has_served(
    world: World, old: OperatorSigner, new: OperatorSigner
) -> None:
    later, gone = (OperatorSigner.from_hex(hex0x(secrets.token_bytes(32))) for _ in range(2))
    serve(world, (new, -60, None), (old, -DAY, 60), (later, 3600, None), (gone, -2 * DAY, None))
    world.ctx = replace(world.ctx, signers=(new, old, later))
    now = moment(world.clock())
    listed = {one.address: one for one in network.network(world.ctx).operators}
    assert listed[new.address].until is None
    until = listed[old.address].until
    assert until is not None
    assert until > now, "both serve"
    assert listed[later.address].from_time > now
    ended = listed[gone.address].until
    assert ended is not None
    assert ended <= moment(world.clock()), "its key is not here"
    world.clock.added += 61
    assert not world.ctx.takes(old.address)
    world.clock.added += 3600
    assert world.ctx.operator is later, "the clock rotates, not a restart"
