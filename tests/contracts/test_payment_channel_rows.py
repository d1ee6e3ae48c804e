"""`claimBatch`: rows of several payers, what each lacks, and every reason to leave one out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
import pytest

from tests.contracts.world import USDC, ZERO, World

STALE, ABOVE_CEILING, BAD_SIGNATURE, INSUFFICIENT, BAD_CHANNEL, TRAILING_BYTES = range(1, 7)
DELAY = 86400


@dataclass(frozen=True, slots=True)
class Row:
    """One packed row, and the same as `claim` takes it."""

    config: dict[str, Any]
    total: int
    ceiling: int
    signer: Any

    def packed(self, world: World) -> bytes:
        (_, signature, _) = self.full(world)
        r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
        amounts = self.total.to_bytes(12, "big") + self.ceiling.to_bytes(12, "big")
        receiver = bytes.fromhex(self.config["receiver"][2:])
        return receiver + amounts + r + (s | ((v - 27) << 255)).to_bytes(32, "big")

    def full(self, world: World) -> Any:
        return world.row(self.config, self.total, self.ceiling, self.signer)


def row(world: World, to: Any, total: int, ceiling: int | None = None, signer: Any = None, **changes: Any) -> Row:
    config = world.config(to, **changes)
    return Row(config, total, total if ceiling is None else ceiling, signer or world.session)


def group(world: World, *rows: Row, tail: bytes = b"") -> tuple[Any, ...]:
    config = rows[0].config
    packed = b"".join(one.packed(world) for one in rows) + tail
    return config["payer"], config["payerAuthorizer"], config["withdrawDelay"], config["salt"], packed


def claim(world: World, *groups: tuple[Any, ...]) -> Any:
    return world.channel.claimBatch(world.operator, list(groups), b"", sender=world.operator)


def skipped(world: World, receipt: Any) -> list[tuple[int, int, int]]:
    return [(event.group, event.row, event.reason) for event in world.channel.RowSkipped.from_receipt(receipt)]


def state(world: World, one: Row) -> tuple[int, int]:
    return tuple(world.channel.channels(world.channel_id(one.config)))


def fill(world: World, one: Row, amount: int) -> None:
    world.channel.deposit(tuple(one.config.values()), amount, ZERO, b"", sender=world.client)


def test_claim_batch__draws_exactly_what_each_channel_lacks(world):
    world.open_pool(10)
    full, short, empty = (
        row(world, world.provider, 3),
        row(world, world.verifier, 5, 6),
        row(world, world.treasury, 4, 9),
    )
    fill(world, full, 8)
    fill(world, short, 2)
    receipt = claim(world, group(world, full, short, empty))
    assert skipped(world, receipt) == []
    assert [state(world, one) for one in (full, short, empty)] == [(8, 3), (5, 5), (4, 4)]
    assert [(bytes(e.poolId), e.amount) for e in world.channel.PoolDrawn.from_receipt(receipt)] == [
        (world.pool_id(), 7)
    ]
    assert world.pool().balance == 3
    (created,) = world.channel.ChannelCreated.from_receipt(receipt)
    assert bytes(created.channelId) == world.channel_id(empty.config)
    assert bytes(world.channel.getChannelId(tuple(created.config))) == world.channel_id(empty.config)
    claimed = [
        (bytes(e.channelId), e.sender, e.claimAmount, e.newTotalClaimed)
        for e in world.channel.Claimed.from_receipt(receipt)
    ]
    amounts = ((full, 3), (short, 5), (empty, 4))
    assert claimed == [(world.channel_id(one.config), world.operator.address, n, n) for one, n in amounts]
    for one, amount in amounts:
        assert tuple(world.channel.receivers(one.config["receiver"], world.usdc)) == (amount, 0)
    receipt = claim(world, group(world, row(world, world.provider, 7)))
    assert not list(world.channel.PoolDrawn.from_receipt(receipt))
    assert [(e.claimAmount, e.newTotalClaimed) for e in world.channel.Claimed.from_receipt(receipt)] == [(4, 7)]
    assert (state(world, full), world.pool().balance) == ((8, 7), 3)


def test_claim_batch__of_two_payers_by_one_signature(world):
    world.open_pool(10)
    world.channel.depositPool(ZERO, world.operator, 20, sender=world.provider)
    first = (row(world, world.verifier, 1), row(world, world.treasury, 2), row(world, world.stranger, 3))
    theirs = {"payer": world.provider.address, "payerAuthorizer": ZERO, "signer": world.provider}
    second = (row(world, world.verifier, 4, **theirs), row(world, world.treasury, 5, **theirs))
    groups = [group(world, *first), group(world, *second, tail=b"\x01\x02")]
    entries = [one.full(world) for one in (*first, *second)]
    assert world.channel.getGroupsDigest(world.operator, groups) == world.channel.getClaimBatchDigest(entries)
    attested = world.receipt(entries)
    for other in (groups[::-1], groups[:1]):
        with ape.reverts(world.channel.InvalidSignature):
            world.channel.claimBatch(world.operator, other, attested, sender=world.stranger)
    receipt = world.channel.claimBatch(world.operator, groups, attested, sender=world.stranger)
    assert skipped(world, receipt) == [(1, 2, TRAILING_BYTES)]
    assert [state(world, one) for one in (*first, *second)] == [(n, n) for n in (1, 2, 3, 4, 5)]
    assert world.pool().balance == 4
    pool = world.channel.pools(world.channel.getPoolId(world.provider, ZERO, world.operator))
    assert pool.balance == 11
    assert tuple(world.channel.receivers(world.verifier, world.usdc)) == (5, 0)


def test_claim_batch__to_the_last_unit_of_the_pool(world):
    world.open_pool(10)
    rows = (
        row(world, world.provider, 6),
        row(world, world.verifier, 5),  # one more than is left
        row(world, world.treasury, 4),
        row(world, world.stranger, 1),
    )
    receipt = claim(world, group(world, *rows))
    assert skipped(world, receipt) == [(0, 1, INSUFFICIENT), (0, 3, INSUFFICIENT)]
    assert (world.pool().balance, state(world, rows[1])) == (0, (0, 0))


def test_claim_batch__leaves_out_what_is_stale_above_the_ceiling_or_not_signed(world):
    world.open_pool(10)
    rows = (
        row(world, world.provider, 2, 3),
        row(world, world.provider, 2, 3),
        row(world, world.provider, 1, 3),
        row(world, world.provider, 4, 3),
        row(world, world.provider, 3, 3),
        row(world, world.verifier, 1, signer=world.client),
        row(world, world.verifier, 0),
    )
    receipt = claim(world, group(world, *rows))
    assert skipped(world, receipt) == [
        (0, 1, STALE),
        (0, 2, STALE),
        (0, 3, ABOVE_CEILING),
        (0, 5, BAD_SIGNATURE),
        (0, 6, STALE),
    ]
    assert state(world, rows[0]) == (3, 3)
    assert [event.claimAmount for event in world.channel.Claimed.from_receipt(receipt)] == [2, 1]


@pytest.mark.parametrize("delay", [899, 30 * DELAY + 1])
def test_claim_batch__draws_for_no_channel_that_could_not_be_opened(world, delay):
    world.open_pool(10)
    receipt = claim(world, group(world, row(world, world.provider, 1, withdrawDelay=delay)))
    assert skipped(world, receipt) == [(0, 0, BAD_CHANNEL)]
    receipt = claim(world, group(world, row(world, world.provider, 1, receiver=ZERO)))
    assert skipped(world, receipt) == [(0, 0, BAD_CHANNEL)]
    assert world.pool().balance == 10


@pytest.mark.parametrize("delay", [900, 30 * DELAY])
def test_claim_batch__draws_for_delays_at_their_bounds(world, delay):
    world.open_pool(10)
    receipt = claim(world, group(world, row(world, world.provider, 10, withdrawDelay=delay)))
    assert (skipped(world, receipt), world.pool().balance) == ([], 0)


def test_claim_batch__without_rows_does_nothing(world):
    world.open_pool(10)
    nothing = (*group(world, row(world, world.provider, 1))[:4], b"")
    assert not list(claim(world, nothing).decode_logs())
    receipt = claim(world, (*nothing[:4], b"\x01" * 107))
    assert skipped(world, receipt) == [(0, 0, TRAILING_BYTES)]
    with ape.reverts(world.channel.EmptyBatch):
        claim(world)


def test_claim_batch__is_the_operators(world):
    world.open_pool(10)
    one = row(world, world.provider, 1)
    groups = [group(world, one)]
    for sender, operator in ((world.stranger, world.operator), (world.stranger, ZERO)):
        with ape.reverts(world.channel.NotAuthorizedToClaim):
            world.channel.claimBatch(operator, groups, b"", sender=sender)
    with ape.reverts(world.channel.InvalidSignature):
        world.channel.claimBatch(
            world.operator, groups, world.receipt([one.full(world)], world.stranger), sender=world.operator
        )
    # the pool of another operator is another pool
    receipt = world.channel.claimBatch(world.stranger, groups, b"", sender=world.stranger)
    assert len(skipped(world, receipt)) == 1
    assert world.pool().balance == 10


def test_claim_batch__zero_signs_for_nobody(world):
    world.open_pool(10)
    one = row(world, world.provider, 1)
    broken = one.packed(world)[:44] + b"\0" * 64
    key = group(world, one)[:4]
    assert skipped(world, claim(world, (*key, broken))) == [(0, 0, BAD_SIGNATURE)]
    # a group of no payer at all
    world.usdc.faucet(world.channel, USDC, sender=world.stranger)
    receipt = claim(world, (ZERO, ZERO, *key[2:], broken))
    assert skipped(world, receipt)[0][2] in {INSUFFICIENT, BAD_SIGNATURE}
    assert not list(world.channel.Claimed.from_receipt(receipt))
