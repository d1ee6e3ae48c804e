"""Whose signature passes: the account's key, or the one claim its contract has vouched for."""

from __future__ import annotations

import pytest

from aicp.abi.signing import address_of, sign
from aicp.abi.typed_data import BidWithdrawal, marketplace_domain
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from backend.domain.signatures import Claim, NotByKey, require_account, require_key, require_signer, vouched_for
from backend.errors import InvalidSignature

KEY, DIGEST, WALLET = keccak(b"key"), keccak(b"digest"), keccak(b"wallet")[12:]
SIGNATURE = sign(DIGEST, KEY)


def test_a_key_signs_for_its_own_account_only() -> None:
    require_account(DIGEST, SIGNATURE, address_of(KEY))
    for account in (WALLET, ZERO_ADDRESS):
        with pytest.raises(InvalidSignature):
            require_account(DIGEST, SIGNATURE, account)
    with pytest.raises(InvalidSignature, match="malformed"):
        require_account(DIGEST, SIGNATURE[:-1], address_of(KEY))


def test_a_vouched_claim_lets_nothing_else_pass() -> None:
    claim = Claim(WALLET, DIGEST, SIGNATURE)
    with vouched_for(claim):
        require_account(DIGEST, SIGNATURE, WALLET, contracts=True)
        others = (
            Claim(address_of(keccak(b"other")), DIGEST, SIGNATURE),
            Claim(WALLET, keccak(b"another"), SIGNATURE),
            Claim(WALLET, DIGEST, sign(DIGEST, keccak(b"other"))),
        )
        for other in others:
            with pytest.raises(NotByKey) as refused:
                require_account(other.digest, other.signature, other.account, contracts=True)
            assert refused.value.claim == other
    with pytest.raises(NotByKey):
        require_account(DIGEST, SIGNATURE, WALLET, contracts=True)


def test_what_only_a_key_may_sign_no_contract_vouches_for() -> None:
    message, domain = BidWithdrawal(bid_hash=DIGEST), marketplace_domain(31337, WALLET)
    digest = message.digest(domain)
    signature = sign(digest, KEY)
    with vouched_for(Claim(WALLET, digest, signature)):
        assert require_signer(message, domain, signature, WALLET) == digest
        with pytest.raises(NotByKey) as refused:
            require_key(message, domain, signature, WALLET)
    assert refused.value.contracts is False
    assert require_key(message, domain, signature, address_of(KEY)) == digest
