"""The first deal, end to end, in a real browser: escrow, then pool, then the auditor."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
from playwright.sync_api import Page, expect

from scripts.devnet.session import Devnet
from tests.e2e import pages
from tests.e2e.chain import Chain
from tests.e2e.waiting import until
from tests.e2e.wallet import Wallet

FEE_BPS = 250


def deal_of(page: Page, devnet: Devnet, deal_id: str) -> dict[str, Any]:
    """The deal as the API tells it to the page's user."""
    answer = httpx.get(f"{devnet.url}/api/v1/deals/{deal_id}", cookies=pages.session_token(page), timeout=10)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def audit(devnet: Devnet, *extra: str) -> subprocess.CompletedProcess[str]:
    """Run `aicp audit` against chain and mirror."""
    command = [sys.executable, "-m", "aicp.cli.main", "audit", "--rpc", devnet.rpc_url]
    command += ["--deployment", str(devnet.session.stack.deployment_path), "--db", devnet.indexer_database_url, *extra]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_escrow_then_pool_then_audit(
    devnet: Devnet, chain: Chain, wallet: Wallet, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(wallet)

    # connect, and reject once: the page says so and stays usable
    page.goto("/tasks/new")
    wallet.reject_next("wallet_requestPermissions")
    pages.open_wallet_list(page)
    pages.choose_wallet(page)
    expect(page.get_by_role("dialog")).to_contain_text(re.compile("rejected|declined|refused", re.IGNORECASE))
    pages.choose_wallet(page)
    expect(page.get_by_role("button", name="Account")).to_be_visible()

    # the wallet does not know the network: it is offered, added and switched to
    button = pages.main(page).get_by_role("button", name=re.compile("^Switch to|^Sign in$"))
    expect(button).to_be_visible()
    if "Switch" in (button.text_content() or ""):
        button.click()
    pages.main(page).get_by_role("button", name="Sign in", exact=True).click()
    expect(pages.main(page).get_by_role("button", name="Post task", exact=True)).to_be_visible()
    assert wallet.chain_id == devnet.chain_id
    assert wallet.asked("wallet_addEthereumChain") == 1

    # a $25 task with a CSV; both demo agents bid; the best is awarded
    pages.post_task(page, title="Profile the sales table", budget="25", file=pages.write_sales(tmp_path))
    deal_id = pages.award_best(page, bids=2)
    deal = deal_of(page, devnet, deal_id)
    price, agent = int(deal["price_units"]), deal["agent"]
    assert deal["path"] == "escrow"
    assert 10_000_000 <= price <= 25_000_000
    agent_before, buyer_before = chain.usdc_of(agent), chain.usdc_of(wallet.address)

    # ONE signature pays
    signatures = wallet.asked("eth_signTypedData_v4")
    pages.pay(page)
    result = pages.main(page).get_by_role("list", name="Result files")
    expect(result).to_be_visible(timeout=120_000)
    assert wallet.asked("eth_signTypedData_v4") == signatures + 1
    locked = chain.usdc_of(wallet.address)
    assert buyer_before - locked == price

    # the result is about the very file that was uploaded, and its hash is checked in the page
    page.get_by_role("button", name=re.compile(r"Preview .*\.json")).first.click()
    content = page.get_by_role("region", name=re.compile("Content of"))
    expect(content).to_contain_text("region")
    expect(result).to_contain_text("hash verified")

    pages.shoot(page, "deal")
    pages.release(page)
    expect(pages.main(page).get_by_text(re.compile("completed", re.IGNORECASE)).first).to_be_visible(timeout=90_000)

    # the agent collects by itself; on chain it has price minus fee more
    fee = price * FEE_BPS // 10_000
    until(lambda: chain.usdc_of(agent), lambda held: held == agent_before + price - fee, "the agent's USDC")
    assert chain.nonce_of(wallet.address) == 0, "the buyer never sent a transaction"
    assert wallet.asked("eth_sendTransaction") == 0

    # a pool, then a $0.40 task without a single further prompt
    pages.open_pool(page, "5")
    prompts = wallet.prompts
    pages.post_task(page, title="A small profile", budget="0.40", file=pages.write_sales(tmp_path, "small.csv"))
    micro_id = pages.award_best(page, bids=2)
    pages.main(page).get_by_role("button", name="Accept result").click(timeout=90_000)
    expect(pages.main(page).get_by_text(re.compile("completed", re.IGNORECASE)).first).to_be_visible(timeout=60_000)
    assert wallet.prompts == prompts, "the session key signs without the wallet"

    # the receipt is issued; claimBatch and settle land; totals on chain equal the receipts
    micro = deal_of(page, devnet, micro_id)
    receipts = httpx.get(
        f"{devnet.url}/api/v1/receipts", params={"deal_id": micro_id}, cookies=pages.session_token(page), timeout=10
    ).json()["items"]
    assert [int(receipt["price_units"]) for receipt in receipts] == [int(micro["price_units"])]
    total = int(receipts[0]["total_claimed_units"])
    usdc = chain.contracts["usdc"]

    def receiver() -> list[int]:
        return chain.call("paymentChannel", "receivers(address,address)", micro["agent"], usdc)

    claimed = until(receiver, lambda words: words[0] == words[1] >= total, "claimed and settled")
    assert claimed[0] == total
    channel = chain.call(
        "paymentChannel", "channels(bytes32)", bytes.fromhex(micro["channel"]["channel_id"].removeprefix("0x"))
    )
    assert channel[1] == total

    page.goto("/pool")
    expect(pages.main(page).get_by_role("heading", name="Your pool")).to_be_visible()
    pages.shoot(page, "pool")

    # the auditor finds nothing; then one row of the mirror is corrupted and he names it
    clean = audit(devnet)
    assert clean.returncode == 0, clean.stdout + clean.stderr
    corrupted = corrupt_one_row(devnet)
    dirty = audit(devnet)
    assert dirty.returncode == 1, dirty.stdout + dirty.stderr
    assert corrupted in dirty.stdout
    as_json = audit(devnet, "--json")
    assert json.loads(as_json.stdout)["differences"]


def corrupt_one_row(devnet: Devnet) -> str:
    """Add one base unit to the released total of the newest closed escrow; return the column's name."""
    with psycopg.connect(devnet.indexer_database_url, autocommit=True) as connection:
        done = connection.execute(
            "update chain.escrow set released_units = released_units - 1 where escrow_id = "
            "(select escrow_id from chain.escrow where status = 'closed' and released_units > 0 limit 1)"
        )
        assert done.rowcount == 1
    return "released_units"
