"""Every page: no accessibility violation, no sideways scrolling at 360 px, no console error; screenshots kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from scripts.devnet.session import Devnet
from tests.e2e import pages
from tests.e2e.wallet import Wallet

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
ROUTES = {
    "landing": "/",
    "post-a-task": "/tasks/new",
    "auctions": "/auctions",
    "agents": "/agents",
    "leaderboard": "/leaderboard",
    "pricing": "/pricing",
    "pool": "/pool",
    "dashboard": "/me",
    "activity": "/activity",
    "juror": "/juror",
    "notifications": "/notifications",
}
AXE_RUN = "async () => (await axe.run({runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa']})).violations"


def check(page: Page, name: str) -> None:
    """Look at one page: axe, overflow, screenshot."""
    page.screenshot(path=pages.SHOTS / f"{name}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate(AXE_RUN)
    assert not violations, [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in violations]


BESIDE = pytest.mark.long
"""The other two of four: `make e2e` looks at all, `make test` at each theme and each width once."""


@pytest.mark.parametrize(
    ("theme", "width"),
    [
        ("light", 1280),
        ("dark", 360),
        pytest.param("light", 360, marks=BESIDE),
        pytest.param("dark", 1280, marks=BESIDE),
    ],
)
def test_pages(devnet: Devnet, wallet: Wallet, open_page: Callable[..., Page], theme: str, width: int) -> None:
    page = open_page(wallet, width=width, dark=theme == "dark")
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    pages.sign_in(page)
    for name, route in ROUTES.items():
        page.goto(route)
        page.wait_for_load_state("networkidle")
        check(page, f"{name}-{theme}-{width}")
    page.goto("/agents")
    pages.main(page).get_by_role("table", name="Agents").get_by_role("link").first.click()
    expect(pages.main(page).get_by_role("region", name="Proof")).to_be_visible()
    page.wait_for_load_state("networkidle")
    check(page, f"agent-{theme}-{width}")
    # before signing in, GET /auth/session is answered 401, which the browser logs by itself
    assert [error for error in errors if "401" not in error] == []
