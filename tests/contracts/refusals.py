"""What a call would answer, asked without sending it: quick, in a block of any second, with any code anywhere.

The node's own answer is read. To send a transaction that reverts takes fifty times as long: Ape explains it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eth_abi import decode
from eth_utils import keccak

from tests.contracts.world import World

REVERTING = "0x60006000fd"
"""Code of an account that refuses every call."""
CONSENTING = "0x631626ba7e60e01b60005260206000f3"
"""Code of an ERC-1271 account that takes every signature for its own."""

_ARTIFACTS = Path(__file__).parents[2] / "sdk/aicp/abi/artifacts"
_OTHERS = (
    *("Panic(uint256)", "Reentrancy()", "TransferFailed()", "TransferFromFailed()"),
    *("InvalidSigner()", "InvalidNonce()"),  # Permit2
)


def _errors() -> Iterable[str]:
    """Signatures of all errors of our contracts, of the libraries under them, and of Permit2."""
    yield from _OTHERS
    for path in _ARTIFACTS.glob("*.json"):
        for entry in json.loads(path.read_text(encoding="utf-8"))["abi"]:
            if entry["type"] == "error":
                yield f"{entry['name']}({','.join(part['type'] for part in entry['inputs'])})"


_NAMES = {keccak(text=signature)[:4]: signature.partition("(")[0] for signature in _errors()}


def refusal(
    world: World,
    call: Any,
    *arguments: Any,
    sender: Any,
    at: int | None = None,
    code: Mapping[str, str] | None = None,
) -> str:
    """Name of the error the call would revert with; empty if it would succeed.

    The state is that of now. `at` is the second of the block it would be in, by default that of the last one; `code`
    is what to take for the code of some addresses.
    """
    message = {
        "from": sender.address,
        "to": call.contract.address,
        "data": "0x" + bytes(call.encode_input(*arguments)).hex(),
        "gas": hex(10_000_000),
    }
    state = {address: {"code": replaced} for address, replaced in (code or {}).items()}
    block = {} if at is None else {"time": hex(at)}
    answer = world.chain.provider.web3.provider.make_request("eth_call", [message, "latest", state, block])
    if "error" not in answer:
        return ""
    data = bytes.fromhex(answer["error"].get("data", "0x")[2:])
    name = _NAMES.get(data[:4], data[:4].hex() or "nothing said")
    return f"Panic {decode(['uint256'], data[4:])[0]:#x}" if name == "Panic" else name
