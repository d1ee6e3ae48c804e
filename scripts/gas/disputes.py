"""Disputes before the arbiter: raised, joined, drawn, committed and revealed; a whole case has gone before."""

from __future__ import annotations

from eth_abi.abi import encode

from aicp.abi import arbiter, escrow
from aicp.abi.typed_data import Vote, arbiter_domain
from aicp.rules.primitives import checksum, keccak
from scripts.gas.chain import CHAIN_ID
from scripts.gas.deals import AMOUNT, id_of, submitted, terms_of
from scripts.gas.world import DAY, HOUR, USDC, Person, World, person

_JURORS = 7
_FOR_PROVIDER = 2
_SALT = keccak(b"aicp gas vote")


def run(world: World) -> None:
    """Measure the second case."""
    jurors = [person(f"juror {number}") for number in range(_JURORS)]
    for juror in jurors:
        world.give(juror, world.arbiter)
        world.send(juror, world.arbiter, arbiter.encode_stake(200 * USDC))
    _fill_balances(world)
    for measured in (False, True):
        _case(world, jurors, measured=measured)


def _fill_balances(world: World) -> None:
    """Both parties hold a balance, which bonds are paid from."""
    for name in ("one", "two", "three"):
        terms = submitted(world, terms_of(world, f"bonds {name}"))
        world.send(world.client, world.escrow, escrow.encode_release(terms, AMOUNT))
        terms = submitted(world, terms_of(world, f"bonds back {name}"))
        world.send(world.provider, world.escrow, escrow.encode_refund(terms, AMOUNT))


def _case(world: World, jurors: list[Person], *, measured: bool) -> None:
    def step(key: str, sender: Person, to: bytes, data: bytes) -> None:
        if measured:
            world.measure(key, sender, to, data)
        else:
            world.send(sender, to, data)

    terms = submitted(world, terms_of(world, f"case {measured}", arbiter=world.arbiter))
    evidence = keccak(b"aicp gas evidence")
    step("escrow: dispute raised", world.client, world.escrow, escrow.encode_dispute(terms, evidence))
    step("escrow: dispute joined", world.provider, world.escrow, escrow.encode_respond(terms))
    parties = [id_of(world, terms), *(checksum(a) for a in (terms.client, terms.provider, terms.verifier))]
    extra = encode(["bytes32", "address", "address", "address"], parties)
    answer = world.chain.call(world.arbiter, arbiter.encode_dispute_id_of(world.escrow, extra))
    dispute = arbiter.decode_dispute_id_of_result(answer)
    _draw(world, dispute, extra)
    panel = set(arbiter.decode_panel_of_result(world.chain.call(world.arbiter, arbiter.encode_panel_of(dispute, 0))))
    seated = sorted((juror for juror in jurors if juror.address in panel), key=lambda juror: juror.name)
    domain = arbiter_domain(CHAIN_ID, world.arbiter)
    for place, juror in enumerate(seated):
        vote = Vote(dispute, 0, juror.address, _FOR_PROVIDER, _SALT)
        data = arbiter.encode_commit(dispute, vote.digest(domain))
        # the last commitment also opens Reveal, the last vote also Appeal
        name = "arbiter: commit" if place < len(seated) - 1 else "arbiter: last commit"
        step(name, juror, world.arbiter, data)
    for place, juror in enumerate(seated):
        data = arbiter.encode_reveal(dispute, juror.address, _FOR_PROVIDER, _SALT)
        name = "arbiter: reveal" if place < len(seated) - 1 else "arbiter: last reveal"
        step(name, world.relayer, world.arbiter, data)
    world.chain.pass_to(world.chain.now() + 3 * DAY)
    step("arbiter: execute ruling", world.relayer, world.arbiter, arbiter.encode_execute_ruling(dispute))
    step("escrow: ruling executed", world.relayer, world.escrow, escrow.encode_execute(terms))
    for juror in seated:
        world.send(world.relayer, world.arbiter, arbiter.encode_claim(dispute, 0, juror.address))


def _draw(world: World, dispute: int, extra: bytes) -> None:
    world.chain.pass_to(world.chain.now() + 2 * DAY)
    world.send(world.relayer, world.arbiter, arbiter.encode_advance(dispute))
    world.chain.pass_to(world.chain.now() + HOUR)
    world.send(world.relayer, world.arbiter, arbiter.encode_advance_session())
    world.send(world.relayer, world.arbiter, arbiter.encode_advance_session())
    world.send(world.relayer, world.arbiter, arbiter.encode_draw(dispute, extra, 15))
