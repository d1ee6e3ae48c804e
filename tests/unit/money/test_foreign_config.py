"""A channel config with a foreign authorizer, receiver or operator reaches no pool, whoever signs.

The attacker holds the operator's key. He can sign any claim batch; what he lacks is a voucher of the pool's own session
key for a channel of the pool's own config, and every id he can make instead names another pool or another channel.
"""

from __future__ import annotations

import msgspec
import pytest

from aicp.abi.signing import address_of, recover, sign
from aicp.abi.typed_data import ClaimBatch, ClaimEntry, Voucher, channel_domain
from aicp.rules.constants import network
from aicp.rules.ids import channel_id, pool_id, pool_key
from aicp.rules.primitives import keccak
from backend.domain.signatures import require_signer
from backend.errors import InvalidSignature
from backend.payments.channels import lane
from backend.settlement.batch import Row, batch_message, grouped
from tests.fixtures.apihost import deployment

OPERATOR_KEY, SESSION_KEY, ATTACKER_KEY = keccak(b"operator"), keccak(b"session"), keccak(b"attacker")
BUYER, AGENT = keccak(b"buyer")[12:], keccak(b"agent")[12:]
DEPLOYMENT = deployment()
DOMAIN = channel_domain(DEPLOYMENT.chain_id, DEPLOYMENT.payment_channel)


class _Context:
    deployment = DEPLOYMENT
    constants = network(DEPLOYMENT.chain_id).constants

    class domains:  # noqa: N801
        channel = DOMAIN


def _lane(authorizer=None, receiver=AGENT, payer=BUYER):
    return lane(
        _Context, payer=payer, payer_authorizer=authorizer or address_of(SESSION_KEY), receiver=receiver,
        operator=address_of(OPERATOR_KEY),
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"payer_authorizer": address_of(ATTACKER_KEY)},
        {"receiver": address_of(ATTACKER_KEY)},
        {"receiver_authorizer": address_of(ATTACKER_KEY)},
        {"withdraw_delay": 900},
        {"salt": keccak(b"another salt")},
        {"token": keccak(b"another token")[12:]},
    ],
)
def test_a_changed_config_is_another_channel_so_the_buyers_voucher_fits_it_nowhere(changes) -> None:
    own = _lane()
    foreign = msgspec.structs.replace(own.config, **changes)
    foreign_id = channel_id(foreign, DOMAIN)
    assert foreign_id != own.channel_id
    voucher = sign(Voucher(channel_id=own.channel_id, max_claimable_amount=5).digest(DOMAIN), SESSION_KEY)
    presented = Voucher(channel_id=foreign_id, max_claimable_amount=5)
    assert recover(presented.digest(DOMAIN), voucher) != address_of(SESSION_KEY)


def test_an_own_authorizer_names_an_own_and_empty_pool() -> None:
    assert _lane(authorizer=address_of(ATTACKER_KEY)).pool_id != _lane().pool_id
    assert _lane(payer=address_of(ATTACKER_KEY)).pool_id != _lane().pool_id
    key = pool_key(BUYER, address_of(SESSION_KEY), address_of(OPERATOR_KEY))
    assert _lane().pool_id == pool_id(key, DOMAIN)


@pytest.mark.parametrize("key", [OPERATOR_KEY, ATTACKER_KEY])
def test_neither_operator_nor_attacker_can_sign_a_voucher_of_the_pool(key) -> None:
    own = _lane()
    message = Voucher(channel_id=own.channel_id, max_claimable_amount=10**6)
    with pytest.raises(InvalidSignature):
        require_signer(message, DOMAIN, sign(message.digest(DOMAIN), key), own.voucher_signer)


def test_a_batch_packs_rows_as_the_contract_reads_them_and_signs_them_in_that_order() -> None:
    rows = []
    for n in range(5):
        way = _lane(receiver=keccak(bytes([n]))[12:], payer=keccak(bytes([n % 2]))[12:])
        voucher = Voucher(channel_id=way.channel_id, max_claimable_amount=100 + n)
        rows.append(
            Row(
                channel_id=way.channel_id, config=way.config, total_claimed_units=50 + n, ceiling_units=100 + n,
                voucher_signature=sign(voucher.digest(DOMAIN), SESSION_KEY), operator_signature=b"",
            )
        )  # fmt: skip
    ordered, groups = grouped(rows)
    assert [len(group.rows) for group in groups] in ([324, 216], [216, 324])
    assert b"".join(group.rows[at : at + 20] for group in groups for at in range(0, len(group.rows), 108)) == b"".join(
        row.config.receiver for row in ordered
    )
    signed = batch_message(ordered)
    assert isinstance(signed, ClaimBatch)
    assert signed.claims == tuple(ClaimEntry(r.channel_id, r.ceiling_units, r.total_claimed_units) for r in ordered)
