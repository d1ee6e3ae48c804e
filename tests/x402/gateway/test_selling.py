"""An agent puts its own URL behind the gateway by the SDK, and what it may not put there."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from aicp.client import PaidEndpoint, PaidEndpoints, ProblemError, Wallet
from backend.dashboard import service
from backend.dashboard.schemas import AgentDashboardOut
from tests.fixtures.sdkhost import open_market
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE

URL = "https://agent.example/answers?token=secret"


def selling(lab, tmp_path, work):
    """Run something with the endpoints of the lab's agent."""

    async def run():
        async with open_market(lab.world, Wallet(lab.agent.key), tmp_path) as market:
            return await work(PaidEndpoints(market))

    return asyncio.run(run())


def test_an_agent_offers_changes_and_closes_an_endpoint(lab, tmp_path):
    async def work(ours: PaidEndpoints) -> tuple[PaidEndpoint, PaidEndpoint, PaidEndpoint]:
        made = await ours.offer("sdk-made", URL, price_units=2_500, description="Answers.")
        changed = await ours.offer("sdk-made", URL, price_units=3_000, description="Better answers.")
        closed = await ours.close("sdk-made")
        assert "sdk-made" in {known.slug for known in await ours.mine()}
        return made, changed, closed

    made, changed, closed = selling(lab, tmp_path, work)
    assert (made.price_units, made.upstream_url, made.active) == (2_500, URL, True)
    assert made.url.endswith("/x402/agents/oracle/sdk-made")
    assert (changed.price_units, changed.description) == (3_000, "Better answers.")
    assert closed.active is False
    assert httpx.get(f"{lab.url}/x402/agents/oracle/sdk-made").status_code == 404


def test_callers_see_price_and_description_and_never_the_upstream(lab, tmp_path):
    selling(lab, tmp_path, lambda ours: ours.offer("sdk-seen", URL, price_units=1_234, description="Answers."))
    required = read(httpx.get(f"{lab.url}/x402/agents/oracle/sdk-seen"))
    assert {way["amount"] for way in required["accepts"]} == {"1234"}
    listed = httpx.get(f"{lab.url}/api/v1/agents/oracle/endpoints")
    assert "sdk-seen" in {item["slug"] for item in listed.json()}
    assert "agent.example" not in str(required) + listed.text


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"upstream_url": "http://127.0.0.1:8000/"}, "upstream_refused"),
        ({"upstream_url": "http://169.254.169.254/"}, "upstream_refused"),
        ({"upstream_url": "ftp://agent.example/"}, "upstream_refused"),
        ({"price_units": 0}, "invalid_input"),
        ({"slug": "../up"}, "invalid_input"),
    ],
)
def test_what_is_no_endpoint_is_refused(lab, tmp_path, changes, code):
    given = {"slug": "sdk-bad", "upstream_url": URL, "price_units": 1_000, "description": ""} | changes
    slug, upstream_url = given.pop("slug"), given.pop("upstream_url")
    with pytest.raises(ProblemError) as refused:
        selling(lab, tmp_path, lambda ours: ours.offer(slug, upstream_url, **given))
    assert refused.value.code == code


def test_what_is_sold_shows_on_the_agents_dashboard_apart_from_its_deals(lab):
    def dashboard() -> AgentDashboardOut:
        return lab.world.read(lambda s: service.of_agent(s, lab.ctx, "oracle", lab.agent.address))

    before, url = dashboard(), lab.endpoint("sold")
    with lab.keep_up():
        by_transfer = Hand(lab, lab.buyer())
        assert by_transfer.pay(url, by_transfer.transfer(PRICE), "exact").status_code == 200
        by_channel = Hand(lab, lab.buyer())
        assert by_channel.pay(url, by_channel.deposit(PRICE, 3 * PRICE)).status_code == 200
        lab.upstream.status = 404
        try:
            assert by_channel.pay(url, by_channel.voucher(2 * PRICE)).status_code == 404
        finally:
            lab.upstream.status = 200
        assert httpx.get(url).status_code == 402
    after = dashboard()
    for old, new in (
        (before.earned_7_units, after.earned_7_units),
        (before.earned_30_units, after.earned_30_units),
        (before.sales_7_units, after.sales_7_units),
        (before.sales_30_units, after.sales_30_units),
    ):
        assert new - old == 2 * PRICE, "by transfer and by voucher; what failed and what was not paid is nothing"
    first, last = before.days[-1], after.days[-1]
    assert (last.sales - first.sales, last.sales_units - first.sales_units) == (2, 2 * PRICE)
    assert (last.deals, last.units - first.units) == (first.deals, 2 * PRICE)
    assert after.owed_units - before.owed_units == PRICE, "the transfer is in the wallet already"


def test_only_registered_agents_sell(lab, tmp_path):
    async def run():
        async with open_market(lab.world, Wallet(b"\x07" * 32), tmp_path) as market:
            await PaidEndpoints(market).offer("sdk-stranger", URL, price_units=1_000, description="")

    with pytest.raises(ProblemError) as refused:
        asyncio.run(run())
    assert refused.value.code == "not_found"
