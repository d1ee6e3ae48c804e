"""Whose signature a contract takes: plain accounts, accounts with code and a key, and ERC-1271 contracts.

A rating needs no escrow to be refused: a signature that counts is followed by the complaint that there is none.
"""

from __future__ import annotations

import ape
import pytest
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from eth_keys.datatypes import Signature
from eth_utils import keccak, to_checksum_address

from tests.contracts.world import FOREVER, TYPED, ZERO

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SOME_R = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798  # of a point on the curve
WALLET = "0x00000000000000000000000000000000000a11e7"
MAGIC = bytes.fromhex("1626ba7e")
COMMENT = b"\x33" * 32


def takes(world, terms, signer, signature) -> bool:
    """Whether Escrow takes a signature for the signer's, by what it complains about."""
    address = to_checksum_address(signer if isinstance(signer, str) else signer.address)
    try:
        world.escrow.rateWithSignature(terms.tuple(), address, 80, COMMENT, FOREVER, signature, sender=world.stranger)
    except ape.exceptions.CustomError as error:
        if isinstance(error, world.escrow.Escrow_InvalidSignature):
            assert error.inputs["expected"] == address
            return False
        assert isinstance(error, world.escrow.Escrow_WrongStatus)
        return True
    raise AssertionError("there is no such escrow")


def digest(world, terms) -> bytes:
    """The digest that `rate` wants signed."""
    message = {"escrowId": world.id_of(terms), "score": 80, "commentHash": COMMENT, "validUntil": FOREVER}
    domain = world.domain("AICP Escrow", "1", world.escrow)
    signable = encode_typed_data(
        domain_data=domain, message_types={"Rating": TYPED["Rating"]["fields"]}, message_data=message
    )
    return bytes(_hash_eip191_message(signable))


def signed(world, terms, account) -> bytes:
    return bytes(Account.unsafe_sign_hash(digest(world, terms), account.private_key).signature)


def recovered(message: bytes, parity: int, r: int, s: int) -> str:
    """The account to which the curve ascribes a signature."""
    return Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(message).to_checksum_address()


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def answering(world, answer: bytes, *, reverts: bool = False, size: int | None = None) -> str:
    """A contract that answers everything with these bytes."""
    size = len(answer) if size is None else size
    padded = answer.ljust(64, b"\0")
    store = b"\x7f" + padded[:32] + b"\x5f\x52" + b"\x7f" + padded[32:] + b"\x60\x20\x52"
    world.chain.provider.set_code(WALLET, store + b"\x60" + bytes([size]) + b"\x5f" + (b"\xfd" if reverts else b"\xf3"))
    return WALLET


@pytest.fixture
def terms(world):
    return world.terms()


def test_signature__of_an_account_in_both_encodings(world, terms):
    signature = signed(world, terms, world.stranger)
    r, s, parity = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64] - 27
    assert takes(world, terms, world.stranger, signature)
    assert takes(world, terms, world.stranger, r + word(parity << 255 | s))
    assert not takes(world, terms, world.stranger, r + word((1 - parity) << 255 | s))
    assert not takes(world, terms, world.verifier, signature)
    assert not takes(world, terms, world.verifier, r + word(parity << 255 | s))


@pytest.mark.parametrize("parity", [0, 1])
def test_signature__of_either_parity(world, terms, parity):
    message = digest(world, terms)
    signer = recovered(message, parity, SOME_R, 7)
    assert takes(world, terms, signer, word(SOME_R) + word(7) + bytes([27 + parity]))
    assert takes(world, terms, signer, word(SOME_R) + word(parity << 255 | 7))
    assert not takes(world, terms, signer, word(SOME_R) + word(7) + bytes([28 - parity]))
    assert not takes(world, terms, signer, word(SOME_R) + word((1 - parity) << 255 | 7))


def test_signature__has_an_s_of_at_most_half_the_order(world, terms):
    message = digest(world, terms)
    for s, counts in ((1, True), (ORDER // 2, True), (ORDER // 2 + 1, False), (ORDER - 1, False)):
        signer = recovered(message, 0, SOME_R, s)
        assert takes(world, terms, signer, word(SOME_R) + word(s) + b"\x1b") is counts, s


def test_signature__of_another_length_is_nobodys(world, terms):
    signature = signed(world, terms, world.stranger)
    for other in (b"", signature[:63], signature + b"\0", b"\0" + signature, signature * 2):
        assert not takes(world, terms, world.stranger, other), len(other)


@pytest.mark.parametrize("account", [ZERO, f"0x{1:040x}"])
def test_signature__that_is_none_is_not_that_of_a_small_account(world, terms, account):
    for nonsense in (b"", b"\0" * 64, b"\0" * 65, b"\xff" * 65, word(SOME_R) + word(ORDER - 1) + b"\x1b"):
        assert not takes(world, terms, account, nonsense)


@pytest.mark.parametrize(
    ("answer", "size", "counts"),
    [
        (MAGIC, 32, True),
        (MAGIC, 64, True),
        (MAGIC, 31, False),
        (MAGIC, 4, False),
        (b"", 0, False),
        (b"", 32, False),
        (MAGIC[:3] + b"\x7f", 32, False),
        (b"\0" * 28 + MAGIC, 32, False),
        (MAGIC + b"\x01", 32, False),
        (MAGIC.ljust(31, b"\0") + b"\x01", 32, False),
        (b"\0" * 32 + MAGIC, 64, False),
    ],
)
def test_contract_signature__is_one_word_with_the_magic_value(world, terms, answer, size, counts):
    assert takes(world, terms, answering(world, answer, size=size), b"any") is counts


def test_contract_signature__of_a_contract_that_reverts_is_none(world, terms):
    assert not takes(world, terms, answering(world, MAGIC, reverts=True, size=32), b"any")


def test_contract_signature__asks_with_digest_and_signature(world, terms):
    signature = b"\x07" * 70  # neither one nor two words, and the encoding pads it
    call = MAGIC + digest(world, terms) + word(64) + word(len(signature)) + signature.ljust(96, b"\0")
    # magic if the hash of the calldata is the expected one, zero if not
    check = b"\x36\x5f\x5f\x37\x36\x5f\x20\x7f" + keccak(call) + b"\x14"
    answer = b"\x63" + MAGIC + b"\x60\xe0\x1b\x02\x5f\x52\x60\x20\x5f\xf3"
    world.chain.provider.set_code(WALLET, check + answer)
    assert takes(world, terms, WALLET, signature)
    assert not takes(world, terms, WALLET, b"\x08" * 70)


def test_contract_signature__is_asked_for_in_the_contracts_own_context_and_changes_nothing(world, terms):
    address = bytes.fromhex(WALLET[2:])
    answer = b"\x63" + MAGIC + b"\x60\xe0\x1b\x02\x5f\x52\x60\x20\x5f\xf3"
    world.chain.provider.set_code(WALLET, b"\x30\x73" + address + b"\x14" + answer)
    assert takes(world, terms, WALLET, b"any")
    world.chain.provider.set_code(WALLET, b"\x60\x01\x5f\x55" + b"\x60\x01" + answer)  # writes its storage first
    assert not takes(world, terms, WALLET, b"any")


def test_signature__of_an_account_that_has_code_is_its_keys(world, terms):
    signature = signed(world, terms, world.stranger)
    delegation = bytes.fromhex("ef0100") + bytes.fromhex(world.usdc.address[2:])  # as EIP-7702 leaves it
    world.chain.provider.set_code(world.verifier.address, delegation)
    own = signed(world, terms, world.verifier)
    assert takes(world, terms, world.verifier, own)
    assert not takes(world, terms, world.verifier, signature)
