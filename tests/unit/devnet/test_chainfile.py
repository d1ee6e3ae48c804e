"""The chain's state file: of several blocks 0 the right one stays, and a damaged file is one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.devnet.chainfile import header_hash, keep_one_genesis
from scripts.devnet.errors import DevnetError

EMPTY = "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
GENESIS = "0x8a4a13461902089f20eff3415058216d989b36e4f4c8fc208ac68222c59be6af"
"""Hash anvil itself gave the block of `header(0x6B0154D2)`."""


def header(timestamp: int, number: int = 0, parent: str = "0x" + "00" * 32) -> dict[str, Any]:
    return {
        "parentHash": parent,
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner": "0x" + "00" * 20,
        "stateRoot": EMPTY,
        "transactionsRoot": EMPTY,
        "receiptsRoot": EMPTY,
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x0",
        "number": hex(number),
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "timestamp": hex(timestamp),
        "extraData": "0x",
        "mixHash": "0x" + "00" * 32,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x3b9aca00",
        "withdrawalsRoot": EMPTY,
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": "0x" + "00" * 32,
        "requestsHash": "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }


def write(path: Path, *headers: dict[str, Any]) -> None:
    path.write_text(json.dumps({"best_block_number": 1, "blocks": [{"header": each} for each in headers]}))


def headers_in(path: Path) -> list[dict[str, Any]]:
    return [block["header"] for block in json.loads(path.read_text())["blocks"]]


def test_the_hash_is_the_chains() -> None:
    assert header_hash(header(0x6B0154D2)) == GENESIS


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_only_the_parent_of_block_1_stays_wherever_it_is_listed(tmp_path: Path, place: int) -> None:
    path = tmp_path / "chain.json"
    first = header(0x6B0154D3, 1, GENESIS)
    listed = [header(0x6B015561), first, header(0x6B000000)]  # one of them claims to be older
    listed.insert(place, header(0x6B0154D2))
    write(path, *listed)
    keep_one_genesis(path)
    assert sorted(headers_in(path), key=lambda each: each["number"]) == [header(0x6B0154D2), first]
    assert json.loads(path.read_text())["best_block_number"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["chain.json"]


def test_a_sound_or_missing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    keep_one_genesis(path)
    assert not path.exists()
    write(path, header(1), header(2, 1, "0x" + "ab" * 32))
    before = path.read_bytes(), path.stat().st_mtime_ns
    keep_one_genesis(path)
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


def test_a_damaged_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "chain.json"
    write(path, header(1), header(2), header(3, 1, "0x" + "ab" * 32))
    whole = path.read_bytes()
    for damaged in (b"", b"[]", whole[: len(whole) // 2], whole):
        path.write_bytes(damaged)
        with pytest.raises(DevnetError, match="is damaged, so the local chain is lost; run `make clean`"):
            keep_one_genesis(path)
        assert path.read_bytes() == damaged
