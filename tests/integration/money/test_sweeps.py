"""Rounds of a worker: a row that fails stops no other and tells no secret; idle rows starve nobody."""

from __future__ import annotations

import uuid

import pytest
import structlog
from celery.exceptions import SoftTimeLimitExceeded

from backend.deals import reconcile
from backend.deals import repo as deals_repo
from backend.deals.models import Deal
from backend.errors import Unavailable
from backend.settlement import service as settlement
from backend.worker import sweeps
from tests.fixtures.moneylab import USDC, World

SECRET = "describe my divorce papers"
IDLE = 600


def test_a_row_that_raises_is_logged_by_its_id_and_the_others_go_on(world: World, monkeypatch) -> None:
    deals = [world.deal(11 * USDC, description=SECRET) for _ in range(3)]
    broken, done = deals[1].id, []

    def act(session, ctx, deal_id: uuid.UUID) -> bool:
        deal = session.execute(deals_repo.by_id(deal_id)).scalar_one()
        if deal_id == broken:
            raise ValueError(f"cannot parse {SECRET!r}")
        done.append(deal.id)
        return True

    monkeypatch.setattr(reconcile, "live_deals", lambda _: [deal.id for deal in deals])
    monkeypatch.setattr(reconcile, "reconcile_deal", act)
    with structlog.testing.capture_logs() as lines:
        assert sweeps.reconcile(world.machine) == 2
    assert set(done) == {deals[0].id, deals[2].id}
    [line] = [line for line in lines if line["log_level"] == "error"]
    assert (line["item"], line["error"]) == (str(broken), "ValueError")
    assert any("test_sweeps.py" in place for place in line["where"]), "where it happened"
    assert SECRET not in str(lines)


@pytest.mark.parametrize("error", [SoftTimeLimitExceeded, Unavailable])
def test_the_end_of_time_and_a_silent_database_end_the_round(world: World, error) -> None:
    seen = []

    def act(session, ctx, item: bytes) -> bool:
        seen.append(item)
        raise error

    with pytest.raises(error):
        sweeps._each(world.machine, [bytes([n]) for n in range(9)], act)
    assert len(seen) == (1 if error is SoftTimeLimitExceeded else sweeps.SILENT_AFTER)


def test_one_row_without_an_answer_does_not_end_the_round(world: World) -> None:
    def act(session, ctx, item: bytes) -> bool:
        if item == bytes(1):
            raise Unavailable
        return True

    assert sweeps._each(world.machine, [bytes(1), bytes(2), bytes(3)], act) == 2


def copies(world: World, table: str, original: uuid.UUID, changes: dict[str, str]) -> None:
    """Copy a row IDLE times, with SQL for the columns that change."""
    names = [row[0] for row in world.sql(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'app' AND table_name = :t "
        "AND is_generated = 'NEVER'", t=table,
    )]  # fmt: skip
    values = ", ".join(changes.get(name, f'"{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    world.sql(
        f'INSERT INTO app."{table}" ({columns}) SELECT {values} FROM app."{table}", '
        f"generate_series(4097, 4096 + {IDLE}) n WHERE id = :id",
        id=original,
    )


def idle_deals(world: World, like: Deal) -> None:
    """Add deals that wait for ever, all older than anything else."""
    numbered = "CAST(lpad(to_hex(n), 32, 'a') AS uuid)"
    unique = "decode(lpad(to_hex(n), 64, 'a'), 'hex')"
    copies(
        world, "task", like.task_id,
        {"id": numbered, "task_hash": unique, "salt": unique, "deal_id": "NULL",
         "state_since": "state_since - interval '1 day'"},
    )  # fmt: skip
    copies(world, "deal", like.id, {"id": numbered, "task_id": numbered})
    world.sql("UPDATE app.task SET deal_id = id WHERE CAST(id AS text) LIKE 'aaaaaaaa-%'")


def test_idle_deals_never_starve_a_newer_one(world: World) -> None:
    world.stake(world.agent)
    late = world.deal(12 * USDC)
    world.accept(late)
    world.pay(late)
    sweeps.sweep_transactions(world.machine)
    world.chain.mine(4)
    world.mirror()
    idle_deals(world, world.deal(11 * USDC))
    assert world.read(reconcile.live_deals) == [late.id], "nobody has paid the others"
    world.sql("UPDATE app.task SET state = 'funding' WHERE CAST(id AS text) LIKE 'aaaaaaaa-%'")
    live = world.read(reconcile.live_deals)
    assert live.index(late.id) >= IDLE, "all the idle ones come before it"
    sweeps.reconcile(world.machine)
    assert world.state(late) == "assigned", "one round looks at all of them"


def test_receipts_that_cannot_be_signed_hold_up_no_claim(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> int:
        raise RuntimeError("the key's service is gone")

    monkeypatch.setattr(sweeps, "sign_receipts", fail)
    monkeypatch.setattr(settlement, "settle", lambda _: 3)
    assert sweeps.settle(world.machine) == 3
