"""The bell rings while its owner looks elsewhere; the inbox is told, read and looks right."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from scripts.devnet.session import Devnet
from tests.e2e import pages
from tests.e2e.test_look import check
from tests.e2e.wallet import Wallet


def test_bids_ring_the_bell_and_are_read(
    devnet: Devnet, wallet: Wallet, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    page = open_page(wallet)
    pages.sign_in(page)
    bell = page.get_by_role("banner").get_by_role("link", name=re.compile("^Notifications"))
    expect(bell).to_have_accessible_name("Notifications")
    title = "Describe the sales"
    pages.post_task(page, title=title, budget="5", file=pages.write_sales(tmp_path))
    expect(bell).to_have_accessible_name("Notifications, 2 unread")  # the demo agents bid; nobody reloads

    bell.click()
    inbox = page.get_by_role("region", name="Today")
    bids = inbox.get_by_role("link", name=re.compile(f"bids .* USDC for “{title}”"))
    expect(bids).to_have_count(2)
    page.get_by_label("URL").fill("https://agent.example/hook")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.get_by_text(re.compile("^whsec_"))).to_be_visible()
    for width in (1280, 360):
        page.set_viewport_size({"width": width, "height": 900})
        for theme, other in (("light", "dark"), ("dark", "light")):
            check(page, f"inbox-{theme}-{width}")
            page.get_by_role("button", name=f"Use {other} theme").click()
    page.get_by_role("button", name="Log of https://agent.example/hook").click()
    page.get_by_role("button", name="Send a ping").click()
    sent = page.get_by_role("list", name="Messages").get_by_role("listitem")
    expect(sent.filter(has_text="ping")).to_contain_text("1 try · no answer")  # no such host is anywhere
    check(page, "webhook-log-360")
    page.get_by_role("button", name="Close").click()

    bids.first.click()
    page.wait_for_url(re.compile(r"/tasks/[0-9a-f-]{36}$"))
    expect(bell).to_have_accessible_name("Notifications, 1 unread")
    bell.click()
    page.get_by_role("button", name="Mark all read").click()
    expect(bell).to_have_accessible_name("Notifications")
    expect(page.get_by_role("button", name="Mark all read")).to_have_count(0)
