"""Mends the state file of the local chain before the chain reads it.

anvil keeps the block 0 it makes at every start beside the one it loads, writes both to its file in any order, and takes
the last one of them for block 0 at the next start: the chain would get another genesis. Of all blocks 0 only the one
that block 1 names as its parent stays. A crash at any step leaves either the old file or the whole new one.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

from aicp.rules.primitives import keccak
from scripts.devnet.errors import DevnetError

_HEADER: Final = (
    "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom", "difficulty",
    "number", "gasLimit", "gasUsed", "timestamp", "extraData", "mixHash", "nonce", "baseFeePerGas", "withdrawalsRoot",
    "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash",
)  # fmt: skip
_QUANTITIES: Final = frozenset({
    "difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas", "blobGasUsed", "excessBlobGas",
})  # fmt: skip


def keep_one_genesis(path: Path) -> None:
    """Remove every block 0 that is not the parent of block 1; a missing or sound file is left alone.

    Raises DevnetError with the remedy when the file is damaged, as by a kill in the middle of writing it.
    """
    if not path.exists():
        return
    damaged = f"{path} is damaged, so the local chain is lost; run `make clean`, then `make up`."
    try:
        state = json.loads(path.read_bytes())
        blocks = state["blocks"]
        genesis = [block for block in blocks if _number(block) == 0]
        if len(genesis) == 1:
            return
        parents = {block["header"]["parentHash"] for block in blocks if _number(block) == 1}
        kept = [block for block in genesis if header_hash(block["header"]) in parents]
        # block 1 is mined a second after the first start; before it nothing refers to a block 0
        kept = kept or ([] if parents else genesis)
        state["blocks"] = [block for block in blocks if _number(block) != 0] + kept[:1]
    except (ValueError, KeyError, TypeError) as error:
        raise DevnetError(damaged) from error
    if not kept:
        raise DevnetError(damaged)
    _replace(path, state)


def header_hash(header: dict[str, Any]) -> str:
    """Return the hash of a block from its header in the spelling of the state file."""
    items = [_item(name, header[name]) for name in _HEADER if header.get(name) is not None]
    body = b"".join(_prefixed(item, 0x80) for item in items)
    return "0x" + keccak(_prefixed(body, 0xC0)).hex()


def _number(block: dict[str, Any]) -> int:
    return int(block["header"]["number"], 16)


def _item(name: str, text: str) -> bytes:
    if name not in _QUANTITIES:
        return bytes.fromhex(text.removeprefix("0x"))
    value = int(text, 16)
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _prefixed(payload: bytes, offset: int) -> bytes:
    """Return the RLP encoding of a string (offset 0x80) or of a list's joined items (0xC0)."""
    if offset == 0x80 and len(payload) == 1 and payload[0] < 0x80:
        return payload
    if len(payload) < 56:
        return bytes([offset + len(payload)]) + payload
    length = len(payload).to_bytes((len(payload).bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(length)]) + length + payload


def _replace(path: Path, state: dict[str, Any]) -> None:
    fresh = path.with_suffix(".tmp")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(state, file, separators=(",", ":"))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
