"""A task goes on without its dead agent, and sealed bids stay sealed until they are shown, as a buyer sees it.

A killed agent is waited for until its delivery is missed; the sealed auction takes place meanwhile, and as long.
"""

from __future__ import annotations

import re
import secrets
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGKILL
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from aicp.client import AgentActions, Market, Wallet, models
from aicp.rules.primitives import checksum
from scripts.devnet.probes import log_says
from scripts.devnet.process import Service
from scripts.devnet.session import Devnet
from tests.e2e import engraver, pages
from tests.e2e.seat import Seat
from tests.e2e.waiting import until
from tests.e2e.wallet import Wallet as BrowserWallet

HERE = Path(__file__).parent
HIGH, LOW = 4_130_000, 3_170_000
"""Prices that occur nowhere else on a page."""
PRICES = re.compile(r"4\.13|3\.17")
PRICE = "0.40"
MISSED_MS = 90_000
"""The half minute an agent has, the keeper's margin, and the next agent's answer, with patience."""


@pytest.fixture
def engravers(devnet: Devnet, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Two agents of the same trade, each a process of its own: the names of the processes by address."""
    running: dict[str, str] = {}
    services = []
    for name in ("engraver-one", "engraver-two"):
        wallet = Wallet.from_key(key := secrets.token_hex(32))
        command = (sys.executable, "-m", "aicp.cli.main", "agent", "run", "engraver", "--url", devnet.url)
        env = {"AICP_KEY": key, "AICP_HOME": str(tmp_path / name), "ENGRAVER": name, "ENGRAVER_DESK": str(tmp_path)}
        ready = log_says(b"is registered as")
        services.append(Service(name=name, label=name, command=command, env=env, ready=ready, cwd=HERE))
        running[checksum(wallet.address)] = name
    devnet.session.supervisor.start(*services)
    yield running
    for name in running.values():
        devnet.stop(name)


def read(page: Page, path: str) -> Any:
    """What the API tells the page's user."""
    answer = page.request.get(f"/api/v1{path}")
    assert answer.ok, answer.text()
    return answer.json()


def offers(page: Page) -> Locator:
    """Whom the scheduler has asked, in the order in which it did."""
    return page.get_by_role("list", name="Offers, oldest first").get_by_role("listitem")


def give_away(page: Page) -> str:
    """Post a task without an auction and sign the highest price; return the task's id."""
    pages.fill_task(page, title="Engrave a plate", budget=PRICE, capability=engraver.CAPABILITY)
    page.get_by_label("Deliver within").select_option(label="30 seconds")
    page.get_by_label("Assign at once").check()
    task_id = pages.send_task(page)
    pages.sign_sheet(page)
    expect(offers(page).first).to_be_visible()
    return task_id


def pay_next(page: Page, task_id: str, *, asked: int) -> str:
    """Follow the task to the deal with the agent that has taken it and pay from the pool; return the deal's id."""
    page.goto(f"/tasks/{task_id}")
    expect(offers(page)).to_have_count(asked, timeout=MISSED_MS)
    expect(offers(page).last).to_contain_text("took it")
    expect(pages.main(page).get_by_text("The task is waiting for payment.")).to_be_visible()
    pages.main(page).get_by_role("link", name="Open the deal").click()
    page.wait_for_url(re.compile(r"/deals/[0-9a-f-]{36}$"))
    pages.main(page).get_by_role("button", name=f"Pay {PRICE} USDC from pool").click()
    expect(pages.main(page).get_by_text("Running", exact=True).first).to_be_visible()
    return page.url.rsplit("/", 1)[1]


def commit(seat: Seat, task_id: str, units: int) -> models.Commit:
    """Seal a bid."""

    async def step(market: Market) -> models.Commit:
        task = await market.task(uuid.UUID(task_id))
        assert task.reveal_ends_at is not None
        until = int(task.reveal_ends_at.timestamp()) + 600
        return await AgentActions(market).commit_bid(task, amount_units=units, eta_seconds=60, valid_until=until)

    return seat.act(step)


def show(seat: Seat, task_id: str, made: models.Commit) -> models.Bid:
    """Show what a sealed bid hides."""

    async def step(market: Market) -> models.Bid:
        return await AgentActions(market).reveal_bid(await market.task(uuid.UUID(task_id)), made.bid_hash)

    return seat.act(step)


def sealed_auction(page: Page, stays: Seat, leaves: Seat) -> None:
    """Post a task with sealed bids; of two agents one takes its bid back, the other shows it and wins by the rule."""
    pages.fill_task(page, title="Letter a sign", budget="5", capability="lettering")
    page.get_by_label("Auction length").select_option(label="30 seconds")
    page.get_by_text("Auction options").click()
    page.get_by_label("Winner").select_option(label="By the published rule")
    page.get_by_label("Bids", exact=True).select_option(label="Sealed, shown within 1 minute")
    task_id = pages.send_task(page)
    high, low = commit(stays, task_id, HIGH), commit(leaves, task_id, LOW)
    sealed = pages.main(page).get_by_role("region", name="Sealed bids", exact=True)
    expect(sealed).to_contain_text("2 sealed. The auction ends in")
    leaves.act(lambda market: AgentActions(market).withdraw_commit(uuid.UUID(task_id), low.bid_hash))
    expect(sealed).to_contain_text("1 sealed. The auction ends in")
    expect(sealed.get_by_text("withdrawn", exact=True)).to_have_count(1)
    expect(pages.main(page)).not_to_contain_text(PRICES)
    assert read(page, f"/tasks/{task_id}/bids") == [], "nor does the service tell it to who asks"

    expect(pages.main(page).get_by_text("Revealing bids", exact=True)).to_be_visible(timeout=60_000)
    expect(sealed).to_contain_text("0 of 1 shown. Time left to show")
    expect(pages.main(page)).not_to_contain_text(PRICES)

    show(stays, task_id, high)
    award = pages.main(page).get_by_role("region", name="The award")
    expect(award).to_contain_text("The published rule chose the winner.")
    expect(award).to_contain_text("4.13 USDC")
    expect(award).to_contain_text("withdrawn by its agent")
    expect(pages.main(page).get_by_role("region", name="Bids that were shown")).to_contain_text("4.13")
    expect(sealed).to_contain_text("1 of 2 were shown.")
    award.get_by_role("button", name="Recompute").click()
    expect(award).to_contain_text("the rule, applied to the signed bids, gives this winner")
    expect(pages.main(page)).not_to_contain_text("3.17")
    pages.shoot(page, "sealed-after")
    deal = read(page, f"/deals/{read(page, f'/tasks/{task_id}')['deal_id']}")
    assert (deal["agent"], int(deal["price_units"])) == (stays.address, HIGH)


@pytest.mark.timeout(400)
def test_the_next_agent_takes_over_from_a_dead_one_and_sealed_bids_stay_sealed_meanwhile(
    devnet: Devnet,
    wallet: BrowserWallet,
    open_page: Callable[..., Page],
    engravers: dict[str, str],
    tmp_path: Path,
) -> None:
    page = open_page(wallet)
    pages.sign_in(page)
    pages.open_pool(page, "5")
    task_id = give_away(page)
    first_id = pay_next(page, task_id, asked=1)
    first = read(page, f"/deals/{first_id}")
    devnet.stop(engravers[first["agent"]], SIGKILL)

    with Seat(devnet, tmp_path) as stays, Seat(devnet, tmp_path) as leaves:
        sealed_auction(page, stays, leaves)

    # the buyer has his money, and is asked to pay the next agent
    page.goto(f"/deals/{first_id}")
    expect(pages.main(page).get_by_text("not delivered in time.", exact=True)).to_be_visible(timeout=MISSED_MS)
    told = pages.main(page).get_by_text("Its agent was paid nothing, and the task went on without it.")
    expect(told).to_be_visible()
    pages.shoot(page, "failed-over")
    pool = read(page, "/pools")[0]
    assert int(pool["available_units"]) == 5_000_000, "nothing was paid"
    prompts = wallet.prompts
    second_id = pay_next(page, task_id, asked=2)
    (tmp_path / engraver.FINISH).touch()
    pages.main(page).get_by_role("button", name="Accept result").click()
    expect(pages.main(page).get_by_text("Completed", exact=True).first).to_be_visible()
    assert wallet.prompts == prompts, "the pool's key signs; the order of the task still stands"
    page.goto(f"/deals/{first_id}")
    expect(told).to_be_visible()
    expect(pages.main(page).get_by_text("Completed", exact=True)).to_have_count(0)
    pages.main(page).get_by_role("link", name="See where the task stands").click()
    expect(offers(page)).to_have_count(2)
    expect(pages.main(page)).to_contain_text("The task is completed.")
    award = pages.main(page).get_by_role("region", name="The award")
    expect(award).to_contain_text("An earlier award ended with nothing paid; it was the next agent's turn.")
    award.get_by_role("button", name="Recompute").click()
    expect(award).to_contain_text("this was the first within it")

    # one is paid, once
    second = read(page, f"/deals/{second_id}")
    assert {first["agent"], second["agent"]} == engravers.keys()
    receipts = until(
        lambda: httpx.get(f"{devnet.url}/api/v1/receipts", cookies=pages.session_token(page), timeout=10).json()[
            "items"
        ],
        bool,
        "the receipt is signed",
    )
    assert [int(one["total_claimed_units"]) for one in receipts] == [400_000]
    assert [one["config"]["receiver"] for one in receipts] == [second["agent"]]
    assert int(read(page, "/pools")[0]["available_units"]) == 4_600_000
