from __future__ import annotations

import msgspec
import pytest
from eth_abi import encode

from aicp.abi.typed_data import channel_domain
from aicp.rules.ids import (
    bond_nonce,
    channel_id,
    marketplace_config,
    pool_deposit_nonce,
    pool_id,
    pool_key,
    stake_nonce,
)
from aicp.rules.primitives import keccak
from tests.unit.rules.vectors import AGENT, BUYER, CHANNEL, CONSTANTS, OPERATOR, SESSION, USDC, address, word

DOMAIN = channel_domain(31337, CHANNEL)


def test_nonces_are_the_contracts_abi_encoding() -> None:
    salt = 2**255 + 7
    expected = keccak(encode(["bytes32", "uint256"], [word("pool"), salt]))
    assert pool_deposit_nonce(word("pool"), salt.to_bytes(32)) == expected
    expected = keccak(encode(["address", "uint256"], [AGENT, salt]))
    assert stake_nonce(AGENT, salt.to_bytes(32)) == expected
    expected = keccak(encode(["bytes32", "string", "address"], [word("escrow"), "bond", AGENT]))
    assert bond_nonce(word("escrow"), AGENT) == expected
    assert bond_nonce(word("escrow"), BUYER) != expected
    with pytest.raises(ValueError, match="32 bytes"):
        bond_nonce(word("escrow"), word("agent"))
    with pytest.raises(ValueError, match="32 bytes"):
        pool_deposit_nonce(word("pool"), b"\x01")
    with pytest.raises(ValueError, match="20 bytes"):
        stake_nonce(word("agent"), word("salt"))


@pytest.mark.parametrize("part", ["payer", "payer_authorizer", "receiver", "receiver_authorizer", "token", "salt"])
def test_a_foreign_part_is_another_channel(part: str) -> None:
    config = marketplace_config(BUYER, SESSION, AGENT, OPERATOR, USDC, CONSTANTS)
    foreign = word("mallory") if part == "salt" else address("mallory")
    assert channel_id(msgspec.structs.replace(config, **{part: foreign}), DOMAIN) != channel_id(config, DOMAIN)


def test_a_foreign_session_key_is_another_pool_even_for_the_operator() -> None:
    ours = pool_id(pool_key(BUYER, SESSION, OPERATOR), DOMAIN)
    assert pool_id(pool_key(BUYER, OPERATOR, OPERATOR), DOMAIN) != ours
    assert pool_id(pool_key(BUYER, SESSION, address("mallory")), DOMAIN) != ours
