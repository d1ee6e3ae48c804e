"""Escrows: every figure is of an escrow that went through fund, accept with stake and submit before, second use of
every balance. The first round of each story is not measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aicp.abi import escrow, reputation
from aicp.abi.enums import Outcome, Role
from aicp.abi.typed_data import Acceptance as AcceptanceMessage
from aicp.abi.typed_data import EscrowTerms, Release, Submission
from aicp.abi.typed_data import Withdrawal as WithdrawalMessage
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from scripts.gas.pricing import marginal
from scripts.gas.world import DAY, FEE_BPS, HOUR, USDC, Person, World, fund_bonus_pool, person

AMOUNT = 25 * USDC
RESULT = keccak(b"aicp gas result")
_NO_ACCEPTANCE = escrow.Acceptance(0, b"")
_BATCH = 10


def terms_of(world: World, name: str, provider: Person | None = None, arbiter: bytes = ZERO_ADDRESS) -> EscrowTerms:
    """Return terms that start now; the name makes them unique."""
    now = world.chain.now()
    return EscrowTerms(
        client=world.client.address,
        provider=(provider or world.provider).address,
        verifier=person("verifier").address,
        arbiter=arbiter,
        amount=AMOUNT,
        fee_bps=FEE_BPS,
        quorum=2,
        accept_by=now + HOUR,
        deliver_by=now + 2 * DAY,
        challenge_period=DAY,
        dispute_timeout=14 * DAY,
        job_hash=keccak(b"aicp gas job"),
        salt=int.from_bytes(keccak(b"aicp gas deal " + name.encode()), "big"),
    )


def id_of(world: World, terms: EscrowTerms) -> bytes:
    """Return the escrow id."""
    return terms.digest(world.escrow_domain)


def submitted(world: World, terms: EscrowTerms, provider: Person | None = None) -> EscrowTerms:
    """Bring an escrow to Submitted."""
    provider = provider or world.provider
    world.send(world.client, world.escrow, escrow.encode_fund(terms))
    world.send(provider, world.escrow, escrow.encode_accept(terms))
    world.send(provider, world.escrow, escrow.encode_submit(terms, RESULT))
    return terms


def run(world: World) -> None:
    """Measure escrows without a dispute."""
    world.give(world.client, world.escrow)
    world.give(world.provider, world.reputation)
    for amount in (1_000 * USDC, 100 * USDC):
        world.send(world.provider, world.reputation, reputation.encode_stake(amount))
    _first_round(world)
    _funding(world)
    _releases(world)
    _refunds(world)
    _withdrawals(world)
    _batches(world)
    _stake(world)


def _first_round(world: World) -> None:
    for name, call in (("a", escrow.encode_release), ("b", escrow.encode_release_and_pay)):
        terms = submitted(world, terms_of(world, f"first {name}"))
        world.send(world.client, world.escrow, call(terms, AMOUNT))
    for name, call in (("c", escrow.encode_refund), ("d", escrow.encode_refund_and_pay)):
        terms = submitted(world, terms_of(world, f"first {name}"))
        world.send(world.provider, world.escrow, call(terms, AMOUNT))
    for name in "efgh":  # the client's balance pays for what follows
        terms = submitted(world, terms_of(world, f"first {name}"))
        world.send(world.provider, world.escrow, escrow.encode_refund(terms, AMOUNT))


def _funding(world: World) -> None:
    terms = terms_of(world, "transferFrom")
    world.measure("escrow: fund with transferFrom", world.client, world.escrow, escrow.encode_fund(terms))
    terms = terms_of(world, "ledger")
    world.measure("escrow: fund from ledger", world.client, world.escrow, escrow.encode_fund_from_balance(terms))
    terms = terms_of(world, "authorization")
    data = _authorized(world, terms, _NO_ACCEPTANCE)
    world.measure("escrow: fund with authorization", world.relayer, world.escrow, data)
    world.measure("escrow: accept", world.provider, world.escrow, escrow.encode_accept(terms))
    terms = terms_of(world, "authorization and acceptance")
    until = world.chain.now() + HOUR
    consent = world.provider.sign(AcceptanceMessage(id_of(world, terms), until), world.escrow_domain)
    data = _authorized(world, terms, escrow.Acceptance(until, consent))
    world.measure("escrow: fund and accept with authorization", world.relayer, world.escrow, data)
    world.measure("escrow: submit", world.provider, world.escrow, escrow.encode_submit(terms, RESULT))


def _authorized(world: World, terms: EscrowTerms, acceptance: escrow.Acceptance) -> bytes:
    valid_before = world.chain.now() + 600
    signature = world.authorization(world.client, world.escrow, AMOUNT, valid_before, id_of(world, terms))
    return escrow.encode_fund_with_authorization(terms, valid_before, signature, acceptance)


def _releases(world: World) -> None:
    calls = (("to ledger", escrow.encode_release), ("push", escrow.encode_release_and_pay))
    for name, call in calls:
        terms = submitted(world, terms_of(world, f"release {name}"))
        world.measure(f"escrow: release {name} with fee", world.client, world.escrow, call(terms, AMOUNT))
    terms = submitted(world, terms_of(world, "two signatures"))
    until = world.chain.now() + HOUR
    message = Release(id_of(world, terms), AMOUNT, until)
    signatures = [
        escrow.RoleSignature(role, signer.sign(message, world.escrow_domain))
        for role, signer in ((Role.CLIENT, world.client), (Role.VERIFIER, person("verifier")))
    ]
    data = escrow.encode_release_with_quorum(terms, AMOUNT, until, signatures)
    world.measure("escrow: release to ledger with two signatures", world.relayer, world.escrow, data)
    terms = submitted(world, terms_of(world, "relayed"))
    signature = world.client.sign(Release(id_of(world, terms), AMOUNT, until), world.escrow_domain)
    data = escrow.encode_release_with_signature(terms, AMOUNT, until, signature)
    world.measure("escrow: release to ledger, relayed", world.relayer, world.escrow, data)
    terms = submitted(world, terms_of(world, "clock"))
    with world.chain.undone():
        world.chain.pass_to(world.chain.now() + DAY)
        data = escrow.encode_release_after_challenge(terms)
        world.measure("escrow: release to ledger after the challenge period", world.relayer, world.escrow, data)


def _refunds(world: World) -> None:
    for name, call in (("to ledger", escrow.encode_refund), ("push", escrow.encode_refund_and_pay)):
        terms = submitted(world, terms_of(world, f"refund {name}"))
        world.measure(f"escrow: refund {name}", world.provider, world.escrow, call(terms, AMOUNT))


def _withdrawals(world: World) -> None:
    world.measure("escrow: withdraw a part", world.provider, world.escrow, escrow.encode_withdraw(USDC))
    question = escrow.encode_balance_of(world.provider.address)
    balance = escrow.decode_balance_of_result(world.chain.call(world.escrow, question))
    with world.chain.undone():
        world.measure("escrow: withdraw", world.provider, world.escrow, escrow.encode_withdraw(balance))
    until = world.chain.now() + HOUR
    for nonce in range(2):
        message = WithdrawalMessage(world.provider.address, world.provider.address, USDC, nonce, until)
        signature = world.provider.sign(message, world.escrow_domain)
        account = world.provider.address
        data = escrow.encode_withdraw_with_signature(account, account, USDC, until, signature)
        if nonce == 0:
            world.send(world.relayer, world.escrow, data)
        else:
            world.measure("escrow: withdraw, relayed", world.relayer, world.escrow, data)
    terms = terms_of(world, "relayed submission")
    world.send(world.client, world.escrow, escrow.encode_fund(terms))
    world.send(world.provider, world.escrow, escrow.encode_accept(terms))
    signature = world.provider.sign(Submission(id_of(world, terms), RESULT, until), world.escrow_domain)
    data = escrow.encode_submit_with_signature(terms, RESULT, until, signature)
    world.measure("escrow: submit, relayed", world.relayer, world.escrow, data)


def _batches(world: World) -> None:
    """Rows of one client with different providers, each of whom was paid before."""
    providers = [person(f"provider {number}") for number in range(_BATCH)]
    for provider in providers:
        world.give(provider, world.reputation)
        world.send(provider, world.reputation, reputation.encode_stake(1_000 * USDC))
    for turn in ("first", "second"):
        rows = [submitted(world, terms_of(world, f"{turn} of {p.name}", p), p) for p in providers]
        if turn == "first":
            world.send(world.client, world.escrow, escrow.encode_release_batch(rows))
    _marginal(world, "escrow: batch release, marginal row, distinct providers", rows)


def _marginal(world: World, key: str, rows: Sequence[EscrowTerms]) -> None:
    few = len(rows) // 2
    found = []
    for count in (few, len(rows)):
        with world.chain.undone():
            data = escrow.encode_release_batch(rows[:count])
            found.append(world.chain.measure(world.client.address, world.escrow, data))
    world.measured[key] = marginal(found[0], found[1], len(rows) - few)


def _stake(world: World) -> None:
    """Locks and slashes by themselves, sent in the name of Escrow, whose calls they are part of."""
    agent = world.provider.address
    world.measure("reputation: stake top-up", world.provider, world.reputation, reputation.encode_stake(100 * USDC))
    as_escrow = replace(world.owner, address=world.escrow)
    lock, escrow_id = 5 * USDC, keccak(b"aicp gas lock")
    world.measure("reputation: lock", as_escrow, world.reputation, reputation.encode_lock(agent, escrow_id, lock))
    data = reputation.encode_slash(agent, escrow_id, lock, Outcome.RETURNED, 0, USDC, 0, world.client.address)
    world.measure("reputation: slash", as_escrow, world.reputation, data)
    anchorer = person("anchorer")
    world.send(world.owner, world.reputation, reputation.encode_set_anchorer(anchorer.address))
    for epoch in range(2):
        data = reputation.encode_anchor_epoch(
            keccak(b"aicp gas root %d" % epoch), 1_000, keccak(b"aicp gas manifest %d" % epoch),
            "https://market.example/epochs/1.json",
        )  # fmt: skip
        if epoch == 0:
            world.send(anchorer, world.reputation, data)
            world.chain.pass_to(world.chain.now() + 8 * DAY)
        else:
            world.measure("reputation: anchor epoch", anchorer, world.reputation, data)


def run_with_bonus(world: World) -> None:
    """Measure a release that pays a bonus; last, because it needs money in the pool."""
    fund_bonus_pool(world, 1_000 * USDC)
    for turn in ("first", "second"):
        terms = submitted(world, terms_of(world, f"{turn} bonus"))
        data = escrow.encode_release(terms, AMOUNT)
        if turn == "first":
            world.send(world.client, world.escrow, data)
        else:
            world.measure("escrow: release to ledger with fee and bonus", world.client, world.escrow, data)
