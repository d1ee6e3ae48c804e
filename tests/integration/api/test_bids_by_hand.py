"""`aicp bid`: bids by hand; what a sealed one hides is never lost, whatever happens to its commit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from aicp.cli.main import cli
from aicp.client.store import Store
from aicp.client.transport import Transport
from aicp.rules.primitives import hex0x, parse_hash
from tests.fixtures.apihost import Host, Wallet


@pytest.fixture(autouse=True)
def on_time(host: Host) -> Iterator[None]:
    """Give the clock back as it was."""
    yield
    host.clock.added = 0


def bid(host: Host, wallet: Wallet, home: Path, *words: str) -> Result:
    """Run `aicp bid` as a wallet on a machine of its own."""
    options = ["--url", host.url, "--key", hex0x(wallet.key)]
    return CliRunner().invoke(cli, ["bid", *words, *options], env={"AICP_HOME": str(home)})


def listed(host: Host, task: dict[str, Any], what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = host.client().get(f"/tasks/{task['id']}/{what}").json()
    return found


def test_a_sealed_bid_is_shown_from_another_machine_by_its_file(host: Host, tmp_path: Path) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(reveal_seconds=600, auction_seconds=60)
    copy = tmp_path / "bid.json"
    copy.write_text("old")
    copy.chmod(0o644)
    placed = bid(host, agent, tmp_path, "place", task["id"], "--price", "11")
    assert (placed.exit_code, "sealed" in placed.output) == (1, True)
    made = bid(host, agent, tmp_path / "one", "commit", task["id"], "--price", "11", "--out", str(copy))
    assert made.exit_code == 0, made.output
    [commit] = listed(host, task, "commits")
    [kept] = (tmp_path / "one").rglob("*.sqlite*")
    assert (kept.stat().st_mode & 0o777, copy.stat().st_mode & 0o777) == (0o600, 0o600)
    assert json.loads(copy.read_text())["bid_hash"] == commit["bid_hash"]
    early = bid(host, agent, tmp_path / "one", "reveal", task["id"])
    assert (early.exit_code, "ended" in early.output) == (1, True)
    host.clock.added = 61
    lost = bid(host, agent, tmp_path / "two", "reveal", task["id"])
    assert (lost.exit_code, "not kept here" in lost.output) == (1, True)
    stranger = bid(host, host.wallet(), tmp_path / "two", "reveal", task["id"], "--kept", str(copy))
    assert (stranger.exit_code, "another account" in stranger.output) == (1, True)
    changed = tmp_path / "changed.json"
    changed.write_text(copy.read_text().replace("11000000", "10000000"))
    forged = bid(host, agent, tmp_path / "two", "reveal", task["id"], "--kept", str(changed))
    assert (forged.exit_code, "was changed" in forged.output) == (1, True)
    shown = bid(host, agent, tmp_path / "two", "reveal", task["id"], "--kept", str(copy))
    assert (shown.exit_code, "Shown: 11.00 USDC" in shown.output) == (0, True), shown.output
    [public] = listed(host, task, "bids")
    assert (public["bid_hash"], public["amount_units"]) == (commit["bid_hash"], "11000000")


def test_a_commit_whose_answer_is_lost_can_be_shown(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(reveal_seconds=600, auction_seconds=60)
    whole = Transport.post

    async def cut(self: Transport, path: str, *args: Any, **more: Any) -> Any:
        answer = await whole(self, path, *args, **more)
        if path.endswith("/commits"):
            raise httpx.ReadError("the connection is gone")
        return answer

    with monkeypatch.context() as torn:
        torn.setattr(Transport, "post", cut)
        assert bid(host, agent, tmp_path, "commit", task["id"], "--price", "12").exit_code != 0
    [commit] = listed(host, task, "commits")
    [file] = tmp_path.rglob("*.sqlite*")
    assert Store(file).sealed(parse_hash(commit["bid_hash"])) is not None
    host.clock.added = 61
    shown = bid(host, agent, tmp_path, "reveal", task["id"])
    assert (shown.exit_code, "Shown: 12.00 USDC" in shown.output) == (0, True), shown.output


def test_an_open_bid_is_placed_and_taken_back(host: Host, tmp_path: Path) -> None:
    buyer, agent = host.wallet(), host.wallet()
    task = buyer.post_task(auction_seconds=60)
    placed = bid(host, agent, tmp_path, "place", task["id"], "--price", "1.5", "--within", "60")
    assert (placed.exit_code, "receipt no. 1" in placed.output) == (0, True), placed.output
    [one] = listed(host, task, "bids")
    assert (one["amount_units"], one["eta_seconds"], one["live"]) == ("1500000", 60, True)
    sealed = bid(host, agent, tmp_path, "commit", task["id"], "--price", "1.5")
    assert (sealed.exit_code, "open" in sealed.output) == (1, True)
    assert bid(host, agent, tmp_path, "withdraw", task["id"]).exit_code == 0
    assert [one["withdrawn"] for one in listed(host, task, "bids")] == [True]
    again = bid(host, agent, tmp_path, "withdraw", task["id"])
    assert (again.exit_code, "no bid" in again.output) == (1, True)
