"""The deployed contracts, accounts by role, and signatures from the shared typed-data file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_utils import keccak

TYPED = json.loads((Path(__file__).parents[2] / "sdk/aicp/abi/typed_data.json").read_text())["messages"]
ZERO = "0x" + "0" * 40
USDC = 10**6
FOREVER = 2**40 - 1
TOKEN_TYPES = {
    "ReceiveWithAuthorization": [
        {"name": "from", "type": "address"},
        {"name": "to", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "validAfter", "type": "uint256"},
        {"name": "validBefore", "type": "uint256"},
        {"name": "nonce", "type": "bytes32"},
    ],
    "CancelAuthorization": [{"name": "authorizer", "type": "address"}, {"name": "nonce", "type": "bytes32"}],
    "Permit": [
        {"name": "owner", "type": "address"},
        {"name": "spender", "type": "address"},
        {"name": "value", "type": "uint256"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
    ],
}


def sign(signer: Any, domain: dict[str, Any], name: str, message: dict[str, Any]) -> bytes:
    """Sign one typed message with an account of the test mnemonic; 65 bytes r, s, v."""
    if name in TYPED:
        types = {TYPED[name].get("typeName", name): TYPED[name]["fields"]}
        if name == "ClaimBatch":
            types["ClaimEntry"] = TYPED["ClaimEntry"]["fields"]
    else:
        types = {name: TOKEN_TYPES[name]}
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
    return bytes(Account.sign_message(signable, signer.private_key).signature)


def digest_of(domain: dict[str, Any], name: str, message: dict[str, Any]) -> bytes:
    """EIP-712 digest of one of the protocol's messages, as libraries compute it."""
    types = {TYPED[name].get("typeName", name): TYPED[name]["fields"]}
    signable = encode_typed_data(domain_data=domain, message_types=types, message_data=message)
    return bytes(_hash_eip191_message(signable))


@dataclass(frozen=True, slots=True)
class Terms:
    """Terms of an escrow with sensible values."""

    client: str
    provider: str
    accept_by: int
    deliver_by: int
    amount: int = 25 * USDC
    verifier: str = ZERO
    arbiter: str = ZERO
    fee_bps: int = 250
    quorum: int = 0
    challenge_period: int = 3600
    dispute_timeout: int = 30 * 86400
    job_hash: bytes = b"\x11" * 32
    salt: int = 1

    def tuple(self) -> tuple[Any, ...]:
        """In the order of the contract's struct."""
        return (
            *(self.client, self.provider, self.verifier, self.arbiter, self.amount, self.fee_bps, self.quorum),
            *(self.accept_by, self.deliver_by, self.challenge_period, self.dispute_timeout, self.job_hash, self.salt),
        )


@dataclass(frozen=True, slots=True)
class World:
    """The deployed contracts and who is who."""

    chain: Any
    usdc: Any
    escrow: Any
    reputation: Any
    channel: Any
    collector: Any
    owner: Any
    guardian: Any
    treasury: Any
    client: Any
    provider: Any
    verifier: Any
    operator: Any
    session: Any
    stranger: Any

    def now(self) -> int:
        """Time of the next block at the earliest."""
        return int(self.chain.pending_timestamp)

    def pass_to(self, timestamp: int) -> None:
        """Mine a block at `timestamp`."""
        self.chain.mine(timestamp=timestamp)

    def terms(self, **changes: Any) -> Terms:
        """Fresh terms between client and provider."""
        now = self.now()
        fresh = Terms(self.client.address, self.provider.address, accept_by=now + 900, deliver_by=now + 86400)
        return replace(fresh, **changes)

    def id_of(self, terms: Terms) -> bytes:
        """The contract's id of the terms."""
        return bytes(self.escrow.escrowId(terms.tuple()))

    def domain(self, name: str, version: str, contract: Any) -> dict[str, Any]:
        """EIP-712 domain of a contract."""
        return {
            "name": name,
            "version": version,
            "chainId": self.chain.chain_id,
            "verifyingContract": contract.address,
        }

    def sign_escrow(self, signer: Any, name: str, **message: Any) -> bytes:
        """Sign a message of the Escrow domain."""
        return sign(signer, self.domain("AICP Escrow", "1", self.escrow), name, message)

    def sign_channel(self, signer: Any, name: str, **message: Any) -> bytes:
        """Sign a message of the payment channel's domain."""
        return sign(signer, self.domain("x402 Batch Settlement", "1", self.channel), name, message)

    def sign_reputation(self, signer: Any, name: str, **message: Any) -> bytes:
        """Sign a message of the Reputation domain."""
        return sign(signer, self.domain("AICP Reputation", "1", self.reputation), name, message)

    def sign_token(self, signer: Any, name: str, **message: Any) -> bytes:
        """Sign a message of the token's domain."""
        return sign(signer, self.domain("USD Coin", "2", self.usdc), name, message)

    def authorization(self, signer: Any, to: Any, value: int, nonce: bytes, valid_before: int = FOREVER) -> bytes:
        """An ERC-3009 `ReceiveWithAuthorization` that is valid from the start."""
        fields = {"from": signer.address, "to": to.address, "value": value, "validAfter": 0}
        return self.sign_token(signer, "ReceiveWithAuthorization", **fields, validBefore=valid_before, nonce=nonce)

    def acceptance(self, terms: Terms, valid_until: int = FOREVER) -> tuple[int, bytes]:
        """The provider's signed acceptance of the terms."""
        signature = self.sign_escrow(self.provider, "Acceptance", escrowId=self.id_of(terms), validUntil=valid_until)
        return valid_until, signature

    def fund_signed(self, terms: Terms, acceptance: tuple[int, bytes] = (0, b""), sender: Any = None) -> Any:
        """Relay the client's one signature."""
        signature = self.authorization(self.client, self.escrow, terms.amount, self.id_of(terms))
        return self.escrow.fundWithAuthorization(
            terms.tuple(), FOREVER, signature, acceptance, sender=sender or self.stranger
        )

    def accepted(self, **changes: Any) -> Terms:
        """An escrow that is funded and accepted."""
        terms = self.terms(**changes)
        self.fund_signed(terms, self.acceptance(terms))
        return terms

    def submitted(self, **changes: Any) -> Terms:
        """An escrow with a deliverable."""
        terms = self.accepted(**changes)
        self.escrow.submit(terms.tuple(), b"\x22" * 32, sender=self.provider)
        return terms

    def status(self, terms: Terms) -> int:
        """Status byte of the escrow."""
        return int(self.escrow.stateOf(self.id_of(terms)).status)

    # Channels -----------------------------------------------------------------------------------------------------

    def config(self, receiver: Any, /, **changes: Any) -> dict[str, Any]:
        """A marketplace channel of the client."""
        return {
            "payer": self.client.address,
            "payerAuthorizer": self.session.address,
            "receiver": receiver.address,
            "receiverAuthorizer": self.operator.address,
            "token": self.usdc.address,
            "withdrawDelay": 86400,
            "salt": keccak(text="AICP marketplace 1"),
            **changes,
        }

    def channel_id(self, config: dict[str, Any]) -> bytes:
        """The contract's id of a config."""
        return bytes(self.channel.getChannelId(tuple(config.values())))

    def row(self, config: dict[str, Any], total: int, ceiling: int | None = None, signer: Any = None) -> Any:
        """A signed voucher with its earned total, as `claim` takes it."""
        ceiling = total if ceiling is None else ceiling
        channel_id = self.channel_id(config)
        signature = self.sign_channel(
            signer or self.session, "Voucher", channelId=channel_id, maxClaimableAmount=ceiling
        )
        return ((tuple(config.values()), ceiling), signature, total)

    def receipt(self, rows: list[Any], signer: Any = None) -> bytes:
        """The operator's `ClaimBatch` signature over rows."""
        entries = [
            {
                "channelId": bytes(self.channel.getChannelId(row[0][0])),
                "maxClaimableAmount": row[0][1],
                "totalClaimed": row[2],
            }
            for row in rows
        ]
        return self.sign_channel(signer or self.operator, "ClaimBatch", claims=entries)

    def pool_id(self) -> bytes:
        """The client's pool for session key and operator."""
        return bytes(self.channel.getPoolId(self.client, self.session, self.operator))

    def pool(self) -> Any:
        """Its word: balance, withdrawAmount, finalizeAt, nonce."""
        return self.channel.pools(self.pool_id())

    def open_pool(self, amount: int = 5 * USDC) -> None:
        """Deposit from the client's wallet."""
        self.channel.depositPool(self.session, self.operator, amount, sender=self.client)

    def pool_key(self) -> tuple[Any, Any, Any]:
        """Payer, payer authorizer, operator."""
        return self.client, self.session, self.operator


def nonce_of(*values: tuple[str, Any]) -> bytes:
    """keccak256(abi.encode(...)) of (type, value) pairs."""
    return keccak(encode([kind for kind, _ in values], [value for _, value in values]))
