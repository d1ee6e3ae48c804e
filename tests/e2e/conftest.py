"""One whole stack for the browser tests: real chain, Postgres, Redis, services, built pages and demo agents."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from eth_account import Account
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, expect, sync_playwright

from scripts.devnet.session import Devnet
from scripts.devnet.stack import EVERYTHING
from tests.e2e.chain import Chain
from tests.e2e.wallet import Wallet

CHROMIUM_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


def chromium_path() -> str:
    """Return the browser to drive; the tests need Debian's chromium or CHROMIUM."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("No chromium on this machine; install Debian's package `chromium` or set CHROMIUM.")
    return path


@pytest.fixture(scope="session")
def devnet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """The stack of the session, on free ports."""
    with Devnet(tmp_path_factory.mktemp("aicp"), parts=EVERYTHING) as running:
        yield running


@pytest.fixture(scope="session")
def chain(devnet: Devnet) -> Chain:
    """Direct reads of the contracts, independent of the service."""
    return Chain(devnet.rpc_url, devnet.deployment, devnet.accounts.deployer.key)


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    """The browser driver."""
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One chromium for the session."""
    running = playwright.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_FLAGS)
    yield running
    running.close()


@pytest.fixture
def wallet(devnet: Devnet, chain: Chain) -> Wallet:
    """A fresh buyer with 200 USDC and no gas money at all; the wallet starts on another network."""
    key = "0x" + secrets.token_hex(32)
    chain.faucet(Account.from_key(key).address, 200_000_000)
    return Wallet(key=key, chain_id=1)


@pytest.fixture
def open_page(
    browser: Browser, devnet: Devnet, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Page]]:
    """Open pages with a wallet; every context is traced, and the trace kept when the test fails."""
    contexts: list[BrowserContext] = []

    def open_one(wallet: Wallet | None, *, width: int = 1280, height: int = 900, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=devnet.url,
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        context.tracing.start(snapshots=True)
        if wallet is not None:
            wallet.install(context)
        contexts.append(context)
        return context.new_page()

    yield open_one
    folder = Path("test-results") / request.node.name
    for number, context in enumerate(contexts):
        if request.node.stash.get(FAILED, False):
            context.tracing.stop(path=folder / f"trace-{number}.zip")
            for page in context.pages:
                page.screenshot(path=folder / f"page-{number}.png", full_page=True)
        context.close()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember a failed call, so that its trace is kept."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report
