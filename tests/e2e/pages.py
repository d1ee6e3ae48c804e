"""The buyer's moves in the pages, by the names a person (or a screen reader) sees."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

SALES = "region,units,price\neu,3,10.5\nus,5,11\neu,,9.75\nasia,4,10\nus,400,10.25\n"


def write_sales(folder: Path, name: str = "sales.csv") -> Path:
    """Write the CSV the buyer uploads: a missing value and an outlier in it."""
    path = folder / name
    path.write_text(SALES, encoding="utf-8")
    return path


def main(page: Page) -> Locator:
    """The page without header and navigation."""
    return page.get_by_role("main")


def open_wallet_list(page: Page) -> None:
    """Press the header's connect button."""
    page.get_by_role("banner").get_by_role("button", name="Connect wallet").click()


def choose_wallet(page: Page) -> None:
    """Pick the announced wallet in the open list."""
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Test Wallet")).click()


def sign_in(page: Page, network: str = "AICP local") -> None:
    """From a fresh page to a signed-in one: connect, switch network, sign in, through the one button of a form."""
    page.goto("/tasks/new")
    open_wallet_list(page)
    choose_wallet(page)
    expect(page.get_by_role("button", name="Account")).to_be_visible()
    button = main(page).get_by_role("button", name=re.compile(f"Switch to {network}|^Sign in$"))
    expect(button).to_be_visible()
    if "Switch" in (button.text_content() or ""):
        button.click()
    main(page).get_by_role("button", name="Sign in", exact=True).click()
    expect(main(page).get_by_role("button", name="Post task", exact=True)).to_be_visible()


def fill_task(page: Page, *, title: str, budget: str, capability: str = "data_processing") -> None:
    """Open the form of a new task and fill in what every task needs."""
    if not page.url.endswith("/tasks/new"):
        page.goto("/tasks/new")
    page.get_by_label("Title").fill(title)
    page.get_by_label("Description").fill("Column types, missing values, summary statistics and outliers, please.")
    page.get_by_label("Capability").fill(capability)
    page.get_by_label("Budget").fill(budget)


def send_task(page: Page) -> str:
    """Post the filled form; return the task's id."""
    main(page).get_by_role("button", name="Post task", exact=True).click()
    page.wait_for_url(re.compile(r"/tasks/[0-9a-f-]{36}$"))
    return page.url.rsplit("/", 1)[1]


def post_task(page: Page, *, title: str, budget: str, file: Path, escrow_only: bool = False, verifier: str = "") -> str:
    """Fill the form and post; return the task's id."""
    fill_task(page, title=title, budget=budget)
    page.get_by_label("Input files").set_input_files(file)
    if escrow_only:
        page.get_by_label("Escrow only").check()
    if verifier:
        page.get_by_label("Verifier (optional)").fill(verifier)
    return send_task(page)


def award_best(page: Page, *, bids: int) -> str:
    """Wait for the bids, award the best one; return the deal's id."""
    buttons = page.get_by_role("button", name=re.compile("^Award to "))
    expect(buttons).to_have_count(bids)
    shoot(page, "auction")
    buttons.first.click()
    page.wait_for_url(re.compile(r"/deals/[0-9a-f-]{36}$"))
    return page.url.rsplit("/", 1)[1]


def sign_sheet(page: Page, title: str | None = None) -> None:
    """Read our signing sheet, the one with this title, then go on to the wallet."""
    sheet = page.get_by_role("dialog")
    if title is not None:
        sheet = sheet.filter(has=page.get_by_role("heading", name=re.compile(title)))
    sheet.get_by_role("button", name="Sign in wallet").click()


def pay(page: Page) -> None:
    """Fund the escrow of the deal on the page."""
    main(page).get_by_role("button", name=re.compile(r"^Pay [0-9.]+ USDC$")).click()
    sign_sheet(page)


def release(page: Page) -> None:
    """Accept the result of the escrow deal on the page."""
    main(page).get_by_role("button", name="Release payment").click()
    sign_sheet(page)


def dispute(page: Page, claim: str, file: Path) -> None:
    """Dispute the result of the deal on the page; the bond comes from the wallet, by a second signature."""
    main(page).get_by_role("button", name="Dispute result").click()
    page.get_by_label("What is wrong with the result").fill(claim)
    page.get_by_label("Evidence files").set_input_files(file)
    shoot(page, "dispute-dialog")
    page.get_by_role("dialog").get_by_role("button", name="Sign and dispute").click()
    sign_sheet(page, "^Dispute the result$")
    sign_sheet(page, "^Bond of ")


def sign_release(page: Page) -> None:
    """Sign the release of the deal on the page, as agent or verifier."""
    main(page).get_by_role("button", name="Sign release").click()
    sign_sheet(page, "^Sign the release")


def collect(page: Page, *, rows: int) -> None:
    """Collect from so many contracts on the activity page, a signature each."""
    page.goto("/activity")
    waiting = page.get_by_role("list", name="To collect")
    expect(waiting.get_by_role("listitem")).to_have_count(rows, timeout=60_000)
    shoot(page, "to-collect")
    for _ in range(rows):
        left = waiting.get_by_role("button", name=re.compile("^Collect"))
        before = left.count()
        left.first.click()
        sign_sheet(page, "^Collect")
        expect(left).to_have_count(before - 1, timeout=60_000)


def rate(page: Page, score: int, comment: str) -> None:
    """Rate the agent of the deal on the page."""
    main(page).get_by_role("button", name="Rate the agent").click()
    page.get_by_label("Score, 0 to 100").fill(str(score))
    page.get_by_label("Comment (optional)").fill(comment)
    page.get_by_role("dialog").get_by_role("button", name="Sign the rating").click()
    sign_sheet(page, "^Rate the agent")


def open_pool(page: Page, amount: str) -> None:
    """Make the first deposit and wait until the pool is there."""
    page.goto("/pool")
    page.get_by_label("First deposit").fill(amount)
    main(page).get_by_role("button", name="Open pool").click()
    sign_sheet(page)
    expect(main(page).get_by_role("heading", name="Your pool")).to_be_visible(timeout=60_000)


def session_token(page: Page) -> dict[str, str]:
    """The session cookie, for reads of the API in the name of the page's user."""
    return {cookie["name"]: cookie["value"] for cookie in page.context.cookies()}


SHOTS = Path(os.environ.get("AICP_SHOTS", "test-results/shots"))


def shoot(page: Page, name: str) -> None:
    """Keep the page as it looks now, in both themes, and check that it does not scroll sideways."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.screenshot(path=SHOTS / f"{name}-{theme}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    page.emulate_media(color_scheme="light")
