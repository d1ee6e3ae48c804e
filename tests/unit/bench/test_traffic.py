"""The load of the bench is one the mirror accepts, and what it writes down is what is read back."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from aicp.rules.primitives import keccak
from indexer.core.logs import RawLog
from indexer.core.reducer import Reducer
from indexer.core.rows import Channel, Escrow, Pool
from indexer.core.states import EscrowStatus
from indexer.core.workspace import Workspace
from indexer.settings import contracts_of
from scripts.bench import results
from scripts.bench.emitter import calldata, runtime_code
from scripts.bench.results import Figure
from scripts.bench.traffic import ROUND, Event, first_events, rounds
from tests.fixtures.services import Anvil, wait_for

CONTRACTS = contracts_of(31_337, b"\x01" * 20, b"\x02" * 20, b"\x03" * 20)
FEES = b"\xfe" * 20


def logs(events: list[Event]) -> list[RawLog]:
    address = {"Escrow": CONTRACTS.escrow, "PaymentChannel": CONTRACTS.payment_channel}
    return [
        RawLog(
            block_number=1, block_hash=keccak(b"1"), tx_hash=keccak(b"t"), log_index=index,
            address=address[event.contract], topics=event.topics, data=event.data, block_time=1,
        )
        for index, event in enumerate(events)
    ]  # fmt: skip


def test_the_traffic_is_accepted_and_adds_up() -> None:
    stream = rounds(CONTRACTS.channel_domain, accounts=3)
    events = first_events(FEES) + [event for made in islice(stream, 10) for sent in made for event in sent]
    assert len(events) == 2 + 10 * ROUND
    reducer, workspace = Reducer(CONTRACTS), Workspace()
    for item in reducer.decode(logs(events)):
        while missing := workspace.missing(reducer.keys([item], workspace)):
            for key in missing:
                workspace.load(key, None)
        reducer.apply([item], workspace)
    rows = list(workspace.changed.values())
    assert {row.status for row in rows if isinstance(row, Escrow)} == {EscrowStatus.CLOSED}
    assert [row.balance_units for row in rows if isinstance(row, Pool)] == [0] * 10
    assert len([row for row in rows if isinstance(row, Channel)]) == 20


def test_calldata_says_how_long_every_log_is() -> None:
    events = [Event("Escrow", (b"\x01" * 32,), b""), Event("Escrow", (b"\x02" * 32, b"\x03" * 32), b"\xff" * 33)]
    first = b"\x01\x00\x00" + b"\x01" * 32
    assert calldata(events) == first + b"\x02\x00\x21" + b"\x02" * 32 + b"\x03" * 32 + b"\xff" * 33


def test_the_emitter_repeats_logs_of_every_shape(anvil: Anvil) -> None:
    address = "0x" + "e1" * 20
    anvil.rpc("anvil_setCode", address, "0x" + runtime_code().hex())
    events = [Event("Escrow", tuple(bytes([count, n]) * 16 for n in range(count)), b"\x07" * size)
              for count in range(1, 5) for size in (0, 1, 32, 700)]  # fmt: skip
    sender = anvil.rpc("eth_accounts")[0]
    sent = anvil.rpc("eth_sendTransaction", {"from": sender, "to": address, "data": "0x" + calldata(events).hex()})
    wait_for(lambda: anvil.rpc("eth_getTransactionReceipt", sent), "the transaction is mined")
    found = anvil.rpc("eth_getLogs", {"fromBlock": "0x0", "address": address})
    assert [(log["topics"], log["data"]) for log in found] == [
        (["0x" + topic.hex() for topic in event.topics], "0x" + event.data.hex()) for event in events
    ]


def test_figures_are_kept_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(results, "FILE", tmp_path / "new" / "bench.json")
    assert results.read() == []
    results.record(Figure("b", 1.0, "ms"), Figure("a", 2.0, "x/s", "Other", 1.0, 2.0))
    results.record(Figure("b", 3.0, "ms"))
    assert results.read() == [Figure("a", 2.0, "x/s", "Other", 1.0, 2.0), Figure("b", 3.0, "ms")]
    assert "2.0x Other" in results.table(results.read())
