"""Epochs of operator keys: who serves when, and how the deployment file says it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.abi.typed_data import Award
from aicp.client import Market, models
from aicp.client.chain import Chain, chain_of
from aicp.client.errors import Mismatch
from aicp.client.service import Network
from aicp.client.verify import check_award
from aicp.rules import constants
from aicp.rules.deployment import Deployment, OperatorEpoch
from aicp.rules.operators import serves, serving
from aicp.rules.primitives import checksum
from scripts.operators import EpochError, begin, end, main
from tests.fixtures.apihost import deployment
from tests.unit.sdk.builders import DEAL_ID, key, network_json

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
A, B, C = bytes([1]) * 20, bytes([2]) * 20, bytes([3]) * 20


def day(number: int) -> dt.datetime:
    return START + dt.timedelta(days=number)


def epoch(address: bytes, start: int, until: int | None) -> OperatorEpoch:
    return OperatorEpoch(address=address, from_time=day(start), until=None if until is None else day(until))


def test_the_newest_that_serves_comes_first_and_ends_are_exclusive() -> None:
    epochs = [epoch(A, 0, 10), epoch(B, 5, None), epoch(C, 20, None)]
    assert [one.address for one in serving(epochs, day(4))] == [A]
    assert [one.address for one in serving(epochs, day(5))] == [B, A]
    assert [one.address for one in serving(epochs, day(10))] == [B]
    assert [one.address for one in serving(epochs, day(20))] == [C, B]
    assert serving(epochs, day(-1)) == []
    assert not serves(epochs[0], day(10))
    assert [one.address for one in serving([epoch(B, 0, None), epoch(A, 0, None)], day(1))] == [B, A]


def test_a_deployment_file_gives_times_as_dates_or_unix_seconds() -> None:
    raw = deployment().to_json()
    raw["operators"] = [
        {"address": checksum(A), "from": "2026-01-01T00:00:00Z", "until": int(day(7).timestamp())},
        {"address": checksum(B), "from": int(day(5).timestamp()), "until": None},
    ]
    read = Deployment.from_json(raw)
    assert read.operators == (epoch(A, 0, 7), epoch(B, 5, None))
    assert Deployment.from_json(read.to_json()) == read
    raw["operators"][0]["until"] = "2026-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="ends before it begins"):
        Deployment.from_json(raw)


def test_a_rotation_begins_the_next_key_before_it_ends_the_old_one() -> None:
    first = replace(deployment(), operators=(epoch(A, 0, None),))
    with pytest.raises(EpochError, match="begin the next one"):
        end(first, A, day(7))
    both = begin(first, B, day(5))
    with pytest.raises(EpochError, match="listed already"):
        begin(both, A, day(6))
    with pytest.raises(EpochError, match="not listed"):
        end(both, C, day(6))
    with pytest.raises(EpochError, match="after it begins"):
        end(both, A, day(0))
    assert end(both, A, day(7)).operators == (epoch(A, 0, 7), epoch(B, 5, None))


def test_the_command_changes_the_file_and_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "31337.json"
    path.write_text(json.dumps(replace(deployment(), operators=(epoch(A, 0, None),)).to_json()))
    assert main([str(path), "--end", checksum(A)]) == 1
    assert "begin the next one" in capsys.readouterr().err
    assert main([str(path), "--begin", checksum(B), "--at", "2026-01-06T00:00:00Z"]) == 0
    assert main([str(path), "--end", checksum(A), "--at", str(int(day(7).timestamp()))]) == 0
    assert Deployment.load(path).operators == (epoch(A, 0, 7), epoch(B, 5, None))
    assert main([str(path)]) == 0
    assert checksum(B) in capsys.readouterr().out


def test_clients_choose_by_the_services_clock() -> None:
    raw = network_json()
    now = dt.datetime.fromisoformat(str(raw["server_time"]))
    moment = [(now + dt.timedelta(seconds=offset)).isoformat() for offset in (-100, -10, 10, 100)]
    raw["operators"] = [
        {"address": checksum(A), "from_time": moment[0], "until": moment[2]},
        {"address": checksum(B), "from_time": moment[1], "until": None},
        {"address": checksum(C), "from_time": moment[3], "until": None},
    ]
    chain = chain_of(Network.read(raw))
    assert chain.current_operator == B
    assert chain.serving_operators == {A, B}
    assert chain.operators == {A, B, C}, "receipts of all of them are taken"


CONTRACTS = ("escrow", "payment_channel", "reputation", "usdc", "arbiter")


def told(epochs: Sequence[OperatorEpoch], now: dt.datetime, **changes: Any) -> Network:
    """Return what a service says that has these keys."""
    listed = [
        {
            "address": checksum(one.address),
            "from_time": one.from_time.isoformat(),
            "until": None if one.until is None else one.until.isoformat(),
        }
        for one in epochs
    ]
    return Network.read(network_json() | {"operators": listed, "server_time": now.isoformat()} | changes)


def published(network: Network, epochs: Sequence[OperatorEpoch], **changes: Any) -> Deployment:
    """Return the deployment file of the same contracts with these keys."""
    same = {name: getattr(network.contracts, name) for name in CONTRACTS}
    return replace(deployment(), operators=tuple(epochs), **same, **changes)


def signed_award(signer: str, chain: Chain) -> models.Award:
    message = Award(task_hash=bytes(32), bid_hash=bytes(32), bids_root=bytes(32), bid_count=1)
    signature = key(signer).sign_digest(message.digest(chain.marketplace))
    return models.Award(
        task_hash=bytes(32), bid_hash=bytes(32), bids_root=bytes(32), bid_count=1,
        operator=key(signer).address, signature=signature, deal_id=DEAL_ID,
    )  # fmt: skip


def test_with_a_deployment_file_a_key_that_only_the_service_names_is_not_believed() -> None:
    liar = told([epoch(B, 0, None)], day(1))
    with pytest.raises(Mismatch, match="older than the service's keys, or nobody has published them"):
        chain_of(liar, published(liar, [epoch(A, 0, None)]))
    assert chain_of(liar).operators == {B}, "without a file the service is believed"


def test_who_has_the_file_from_before_a_rotation_stays_with_the_old_key_and_is_told() -> None:
    old, new = key("old operator").address, key("new operator").address
    both = told([epoch(old, 0, 10), epoch(new, 5, None)], day(6))
    chain = chain_of(both, published(both, [epoch(old, 0, None)]))
    assert (chain.current_operator, chain.serving_operators, chain.operators) == (old, {old}, {old})
    check_award(signed_award("old operator", chain), chain)
    with pytest.raises(Mismatch, match="deployment file does not have: it is older than this key, or nobody published"):
        check_award(signed_award("new operator", chain), chain)
    with pytest.raises(Mismatch, match="an unknown operator"):
        check_award(signed_award("mallory", chain), chain)
    over = told([epoch(old, 0, 10), epoch(new, 5, None)], day(10))
    with pytest.raises(Mismatch, match=r"Fetch the newest 31337\.json"):
        chain_of(over, published(over, [epoch(old, 0, None)]))
    newest = chain_of(over, published(over, [epoch(old, 0, 10), epoch(new, 5, None)]))
    assert (newest.current_operator, newest.serving_operators) == (new, {new})
    check_award(signed_award("old operator", newest), newest)


def test_the_file_says_for_how_long_a_key_serves_and_the_service_whether_it_has_it() -> None:
    retired = told([epoch(A, 0, None), epoch(B, 3, None)], day(8))
    assert chain_of(retired, published(retired, [epoch(A, 0, 7), epoch(B, 3, None)])).serving_operators == {B}
    ahead = told([epoch(A, 0, None), epoch(B, 3, None)], day(8))
    assert chain_of(ahead, published(ahead, [epoch(A, 0, None), epoch(B, 9, None)])).current_operator == A
    with pytest.raises(Mismatch, match="is not in force"):
        chain_of(told([epoch(A, 0, None)], day(8)), published(retired, [epoch(A, 0, 7), epoch(B, 3, None)]))
    gone = told([epoch(A, 0, None), epoch(B, 3, 8)], day(8))
    assert chain_of(gone, published(gone, [epoch(A, 0, None), epoch(B, 3, None)])).current_operator == A


def test_on_a_public_network_the_file_is_read_by_our_own_clock() -> None:
    known = constants.network(137)
    now = dt.datetime.now(dt.UTC)
    week = dt.timedelta(days=7)
    over = OperatorEpoch(address=A, from_time=now - 3 * week, until=now - week)
    raw = network_json()
    raw["constants"] |= {
        name: str(value) if name.endswith("_units") else value for name, value in asdict(known.constants).items()
    }
    raw["contracts"]["usdc"] = known.usdc
    raw["token"] |= {"name": known.token_name, "version": known.token_version}
    lying = told(
        [over], now - 2 * week, chain_id=137, **{name: raw[name] for name in ("constants", "contracts", "token")}
    )
    assert chain_of(lying).current_operator == A
    with pytest.raises(Mismatch, match="older than the service's keys"):
        chain_of(lying, published(lying, [over], chain_id=137))


@pytest.mark.asyncio
async def test_who_runs_through_a_rotation_replaces_the_file_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aicp.client.market._CHAIN_SECONDS", -1.0)
    answers: list[Mapping[str, Any]] = []

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=answers[-1])

    def serve(*epochs: OperatorEpoch) -> None:
        answers.append(
            network_json()
            | {
                "server_time": day(6).isoformat(),
                "operators": [
                    {"address": checksum(one.address), "from_time": one.from_time.isoformat(), "until": None}
                    for one in epochs
                ],
            }
        )

    path = tmp_path / "31337.json"
    first = published(told([epoch(A, 0, None)], day(6)), [epoch(A, 0, None)])
    path.write_text(json.dumps(first.to_json()))
    serve(epoch(A, 0, None))
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    async with Market("http://localhost:8000", deployment=path, http=http) as market:
        assert (await market.chain()).current_operator == A
        serve(epoch(B, 5, None))
        with pytest.raises(Mismatch, match="Fetch the newest"):
            await market.chain()
        path.write_text("{")
        with pytest.raises(Mismatch, match="Fetch the newest"):
            await market.chain()
        path.write_text(json.dumps(replace(first, operators=(epoch(A, 0, 6), epoch(B, 5, None))).to_json()))
        assert (await market.chain()).current_operator == B
