"""Refusals between the two ways of paying, promised stake, and what strangers read of a deal."""

from __future__ import annotations

import json
import secrets

import pytest

from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import PoolWithdraw
from backend.deals import service
from backend.deals.errors import StakeShort
from backend.deals.models import Deal
from backend.errors import AuthorizationLive, InvalidInput
from backend.payments import pools
from backend.payments.schemas import PoolWithdrawIn
from backend.tasks import service as tasks
from backend.tasks import view as tasks_view
from backend.wallet.schemas import IntentOut
from tests.fixtures.moneylab import USDC, Person, World

POOL = 9 * USDC


@pytest.fixture(scope="module", autouse=True)
def funded(world: World) -> None:
    world.stake(world.agent, 100 * USDC)
    world.deposit(POOL)


def ask_back(world: World, units: int, *, cancel: bool) -> IntentOut:
    nonce = int(world.one("SELECT nonce FROM chain.pool WHERE pool_id = :id", id=world.pool_id))
    message = PoolWithdraw(
        pool_id=world.pool_id, amount=units, cancel=cancel, nonce=nonce, valid_until=world.clock() + 600
    )
    given = PoolWithdrawIn(
        amount_units=units, cancel=cancel, nonce=nonce, valid_until=message.valid_until,
        signature=world.buyer.sign(message, world.ctx.domains.channel),
    )  # fmt: skip
    return world.write(lambda s: pools.withdraw(s, world.ctx, world.pool_id, world.buyer.address, given))


def pending(world: World) -> int:
    return int(world.one("SELECT withdraw_units FROM chain.pool WHERE pool_id = :id", id=world.pool_id))


def test_cancelling_a_withdrawal_names_no_amount(world: World) -> None:
    before = world.one("SELECT count(*) FROM txm.intent")
    for units, cancel in ((1, True), (0, False)):
        with pytest.raises(InvalidInput):
            ask_back(world, units, cancel=cancel)
    assert world.one("SELECT count(*) FROM txm.intent") == before
    asked = ask_back(world, 2 * USDC, cancel=False)
    world.until(lambda: world.intent_state(asked.id) == "final", "the withdrawal is announced")
    world.turn()
    assert pending(world) == 2 * USDC
    cancelled = ask_back(world, 0, cancel=True)
    world.until(lambda: world.intent_state(cancelled.id) == "final", "the withdrawal is cancelled")
    world.turn()
    assert pending(world) == 0


def test_no_order_while_a_payment_into_escrow_of_the_same_task_may_still_be_used(world: World) -> None:
    task = world.post(12 * USDC)
    dear, cheap = world.bid(task, world.agent, 12 * USDC), world.bid(task, world.rival, 1 * USDC)
    first = world.award(task, dear)
    world.accept(first)
    world.pay(first)
    # the relayer never sends it, but the signature is out: whoever has it may still send it
    world.sql("UPDATE txm.intent SET state = 'cancelled' WHERE reference->>'deal_id' = :id", id=str(first.id))
    world.turn(rounds=1)

    def give_up(session):
        deal, locked = service.find(session, first.id, world.buyer.address), tasks.get_for_update(session, task.id)
        service.back_to_bids(session, world.ctx, deal, locked, "the agent left")

    world.write(give_up)
    second = world.award(task, cheap)
    assert (first.path, second.path) == ("escrow", "channel")
    with pytest.raises(AuthorizationLive):
        world.place(second, world.order(second, 1 * USDC))
    assert world.state(second) == "awaiting_payment"
    assert world.one("SELECT count(*) FROM app.micro_order WHERE deal_id = :id", id=second.id) == 0
    world.later(601)
    world.later(1)
    world.place(second, world.order(second, 1 * USDC))
    assert world.state(second) == "assigned"


def evidence(world: World, deal: Deal) -> tuple[str, str]:
    """Return all that is kept as evidence of a task's moves, and what everybody may read of it."""
    kept = [row[0] for row in world.sql("SELECT evidence FROM app.task_transition WHERE task_id = :t", t=deal.task_id)]
    moves = world.read(lambda s: tasks_view.history(s, tasks.get(s, deal.task_id)))
    return json.dumps(kept), json.dumps([move.model_dump(mode="json") for move in moves])


def test_the_public_history_of_a_task_holds_no_signature_and_no_amount(world: World) -> None:
    escrow = world.deal(12 * USDC)
    world.accept(escrow)
    world.pay(escrow)
    micro = world.deal(100_000, agent=world.rival)
    world.place(micro, world.order(micro, 2 * USDC))
    world.deliver(micro)
    world.judge(micro, accepted=True)
    for deal in (escrow, micro):
        kept, public = evidence(world, deal)
        assert '"signature"' in kept
        assert '"signature"' not in public
        assert "units" not in public
        signatures = {entry["signature"] for entry in json.loads(kept) if "signature" in entry}
        assert not any(signature in public for signature in signatures)
    world.until(lambda: world.state(escrow) == "assigned", "assigned")


def test_stake_promised_to_an_accepted_deal_is_not_free_for_another(world: World) -> None:
    agent = Person(secrets.token_bytes(32))
    world.chain.rpc("anvil_setBalance", "0x" + agent.address.hex(), hex(10**18))

    data = usdc_abi.encode_transfer(agent.address, 100 * USDC)
    world.send(world.rival.address, world.ctx.deployment.usdc, data)
    world.stake(agent, 100 * USDC)
    first, second = world.deal(300 * USDC, agent=agent), world.deal(300 * USDC, agent=agent)
    world.accept(first, agent=agent)
    with pytest.raises(StakeShort) as refused:
        world.accept(second, agent=agent)
    assert refused.value.extra == {"need_units": str(60 * USDC), "free_units": str(40 * USDC)}
    assert world.state(second) == "awaiting_acceptance"
    small = world.deal(200 * USDC, agent=agent)
    world.accept(small, agent=agent)
    world.pay(first)
    world.until(lambda: world.state(first) == "assigned", "assigned")
    tiny = world.deal(10 * USDC, agent=agent)
    with pytest.raises(StakeShort):
        world.accept(tiny, agent=agent)
