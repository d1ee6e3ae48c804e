"""How many bids an agent and a task may have, and that an award over as many as there may be can still be checked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, insert

from aicp.abi.signing import SigningKey
from aicp.abi.typed_data import Bid, BidReceipt
from aicp.cli.main import cli
from aicp.rules.primitives import keccak, parse_hash
from backend.auctions import checks
from backend.auctions.models import Bid as BidRow
from backend.db.engine import sync_url
from backend.db.times import moment
from tests.fixtures.apihost import Host, code_of

Task = dict[str, Any]
WEIGHTS = {"price": 7_000, "reputation": 1_000, "time": 2_000, "specialty": 0}


@pytest.fixture(autouse=True)
def on_time(host: Host) -> Iterator[None]:
    """Give the clock back as it was."""
    yield
    host.clock.added = 0


def test_an_agent_bids_so_often_withdrawn_or_not(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.MOST_BIDS_OF_AGENT == 20
    monkeypatch.setattr(checks, "MOST_BIDS_OF_AGENT", 3)
    task, one, other = host.wallet().post_task(), host.wallet(), host.wallet()
    one.withdraw(task, one.bid(task))
    for _ in range(2):
        one.bid(task)
    refused = one.http.post(f"/tasks/{task['id']}/bids", json=one.bid_body(task))
    assert code_of(refused) == (409, "too_many_bids")
    assert refused.json()["most"] == 3
    assert other.bid(task)["seq"] == 4, "who was refused has left nothing behind"
    again = host.wallet().post_task()
    assert one.bid(again)["seq"] == 1


def test_sealed_bids_are_counted_as_well(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "MOST_BIDS_OF_AGENT", 2)
    task, one, other = host.wallet().post_task(reveal_seconds=60), host.wallet(), host.wallet()
    first, _ = one.commit(task)
    one.withdraw_commit(task, first)
    shown = one.commit(task)
    body = one.commit_body(task, one.bid_body(task, valid_until=host.clock() + 7_200))
    assert code_of(one.http.post(f"/tasks/{task['id']}/commits", json=body)) == (409, "too_many_bids")
    assert other.commit(task)[0]["seq"] == 3
    host.clock.added = 301
    assert one.reveal(task, *shown).status_code == 200, "showing one is no other bid"


def test_a_task_takes_so_many_bids(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.MOST_BIDS == 2_000
    monkeypatch.setattr(checks, "MOST_BIDS", 2)
    buyer, one, other = host.wallet(), host.wallet(), host.wallet()
    task, sealed = buyer.post_task(), buyer.post_task(reveal_seconds=60)
    for _ in range(2):
        one.bid(task)
        one.commit(sealed)
    assert code_of(other.http.post(f"/tasks/{task['id']}/bids", json=other.bid_body(task))) == (409, "auction_full")
    body = other.commit_body(sealed, other.bid_body(sealed, valid_until=host.clock() + 7_200))
    assert code_of(other.http.post(f"/tasks/{sealed['id']}/commits", json=body)) == (409, "auction_full")


def fill(host: Host, task: Task, agents: int) -> None:
    """Let agents bid as often as one may each, every bid and receipt signed, but without the requests."""
    domain, operator = host.ctx.domains.marketplace, host.ctx.operator
    now, task_hash = host.clock(), parse_hash(task["task_hash"])
    rows: list[dict[str, Any]] = []
    for number in range(agents):
        key = SigningKey(keccak(b"bidder %d" % number))
        for _ in range(checks.MOST_BIDS_OF_AGENT):
            seq = len(rows) + 1
            bid = Bid(
                task_hash=task_hash, agent=key.address, amount=20_000_000 - seq * 100, eta_seconds=600,
                escrow_only=False, valid_until=now + 3_600, salt=keccak(b"salt %d" % seq),
            )  # fmt: skip
            digest = bid.digest(domain)
            receipt = operator.sign(BidReceipt(bid_hash=digest, seq=seq).digest(domain))
            rows.append({
                "bid_hash": digest, "task_id": uuid.UUID(task["id"]), "agent": key.address, "amount_units": bid.amount,
                "eta_seconds": 600, "escrow_only": False, "valid_until": bid.valid_until, "salt": bid.salt,
                "signature": key.sign(digest), "seq": seq, "receipt_signature": receipt, "operator": operator.address,
                "received_at": moment(now),
            })  # fmt: skip
    engine = create_engine(sync_url(host.database_url))
    with engine.begin() as connection:
        connection.execute(insert(BidRow), rows)
    engine.dispose()


def test_an_award_over_all_the_bids_a_task_may_have_is_made_in_time_and_verified(host: Host) -> None:
    buyer, late = host.wallet(), host.wallet()
    task = buyer.post_task(award_weights=WEIGHTS)
    fill(host, task, checks.MOST_BIDS // checks.MOST_BIDS_OF_AGENT)
    assert code_of(late.http.post(f"/tasks/{task['id']}/bids", json=late.bid_body(task))) == (409, "auction_full")
    answer = buyer.award(task)
    assert answer.status_code == 200, answer.text
    assert answer.json()["bid_count"] == checks.MOST_BIDS
    told = CliRunner().invoke(cli, ["award", "verify", task["id"], "--url", host.url])
    assert told.exit_code == 0, told.output
    assert "2000 bids, each signed by its agent and receipted" in told.output
    assert "gives this winner" in told.output
