"""What every function of a kind has in common: the re-entrancy guard, the pause of new money, the second code body.

The functions are read off the interface and called with zeros, so one that is added later is held to the same.
"""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import encode
from eth_utils import keccak
from web3.exceptions import ContractCustomError

from aicp.abi.bytecode import artifact
from tests.contracts.world import FOREVER

WALLET = "0x00000000000000000000000000000000000a11e7"
MAGIC = bytes.fromhex("1626ba7e")
REENTRANCY, INFLOWS_PAUSED, DIRECT_CALL = (
    keccak(text=error)[:4] for error in ("Reentrancy()", "Guarded_InflowsPaused()", "Escrow_DirectCall()")
)
# what moves no money and calls nobody, and what asks first who the caller is
UNGUARDED = {
    *("pauseInflows", "unpauseInflows", "setFee", "setFeeRecipient", "rescueToken"),
    *("transferOwnership", "acceptOwnership", "renounceOwnership"),
}
ESCROW_INFLOWS = {
    *("fund", "fundFromBalance", "fundFromBalanceWithSignature"),
    *("fundWithAuthorization", "fundWithPermit", "fundWithPermit2"),
}
CHANNEL_INFLOWS = {
    *("deposit", "depositPool", "depositPoolWithAuthorization", "depositPoolWithPermit", "depositPoolWithPermit2"),
}


def zero(part: dict[str, Any]) -> Any:
    """The zero of a type: no elements, no bytes."""
    kind = part["type"]
    if kind.endswith("[]"):
        return []
    if kind == "tuple":
        return tuple(zero(component) for component in part["components"])
    if kind in {"bytes", "string"}:
        return b"" if kind == "bytes" else ""
    if kind.startswith("bytes"):
        return bytes(int(kind[5:]))
    return {"address": "0x" + "0" * 40, "bool": False}.get(kind, 0)


def canonical(part: dict[str, Any]) -> str:
    kind = str(part["type"])
    inner = ",".join(canonical(component) for component in part.get("components", ()))
    return kind.replace("tuple", f"({inner})") if kind.startswith("tuple") else kind


def calls(name: str) -> dict[str, bytes]:
    """Calldata with zeros for every function of a contract that changes state."""
    found = {}
    for entry in artifact(name).abi:
        if entry["type"] == "function" and entry["stateMutability"] == "nonpayable":
            kinds = [canonical(part) for part in entry["inputs"]]
            selector = keccak(text=f"{entry['name']}({','.join(kinds)})")[:4]
            found[entry["name"]] = selector + encode(kinds, [zero(part) for part in entry["inputs"]])
    return found


def answer(world, target, data: bytes) -> bytes:
    """The error data of a call by a stranger; empty if it succeeds or reverts without."""
    try:
        world.chain.provider.web3.eth.call({"from": world.stranger.address, "to": target.address, "data": data})
    except ContractCustomError as error:
        return bytes.fromhex(str(error.data).removeprefix("0x"))
    except ape.exceptions.ContractLogicError:
        return b""
    return b""


@pytest.fixture
def wallet(world) -> str:
    """An ERC-1271 wallet that is content if its caller refuses, as entered again, the call in the signature."""
    load = "60443580" + "60645f37"  # the length of the signature, and the signature to memory
    enter = "60205f825f5f335af1"  # call the caller with it
    refused = "155f5160e01c63" + REENTRANCY.hex() + "1416"
    world.chain.provider.set_code(
        WALLET, bytes.fromhex(load + enter + refused + "63" + MAGIC.hex() + "60e01b025f5260205ff3")
    )
    return WALLET


@pytest.mark.parametrize("name", sorted(set(calls("Escrow")) - UNGUARDED))
def test_escrow_cannot_be_entered_again_by(world, wallet, name):
    terms = world.terms()
    # the signature counts if the wallet says so, and then there is no such escrow
    with ape.reverts(world.escrow.Escrow_WrongStatus):
        world.escrow.rateWithSignature(
            terms.tuple(), wallet, 80, b"\x33" * 32, FOREVER, calls("Escrow")[name], sender=world.stranger
        )


@pytest.mark.parametrize("name", sorted(set(calls("PaymentChannel")) - UNGUARDED - {"multicall"} | {"rescueToken"}))
def test_channel_cannot_be_entered_again_by(world, wallet, name):
    config = world.config(world.provider, receiverAuthorizer=wallet)
    nothing = [((tuple(config.values()), 0), b"", 0)]
    world.channel.claimWithSignature(nothing, calls("PaymentChannel")[name], sender=world.stranger)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claimWithSignature(nothing, b"\x12\x34\x56\x78", sender=world.stranger)


def test_pause__stops_every_function_that_takes_money_and_no_other(world):
    for contract, name, inflows in (
        (world.escrow, "Escrow", ESCROW_INFLOWS),
        (world.channel, "PaymentChannel", CHANNEL_INFLOWS),
    ):
        every = calls(name)
        assert inflows <= set(every)
        contract.pauseInflows(sender=world.guardian)
        assert {
            function for function, data in every.items() if answer(world, contract, data) == INFLOWS_PAUSED
        } == inflows


def test_extension__refuses_every_direct_call(world, project):
    extension = project.EscrowExtension.at(world.escrow.extension())
    every = calls("EscrowExtension")
    assert len(every) > 10
    for function, data in every.items():
        assert answer(world, extension, data) == DIRECT_CALL, function
