"""A dispute from the buyer's click to the arbiter's ruling, and a release without the buyer, in a real browser.

The agents answer and sign by themselves, the demo jurors vote by the parity of the dispute's number. While they do, the
verifier of a second deal pays its agent from his own page.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from scripts.devnet.session import Devnet
from tests.e2e import pages
from tests.e2e.chain import Chain
from tests.e2e.waiting import until
from tests.e2e.wallet import Wallet

BOND = 3_000_000
EVIDENCE_SECONDS, APPEAL_SECONDS = 61, 31
"""How long the local arbiter collects evidence and waits for an appeal; the chain's clock jumps both."""
RULING_MS = 120_000


def deal_of(page: Page, devnet: Devnet, deal_id: str) -> dict[str, Any]:
    """The deal as the API tells it to the page's user."""
    answer = httpx.get(f"{devnet.url}/api/v1/deals/{deal_id}", cookies=pages.session_token(page), timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def deliver(page: Page, title: str, file: Path, verifier: str = "") -> str:
    """Post, award, pay and wait for the result; return the deal's id."""
    pages.post_task(page, title=title, budget="25", file=file, verifier=verifier)
    deal_id = pages.award_best(page, bids=2)
    pages.pay(page)
    expect(pages.main(page).get_by_role("list", name="Result files")).to_be_visible(timeout=120_000)
    return deal_id


@pytest.mark.timeout(600)
def test_a_dispute_is_ruled_and_a_verifier_pays(
    devnet: Devnet, chain: Chain, wallet: Wallet, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(wallet)
    pages.sign_in(page)
    disputed = deliver(page, "A disputed profile", pages.write_sales(tmp_path))
    price = int(deal_of(page, devnet, disputed)["price_units"])

    # two signatures dispute: what is said, and the bond
    signatures, before = wallet.asked("eth_signTypedData_v4"), chain.usdc_of(wallet.address)
    shot = tmp_path / "shot.txt"
    shot.write_text("The outlier is not marked.", encoding="utf-8")
    pages.dispute(page, "The outlier is not marked.", shot)
    panel = page.get_by_test_id("dispute-panel")
    said = panel.get_by_role("article", name="The buyer says")
    expect(said).to_contain_text("matches the hash on chain", timeout=60_000)
    expect(said).to_contain_text("shot.txt")
    assert wallet.asked("eth_signTypedData_v4") == signatures + 2
    assert chain.usdc_of(wallet.address) == before - BOND

    # the agent answers by its own rule
    expect(panel.get_by_role("article", name="The agent says")).to_contain_text("hash verified", timeout=60_000)
    pages.shoot(page, "dispute")
    expect(panel).not_to_contain_text("has not answered yet", timeout=60_000)
    chain.warp(EVIDENCE_SECONDS)

    # meanwhile: the verifier the buyer has named releases together with the agent
    verifier = Wallet(key="0x" + secrets.token_hex(32), chain_id=1)
    verified = deliver(page, "A verified profile", pages.write_sales(tmp_path, "second.csv"), verifier.address)
    theirs = open_page(verifier)
    pages.sign_in(theirs)
    theirs.goto(f"/deals/{verified}")
    signed = theirs.get_by_role("list", name="Who has signed the release")
    expect(signed.get_by_text("signed", exact=True)).to_have_count(1, timeout=60_000)
    signatures = wallet.prompts
    pages.sign_release(theirs)
    expect(pages.main(theirs).get_by_text(re.compile("completed", re.IGNORECASE)).first).to_be_visible(timeout=90_000)
    assert wallet.prompts == signatures, "the buyer was not asked"
    pages.shoot(theirs, "quorum")

    # the jurors' ruling is carried out by the keeper, and the money follows it
    until(
        lambda: deal_of(page, devnet, disputed)["escrow"]["dispute"]["arbiter_period"],
        lambda period: period in {"appeal", "solved"},
        "the jurors have voted",
        seconds=RULING_MS / 1000,
    )
    chain.warp(APPEAL_SECONDS)
    page.goto(f"/deals/{disputed}")
    expect(panel).to_contain_text(re.compile("The arbiter ruled for the (buyer|agent)"), timeout=RULING_MS)
    ended = until(
        lambda: deal_of(page, devnet, disputed)["escrow"],
        lambda escrow: escrow["chain_status"] == "closed",
        "the ruling is carried out",
    )
    number, ruling = int(ended["dispute"]["dispute_id"]), ended["dispute"]["ruling"]
    assert ruling == ("agent" if number % 2 else "buyer"), "the published rule of the demo jurors"
    assert int(ended["refunded_units"]) == (price if ruling == "buyer" else 0)
    assert int(ended["released_units"]) == (0 if ruling == "buyer" else price)

    if ruling == "buyer":  # the price, the bond, and from another contract half of the stake the agent has lost
        before = chain.usdc_of(wallet.address)
        pages.collect(page, rows=2)
        until(
            lambda: chain.usdc_of(wallet.address) - before,
            lambda paid: paid == price + BOND + price // 10,
            "both contracts have paid",
        )
        page.goto(f"/deals/{disputed}")
    pages.rate(page, 40, "The outlier was not marked.")
    expect(page.get_by_role("list", name="Ratings")).to_contain_text("40", timeout=60_000)
    pages.shoot(page, "dispute-over")
    assert chain.nonce_of(wallet.address) == chain.nonce_of(verifier.address) == 0, "nobody needed gas"
