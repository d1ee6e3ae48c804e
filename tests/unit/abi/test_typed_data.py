"""Digests of every message against eth_account, and the strings the contracts hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.abi import typed_data
from aicp.abi.runtime import EncodeError
from aicp.abi.typed_data import (
    DOMAIN_OF,
    MESSAGES,
    ClaimBatch,
    ClaimEntry,
    Domain,
    TypedMessage,
    Voucher,
    arbiter_domain,
    channel_domain,
    escrow_domain,
    marketplace_domain,
    permit2_domain,
    reputation_domain,
    to_eip712,
    token_domain,
)

DOCUMENT = json.loads(Path(typed_data.__file__).with_suffix(".json").read_text(encoding="utf-8"))


def _value(kind: str, annotation: Any) -> st.SearchStrategy[Any]:
    if kind.endswith("[]"):
        return st.lists(_message(get_args(annotation)[0]), max_size=4).map(tuple)
    if kind in MESSAGES:
        return _message(annotation)
    if kind == "address":
        return st.binary(min_size=20, max_size=20)
    if kind == "bool":
        return st.booleans()
    if kind.startswith("bytes"):
        return st.binary(min_size=int(kind[5:]), max_size=int(kind[5:]))
    return st.integers(0, 2 ** int(kind.removeprefix("uint")) - 1)


def _message(cls: type[TypedMessage]) -> st.SearchStrategy[TypedMessage]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{attribute: _value(kind, hints[attribute]) for attribute, _, kind in cls.FIELDS})


DOMAINS = st.builds(
    Domain,
    st.text(max_size=40),
    st.none() | st.text(max_size=5),
    st.integers(1, 2**64),
    st.binary(min_size=20, max_size=20),
)


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_digest_agrees_with_eth_account(name: str) -> None:
    @settings(max_examples=25, deadline=None)
    @given(_message(MESSAGES[name]), DOMAINS)
    def check(message: TypedMessage, domain: Domain) -> None:
        # through text, as a wallet gets it
        document = json.loads(json.dumps(to_eip712(message, domain)))
        assert message.digest(domain) == _hash_eip191_message(encode_typed_data(full_message=document))

    check()


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_class_states_the_json(name: str) -> None:
    raw, cls = DOCUMENT["messages"][name], MESSAGES[name]
    assert [(part["name"], part["type"]) for part in raw["fields"]] == [(n, kind) for _, n, kind in cls.FIELDS]
    assert [attribute for attribute, _, _ in cls.FIELDS] == list(cls.__struct_fields__)
    assert raw.get("typeName", name) == cls.PRIMARY_TYPE
    assert DOMAIN_OF[cls] == raw["domain"]


def test_type_strings_of_the_protocol() -> None:
    assert MESSAGES["EscrowTerms"].type_string == (
        "EscrowTerms(address client,address provider,address verifier,address arbiter,uint96 amount,uint16 feeBps,"
        "uint8 quorum,uint40 acceptBy,uint40 deliverBy,uint32 challengePeriod,uint32 disputeTimeout,bytes32 jobHash,"
        "uint256 salt)"
    )
    assert MESSAGES["ClaimBatch"].type_string == (
        "ClaimBatch(ClaimEntry[] claims)ClaimEntry(bytes32 channelId,uint128 maxClaimableAmount,uint128 totalClaimed)"
    )
    assert MESSAGES["ChannelRefund"].type_string == "Refund(bytes32 channelId,uint256 nonce,uint128 amount)"
    assert MESSAGES["Refund"].type_string == "Refund(bytes32 escrowId,uint96 cumulativeRefunded,uint40 validUntil)"
    assert MESSAGES["Vote"].type_string == (
        "Vote(uint256 disputeId,uint8 round,address juror,uint8 choice,bytes32 salt)"
    )
    assert MESSAGES["VoteCommit"].type_string == "Commit(uint256 disputeId,uint8 round,bytes32 commitment)"
    assert MESSAGES["Disclosure"].type_string == "Disclosure(uint256 disputeId,address account)"
    assert MESSAGES["JurorUnstake"].type_string == MESSAGES["Unstake"].type_string
    assert MESSAGES["ReceiveWithAuthorization"].TYPE_HASH.hex() == (
        "d099cc98ef71107a616c4f0f941f04c322d8e254fe26b3c6668db87aae413de8"
    )
    transfer = "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,"
    permissions = "TokenPermissions(address token,uint256 amount)"
    for name, witness in (
        ("EscrowFundPermit", "EscrowFundWitness(bytes32 escrowId)"),
        ("PoolDepositPermit", "PoolDepositWitness(bytes32 poolId)"),
        ("ChannelDepositPermit", "DepositWitness(bytes32 channelId)"),
    ):
        kind = witness.partition("(")[0]
        assert MESSAGES[name].type_string == f"{transfer}{kind} witness){witness}{permissions}"
    assert MESSAGES["Permit"].TYPE_HASH.hex() == "6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9"


def test_domains() -> None:
    contract = bytes(range(20))
    assert escrow_domain(137, contract) == Domain("AICP Escrow", "1", 137, contract)
    assert channel_domain(137, contract) == Domain("x402 Batch Settlement", "1", 137, contract)
    assert reputation_domain(137, contract) == Domain("AICP Reputation", "1", 137, contract)
    assert arbiter_domain(137, contract) == Domain("AICP Arbiter", "1", 137, contract)
    assert marketplace_domain(137, contract) == Domain("AICP Marketplace", "1", 137, contract)
    assert token_domain("USD Coin", "2", 137, contract) == Domain("USD Coin", "2", 137, contract)
    assert permit2_domain(137, contract) == Domain("Permit2", None, 137, contract)
    assert escrow_domain(137, contract).separator() != escrow_domain(138, contract).separator()


def test_every_part_of_a_domain_and_a_message_changes_the_digest() -> None:
    voucher = Voucher(channel_id=bytes(32), max_claimable_amount=5)
    domain = channel_domain(1, bytes(20))
    digests = {
        voucher.digest(domain),
        Voucher(channel_id=b"\1" + bytes(31), max_claimable_amount=5).digest(domain),
        Voucher(channel_id=bytes(32), max_claimable_amount=6).digest(domain),
        voucher.digest(channel_domain(2, bytes(20))),
        voucher.digest(channel_domain(1, b"\1" + bytes(19))),
        voucher.digest(marketplace_domain(1, bytes(20))),
    }
    assert len(digests) == 6


def test_order_of_batch_rows_counts() -> None:
    one, two = ClaimEntry(bytes(32), 5, 4), ClaimEntry(bytes(32), 6, 5)
    assert ClaimBatch((one, two)).struct_hash() != ClaimBatch((two, one)).struct_hash()


def test_values_that_do_not_fit_are_refused() -> None:
    for bad in (Voucher(bytes(31), 1), Voucher(bytes(32), 2**128), Voucher(bytes(32), -1)):
        with pytest.raises(EncodeError):
            bad.struct_hash()
