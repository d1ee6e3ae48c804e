"""Ids of escrows, pools, channels and token authorizations, each recomputed by whoever signs.

An id is the EIP-712 digest of the message that names all its parts, so nobody can answer with an id of other parts.
"""

from __future__ import annotations

from aicp.abi.typed_data import ChannelConfig, Domain, EscrowTerms, PoolKey
from aicp.rules.constants import MARKETPLACE_SALT, Constants
from aicp.rules.primitives import keccak


def marketplace_config(  # noqa: PLR0917  # the order of the contract struct
    payer: bytes,
    payer_authorizer: bytes,
    receiver: bytes,
    operator: bytes,
    token: bytes,
    constants: Constants,
) -> ChannelConfig:
    """Return the config of the one marketplace channel between a pool and an agent."""
    return ChannelConfig(
        payer=payer,
        payer_authorizer=payer_authorizer,
        receiver=receiver,
        receiver_authorizer=operator,
        token=token,
        withdraw_delay=constants.channel_withdraw_delay_seconds,
        salt=MARKETPLACE_SALT,
    )


def pool_key(payer: bytes, payer_authorizer: bytes, operator: bytes) -> PoolKey:
    """Return the key of a buyer's pool: one per session key and operator epoch."""
    return PoolKey(payer=payer, payer_authorizer=payer_authorizer, operator=operator)


def escrow_id(terms: EscrowTerms, escrow_domain: Domain) -> bytes:
    """Return the escrow's id, which is also the nonce of the buyer's payment authorization."""
    return terms.digest(escrow_domain)


def channel_id(config: ChannelConfig, channel_domain: Domain) -> bytes:
    """Return the channel's id."""
    return config.digest(channel_domain)


def pool_id(key: PoolKey, channel_domain: Domain) -> bytes:
    """Return the pool's id."""
    return key.digest(channel_domain)


def pool_deposit_nonce(pool: bytes, salt: bytes) -> bytes:
    """Return the ERC-3009 nonce of a pool deposit: keccak256(abi.encode(poolId, salt)).

    Raises ValueError unless both have 32 bytes.
    """
    if not len(pool) == len(salt) == 32:
        raise ValueError("a pool id and a salt have 32 bytes each")
    return keccak(pool + salt)


def stake_nonce(agent: bytes, salt: bytes) -> bytes:
    """Return the ERC-3009 nonce of a stake: keccak256(abi.encode(agent, salt)).

    Raises ValueError unless the agent has 20 bytes and the salt 32.
    """
    if len(agent) != 20 or len(salt) != 32:
        raise ValueError("an agent has 20 bytes and a salt 32")
    return keccak(bytes(12) + agent + salt)


def bond_nonce(escrow: bytes, party: bytes) -> bytes:
    """Return the ERC-3009 nonce of a party's bond in a dispute: keccak256(abi.encode(escrowId, "bond", party)).

    Raises ValueError unless the escrow's id has 32 bytes and the party 20.
    """
    if len(escrow) != 32 or len(party) != 20:
        raise ValueError("an escrow id has 32 bytes and a party 20")
    head = escrow + (96).to_bytes(32) + bytes(12) + party
    return keccak(head + (4).to_bytes(32) + b"bond".ljust(32, b"\0"))


def appeal_nonce(dispute: int, round_number: int, side: int, salt: bytes) -> bytes:
    """Return the ERC-3009 nonce of a payment into an appeal: keccak256(abi.encode(disputeID, round, side, salt)).

    Raises ValueError unless the salt has 32 bytes, OverflowError for a number that is no uint256.
    """
    if len(salt) != 32:
        raise ValueError("a salt has 32 bytes")
    return keccak(dispute.to_bytes(32) + round_number.to_bytes(32) + side.to_bytes(32) + salt)


def dispute_extra(escrow: bytes, terms: EscrowTerms) -> bytes:
    """Return what Escrow tells an arbiter about a dispute: abi.encode(escrowId, client, provider, verifier).

    Raises ValueError unless the escrow's id has 32 bytes.
    """
    if len(escrow) != 32:
        raise ValueError("an escrow id has 32 bytes")
    return escrow + b"".join(bytes(12) + party for party in (terms.client, terms.provider, terms.verifier))


def dispute_id(chain_id: int, arbiter: bytes, arbitrable: bytes, extra: bytes) -> int:
    """Return the DisputeArbiter's number of a dispute: it names the chain, the arbiter, who asked, and about what.

    The low 160 bits of keccak256(abi.encode(chainId, arbiter, arbitrable, extraData)). Raises ValueError unless the
    addresses have 20 bytes and `extra` is whole words, OverflowError for a chain id that is no uint256.
    """
    if len(arbiter) != 20 or len(arbitrable) != 20 or len(extra) % 32:
        raise ValueError("addresses have 20 bytes, extra data whole words")
    head = chain_id.to_bytes(32) + bytes(12) + arbiter + bytes(12) + arbitrable + (128).to_bytes(32)
    return int.from_bytes(keccak(head + len(extra).to_bytes(32) + extra)[12:])
