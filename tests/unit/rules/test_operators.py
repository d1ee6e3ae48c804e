"""Epochs of operator keys: who serves when, and how the deployment file says it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from pathlib import Path

import pytest

from aicp.client.chain import chain_of
from aicp.client.service import Network
from aicp.rules.deployment import Deployment, OperatorEpoch
from aicp.rules.operators import serves, serving
from aicp.rules.primitives import checksum
from scripts.operators import EpochError, begin, end, main
from tests.fixtures.apihost import deployment
from tests.unit.sdk.builders import network_json

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
