"""The token itself: how close the local one comes to USDC, and what every payment has to pay at least."""

from __future__ import annotations

from aicp.abi import typed_data, usdc
from aicp.rules.primitives import keccak
from scripts.gas.world import USDC, World, person


def run(world: World) -> None:
    """Measure transfers."""
    payer, holder = person("payer"), person("holder")
    world.give(payer)
    world.give(holder)
    world.measure(
        "token: transfer, existing holder", payer, world.usdc, usdc.encode_transfer(holder.address, 25 * USDC)
    )
    newcomer = person("newcomer")
    world.measure("token: transfer, new holder", payer, world.usdc, usdc.encode_transfer(newcomer.address, 25 * USDC))
    nonce, valid_before = keccak(b"aicp gas payment"), world.chain.now() + 600
    message = typed_data.TransferWithAuthorization(payer.address, holder.address, 25 * USDC, 0, valid_before, nonce)
    signature = payer.sign(message, world.token_domain)
    data = usdc.encode_transfer_with_authorization_v_r_s(
        payer.address, holder.address, 25 * USDC, 0, valid_before, nonce,
        signature[64], signature[:32], signature[32:64],
    )  # fmt: skip
    world.measure("token: transfer with authorization", world.relayer, world.usdc, data)
