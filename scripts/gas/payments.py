"""The payment channel: deposits, claims, settlements and withdrawals, on words that were in use before."""

from __future__ import annotations

from collections.abc import Sequence

from eth_abi.abi import encode

from aicp.abi import payment_channel as channel
from aicp.abi.signing import sign, to_compact
from aicp.abi.typed_data import ChannelConfig, PoolKey, Voucher
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from scripts.gas.pricing import Figures, marginal
from scripts.gas.world import DAY, USDC, Person, World, person

_DEPOSIT = 100 * USDC
_FEW, _MANY = 4, 20
_SALT = keccak(b"aicp gas channels")


def run(world: World) -> None:
    """Measure everything about channels and pools."""
    payers = (world.client, person("second payer"))
    for payer in payers:
        world.give(payer, world.channel)
        world.send(payer, world.channel, pool_deposit(world))
    for payer in payers:
        groups = [group(world, payer, _MANY, USDC)]
        world.send(world.operator, world.channel, channel.encode_claim_batch(world.operator.address, groups, b""))
    _deposits(world)
    _claims(world, payers)
    _settlements(world)
    _withdrawals(world)


def _config(world: World, payer: Person, number: int) -> ChannelConfig:
    return ChannelConfig(
        payer=payer.address,
        payer_authorizer=world.session.address,
        receiver=agent(number).address,
        receiver_authorizer=world.operator.address,
        token=world.usdc,
        withdraw_delay=DAY,
        salt=_SALT,
    )


def agent(number: int) -> Person:
    """Return the agent of a number."""
    return person(f"agent {number}")


def pool_deposit(world: World) -> bytes:
    """Return the call that puts plenty into the pool of whoever sends it."""
    return channel.encode_deposit_pool(world.session.address, world.operator.address, _DEPOSIT)


def _deposits(world: World) -> None:
    """The first deposit opens a channel or a pool, the second finds its words in use."""
    plain = channel.encode_deposit(_config(world, world.client, _MANY), _DEPOSIT, ZERO_ADDRESS, b"")
    for place in ("", ", top-up"):
        world.measure(f"channel: deposit with transferFrom{place}", world.client, world.channel, plain)
    for number, place in enumerate(("", ", top-up")):
        data = _collected(world, number)
        world.measure(f"channel: deposit via ERC-3009 collector{place}", world.relayer, world.channel, data)
    for number, place in enumerate(("", ", top-up")):
        data = _authorized_pool(world, number)
        world.measure(f"pool: deposit with authorization{place}", world.relayer, world.channel, data)
    data = channel.encode_deposit_pool(person("session of another pool").address, world.operator.address, _DEPOSIT)
    for place in ("", ", top-up"):
        world.measure(f"pool: deposit with transferFrom{place}", world.client, world.channel, data)


def _collected(world: World, salt: int) -> bytes:
    config = _config(world, world.client, _MANY + 1)
    valid_before, channel_id = world.chain.now() + 600, config.digest(world.channel_domain)
    nonce = keccak(encode(["bytes32", "uint256"], [channel_id, salt]))
    signature = world.authorization(world.client, world.collector, _DEPOSIT, valid_before, nonce)
    proof = encode(["uint256", "uint256", "uint256", "bytes"], [0, valid_before, salt, signature])
    return channel.encode_deposit(config, _DEPOSIT, world.collector, proof)


def _authorized_pool(world: World, salt: int) -> bytes:
    key = PoolKey(world.client.address, person("session of a new pool").address, world.operator.address)
    valid_before = world.chain.now() + 600
    nonce = keccak(encode(["bytes32", "uint256"], [key.digest(world.channel_domain), salt]))
    signature = world.authorization(world.client, world.channel, _DEPOSIT, valid_before, nonce)
    return channel.encode_deposit_pool_with_authorization(
        key.payer, key.payer_authorizer, key.operator, _DEPOSIT, 0, valid_before, salt, signature
    )


def group(world: World, payer: Person, rows: int, total: int, start: int = 0) -> channel.Group:
    """Rows for agents one after the other, each claiming `total` in all, of a ceiling a little above."""
    packed = b""
    for number in range(start, start + rows):
        config, ceiling = _config(world, payer, number), total + 345_678
        voucher = Voucher(config.digest(world.channel_domain), ceiling).digest(world.channel_domain)
        compact = to_compact(sign(voucher, world.session.key))
        packed += config.receiver + total.to_bytes(12, "big") + ceiling.to_bytes(12, "big") + compact
    return channel.Group(payer.address, world.session.address, DAY, _SALT, packed)


def _claims(world: World, payers: tuple[Person, Person]) -> None:
    """Agents 0 to 19 of both payers; agent 0 of the first payer has a deposit of its own and stays out."""
    more = 2 * USDC + 345_678
    first = group(world, payers[0], _MANY - 1, more, start=1)
    few = signed_batch(world, [group(world, payers[0], _FEW, more, start=1)])
    many = signed_batch(world, [first])
    world.measured["channel: claim batch, marginal row, distinct agents"] = marginal(few, many, _MANY - 1 - _FEW)
    again = (
        signed_batch(world, [first, group(world, payers[1], _FEW, more, start=1)]),
        signed_batch(world, [first, group(world, payers[1], _MANY - 1, more, start=1)]),
    )
    world.measured["channel: claim batch, marginal row, repeated agent"] = marginal(*again, _MANY - 1 - _FEW)


def signed_batch(world: World, groups: Sequence[channel.Group]) -> Figures:
    """Measure a batch the operator signed and a relayer sends, forgotten afterwards."""
    question = channel.encode_get_groups_digest(world.operator.address, groups)
    digest = channel.decode_get_groups_digest_result(world.chain.call(world.channel, question))
    data = channel.encode_claim_batch(world.operator.address, groups, sign(digest, world.operator.key))
    with world.chain.undone():
        return world.chain.measure(world.relayer.address, world.channel, data)


def _settlements(world: World) -> None:
    """Two claims and settlements before: the agent holds USDC and both of its words are in use."""
    config = _config(world, world.client, 0)
    world.send(world.client, world.channel, channel.encode_deposit(config, _DEPOSIT, ZERO_ADDRESS, b""))
    settle = channel.encode_settle(config.receiver, world.usdc)
    world.send(world.relayer, world.channel, settle)
    world.send(world.operator, world.channel, channel.encode_claim([_voucher(world, config, 3 * USDC)]))
    world.measure("channel: settle", world.relayer, world.channel, settle)
    one = channel.encode_claim_and_pay(_voucher(world, config, 4 * USDC), b"")
    world.measure("channel: claim one voucher and settle", agent(0), world.channel, one)
    claim = channel.encode_claim([_voucher(world, config, 5 * USDC)])
    both = channel.encode_multicall([claim, settle])
    world.measure("channel: claim one voucher and settle, by multicall", agent(0), world.channel, both)
    agents = [agent(number).address for number in range(1, _MANY)]
    world.send(world.relayer, world.channel, channel.encode_settle_many(agents))
    groups = [group(world, world.client, _MANY - 1, 5 * USDC, start=1)]
    world.send(world.operator, world.channel, channel.encode_claim_batch(world.operator.address, groups, b""))
    found = []
    for count in (_FEW, _MANY - 1):
        data = channel.encode_settle_many(agents[:count])
        with world.chain.undone():
            found.append(world.chain.measure(world.relayer.address, world.channel, data))
    world.measured["channel: settle many, marginal agent"] = marginal(found[0], found[1], _MANY - 1 - _FEW)


def _voucher(world: World, config: ChannelConfig, total: int) -> channel.VoucherClaim:
    message = Voucher(config.digest(world.channel_domain), total)
    signature = world.session.sign(message, world.channel_domain)
    return channel.VoucherClaim(channel.Voucher(config, total), signature, total)


def _withdrawals(world: World) -> None:
    config, payer = _config(world, world.client, 0), world.client
    start = channel.encode_initiate_withdraw(config, USDC)
    end = channel.encode_finalize_withdraw(config)
    pool = (world.session.address, world.operator.address)
    pool_start = channel.encode_initiate_pool_withdraw(*pool, USDC)
    pool_end = channel.encode_finalize_pool_withdraw(payer.address, *pool)
    world.measure("channel: initiate withdrawal", payer, world.channel, start)
    world.measure("pool: initiate withdrawal", payer, world.channel, pool_start)
    world.chain.pass_to(world.chain.now() + 2 * DAY)
    world.measure("channel: finalise withdrawal", payer, world.channel, end)
    world.measure("pool: finalise withdrawal", payer, world.channel, pool_end)
