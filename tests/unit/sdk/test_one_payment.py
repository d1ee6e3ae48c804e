"""A task is paid once, whatever the service says: one payment is kept for each, and another needs the chain's word."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from aicp.abi.enums import Status
from aicp.abi.typed_data import Acceptance
from aicp.client import BuyerActions, ClientError, Mismatch, NotDue, models
from aicp.client import chain as chain_module
from aicp.client.purchase import Purchase, Wishes
from aicp.client.store import SignedPayment, Store
from aicp.client.verify import terms_message
from aicp.rules.ids import escrow_id as id_of
from aicp.rules.primitives import hex0x
from tests.unit.sdk.builders import AGENT, BUYER, DEAL_ID, NOW, TASK_ID, chain, deal_json
from tests.unit.sdk.onchain import OnChain
from tests.unit.sdk.test_actions import Recorder, market, still_clock

__all__ = ["still_clock"]

ENDS = NOW + 800
PRICE = 25_000_000


def composed(number: int, lasts: int = ENDS) -> models.Deal:
    """The deal with terms under another salt, which its agent has accepted."""
    made = copy.deepcopy(deal_json("escrow", state="awaiting_payment"))
    escrow = made["escrow"]
    escrow["terms"]["salt"] = hex0x(number.to_bytes(32))
    found = id_of(terms_message(models.Terms.read(escrow["terms"])), chain().escrow)
    acceptance = Acceptance(escrow_id=found, valid_until=lasts)
    escrow |= {
        "escrow_id": hex0x(found), "acceptance_valid_until": lasts,
        "acceptance_signature": hex0x(AGENT.sign_digest(acceptance.digest(chain().escrow))),
    }  # fmt: skip
    made["actions"] = [
        {"name": "pay", "who": "buyer", "allowed": True, "reason": "", "due": None, "otherwise": None}
    ]  # fmt: skip
    return models.Deal.read(made)


def recorder() -> Recorder:
    return Recorder(**{f"/deals/{DEAL_ID}/authorization": deal_json("escrow")})


def clock(monkeypatch: pytest.MonkeyPatch, now: int) -> None:
    monkeypatch.setattr(chain_module.Chain, "now", lambda _: now)


@pytest.mark.asyncio
async def test_a_task_gets_no_second_payment_while_the_first_can_be_carried_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    OnChain(status=Status.NONE, final_time=ENDS + 1).install(monkeypatch)
    service = recorder()
    own = market(BUYER, service, tmp_path, rpc_url="http://localhost:8545")
    await Purchase(own, Wishes(), lambda _: None)._pay(composed(1))
    for number in (2, 3):
        again = market(BUYER, service, tmp_path, rpc_url="http://localhost:8545")  # as after a restart
        with pytest.raises(NotDue, match="can still be carried out"):
            await Purchase(again, Wishes(), lambda _: None)._pay(composed(number))
    assert len(service.posts) == 1


@pytest.mark.asyncio
async def test_the_same_terms_get_the_same_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = recorder()
    actions = BuyerActions(market(BUYER, service, tmp_path))
    await actions.pay(composed(1, NOW + 890))
    clock(monkeypatch, NOW + 5)
    await actions.pay(composed(1, NOW + 890))
    first, second = (body for _, body in service.posts)
    assert first == second


@pytest.mark.asyncio
async def test_a_payment_is_kept_before_its_signature_leaves(tmp_path: Path) -> None:
    """The service answers nothing that says it got the first one."""
    service = Recorder()
    with pytest.raises(ClientError, match="404"):
        await BuyerActions(market(BUYER, service, tmp_path)).pay(composed(1))
    with pytest.raises(NotDue):
        await BuyerActions(market(BUYER, service, tmp_path)).pay(composed(2))
    assert len(service.posts) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("seen", "refused"),
    [
        (OnChain(status=Status.NONE, final_time=ENDS), None),
        (OnChain(status=Status.CLOSED, refunded=PRICE), None),
        (OnChain(status=Status.NONE, final_time=ENDS - 1), "not in a final block"),
        (OnChain(status=Status.FUNDED), "is paid"),
        (OnChain(status=Status.SUBMITTED), "is paid"),
        (OnChain(status=Status.CLOSED, released=PRICE), "is paid"),
        (OnChain(status=Status.CLOSED, released=1, refunded=PRICE - 1), "is paid"),
        (OnChain(down=True), "did not answer"),
        (None, "an RPC of your own"),
    ],
)
async def test_later_only_the_chain_makes_room_for_another_payment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: OnChain | None, refused: str | None
) -> None:
    service = recorder()
    if seen is not None:
        seen.install(monkeypatch)
    actions = BuyerActions(market(BUYER, service, tmp_path, rpc_url=seen and "http://localhost:8545"))
    first = composed(1)
    store = await actions.market.store()
    assert first.escrow is not None
    early = SignedPayment(
        task_id=TASK_ID, task_hash=first.task_hash, escrow_id=first.escrow.escrow_id, units=PRICE, valid_before=NOW
    )
    assert store.keep_payment(early) == early
    if seen is not None:
        seen.final_time -= ENDS - NOW
    if refused is None:
        await actions.pay(composed(2))
        with pytest.raises(NotDue, match="can still be carried out"):
            await actions.pay(composed(3))
    else:
        with pytest.raises(ClientError, match=refused):
            await actions.pay(composed(2))
    assert len(service.posts) == (refused is None)


def test_two_processes_never_put_their_payments_in_each_others_place(tmp_path: Path) -> None:
    one, other = Store(tmp_path / "store.sqlite"), Store(tmp_path / "store.sqlite")
    first, second, third = (
        SignedPayment(task_id=TASK_ID, task_hash=bytes(32), escrow_id=bytes([n]) * 32, units=n, valid_before=n)
        for n in (1, 2, 3)
    )
    assert one.keep_payment(first) == other.keep_payment(second) == first
    assert one.replace_payment(first, second)
    assert not other.replace_payment(first, third)
    assert other.keep_payment(third) == second


@pytest.mark.asyncio
async def test_a_deal_of_another_task_or_above_the_budget_is_not_paid(tmp_path: Path) -> None:
    made: dict[str, Any] = composed(1).model_dump(mode="json")
    service = Recorder(**{f"/deals/{DEAL_ID}": made})
    own = market(BUYER, service, tmp_path)
    task = models.Task.model_construct(
        id=TASK_ID, task_hash=bytes(32), deal_id=DEAL_ID, state="awarded", public_state="awarded"
    )
    with pytest.raises(Mismatch, match="another task"):
        await Purchase(own, Wishes(), lambda _: None)._step(task)
    with pytest.raises(Mismatch, match="above the task's budget"):
        await BuyerActions(own).pay(models.Deal.read(deal_json("escrow", PRICE + 1, state="awaiting_payment")))
    assert service.posts == []
