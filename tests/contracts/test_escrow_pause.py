"""Escrow while inflows are paused: a row for every function, what it needs, and whether it still works.

Only new money is stopped. What was funded before can be accepted, released, refunded, disputed, answered, ruled, ended
and taken out, so the guardian can hold up business but nobody's money. The functions are read from the ABI: one
without a row fails, and so does a row without its function.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ape
import pytest

from aicp.abi.bytecode import artifact
from tests.contracts.test_escrow_disputes import (
    EVIDENCE,
    IN_BALANCE,
    NO_BOND,
    arbitrator,
    challenged,
    clock,
    disputed,
    submitted,
)
from tests.contracts.test_escrow_roads import COMMENT, closed, consent, permit, permit2, with_permit2
from tests.contracts.world import FOREVER, USDC, Terms, World

__all__ = ["arbitrator", "with_permit2"]


@dataclass(frozen=True, slots=True)
class Stage:
    """The contracts, and an arbitrator whose parties have balances in Escrow."""

    world: World
    arbitrator: Any
    other_token: Any


Act = Callable[[Stage], Callable[[], Any]]
"""Brings what the call needs while inflows are open, and returns the call itself."""


def funded(world: World) -> Terms:
    """Funded, not accepted."""
    terms = world.terms()
    world.fund_signed(terms)
    return terms


def signature(world: World, signer: Any, name: str, terms: Terms, **message: Any) -> bytes:
    """A message of the Escrow domain about these terms, valid for ever."""
    return world.sign_escrow(signer, name, escrowId=world.id_of(terms), **message, validUntil=FOREVER)


def plain(name: str, sender: str, state: Callable[[Stage], Terms], *more: Any) -> Act:
    """A call that takes the terms and `more`, where a function of the terms may stand for a value."""

    def act(stage: Stage) -> Callable[[], Any]:
        terms = state(stage)
        values = [value(stage, terms) if callable(value) else value for value in more]
        function = getattr(stage.world.escrow, name)
        return lambda: function(terms.tuple(), *values, sender=getattr(stage.world, sender))

    return act


def signed(role: str, name: str, **message: Any) -> Callable[[Stage, Terms], bytes]:
    """The signature of a party, made when the terms are known."""

    def sign(stage: Stage, terms: Terms) -> bytes:
        values = {key: value(stage, terms) if callable(value) else value for key, value in message.items()}
        return signature(stage.world, getattr(stage.world, role), name, terms, **values)

    return sign


def price(stage: Stage, terms: Terms) -> int:
    """All of it."""
    return terms.amount


def other(name: str, sender: str, *values: Any) -> Act:
    """A call without terms; a string is an account of the world."""

    def act(stage: Stage) -> Callable[[], Any]:
        given = [getattr(stage.world, value) if isinstance(value, str) else value for value in values]
        function = getattr(stage.world.escrow, name)
        return lambda: function(*given, sender=getattr(stage.world, sender))

    return act


def late(state: Callable[[Stage], Terms], when: Callable[[Stage, Terms], int]) -> Callable[[Stage], Terms]:
    """The state, and then time passes."""

    def act(stage: Stage) -> Terms:
        terms = state(stage)
        stage.world.pass_to(when(stage, terms))
        return terms

    return act


def end_of(stage: Stage, terms: Terms) -> int:
    """The clock in the escrow's word."""
    return clock(stage.world, terms)


def quorum(stage: Stage, terms: Terms) -> list[tuple[int, bytes]]:
    """Client and provider release."""
    message = {"cumulativeReleased": terms.amount}
    return [
        (role, signature(stage.world, signer, "Release", terms, **message))
        for role, signer in enumerate((stage.world.client, stage.world.provider))
    ]


def pay(stage: Stage, terms: Terms) -> bytes:
    """The client's authorization of the price."""
    return stage.world.authorization(stage.world.client, stage.world.escrow, terms.amount, stage.world.id_of(terms))


def owed(stage: Stage) -> Terms:
    """Closed while Reputation was out of order."""
    world = stage.world
    terms = world.submitted()
    provider = world.chain.provider
    code = bytes(provider.get_code(world.reputation.address))
    provider.make_request("anvil_setCode", [world.reputation.address, "0x60006000fd"])
    world.escrow.release(terms.tuple(), terms.amount, sender=world.client)
    provider.make_request("anvil_setCode", [world.reputation.address, "0x" + code.hex()])
    return terms


def batch(stage: Stage) -> Callable[[], Any]:
    """One row."""
    rows = [stage.world.submitted().tuple()]
    return lambda: stage.world.escrow.releaseBatch(rows, sender=stage.world.client)


def ruling(stage: Stage) -> Callable[[], Any]:
    """The arbiter delivers."""
    terms = disputed(stage.world, stage.arbitrator)

    def act() -> None:
        stage.arbitrator.giveRuling(0, 2, sender=stage.world.owner)
        assert stage.world.escrow.stateOf(stage.world.id_of(terms)).ruling == 2

    return act


def ruled(stage: Stage) -> Terms:
    """Ruled for the provider."""
    terms = disputed(stage.world, stage.arbitrator)
    stage.arbitrator.giveRuling(0, 2, sender=stage.world.owner)
    return terms


def splitting(stage: Stage) -> Callable[[], Any]:
    """Both sign."""
    world, terms = stage.world, submitted(stage.world, stage.arbitrator)
    parts = {"toProvider": 10 * USDC, "toClient": 15 * USDC}
    both = [signature(world, party, "Split", terms, **parts) for party in (world.client, world.provider)]
    return lambda: world.escrow.split(terms.tuple(), *parts.values(), FOREVER, *both, sender=world.stranger)


def withdrawing(stage: Stage) -> Callable[[], Any]:
    """By signature."""
    world = stage.world
    message = {"account": world.client.address, "to": world.stranger.address, "amount": USDC, "nonce": 0}
    signed_ = world.sign_escrow(world.client, "Withdrawal", **message, validUntil=FOREVER)
    call = (world.client, world.stranger, USDC, FOREVER, signed_)
    return lambda: world.escrow.withdrawWithSignature(*call, sender=world.stranger)


def offered(stage: Stage) -> Callable[[], Any]:
    """The next admin takes over."""
    stage.world.escrow.transferOwnership(stage.world.treasury, sender=stage.world.owner)
    return lambda: stage.world.escrow.acceptOwnership(sender=stage.world.treasury)


def foreign(stage: Stage) -> Callable[[], Any]:
    """A token that is not the protocol's."""
    world = stage.world
    token = world.owner.deploy(stage.other_token, world.owner)
    token.faucet(world.escrow, 5, sender=world.owner)
    return lambda: world.escrow.rescueToken(token, world.treasury, sender=world.owner)


def fresh(stage: Stage) -> Terms:
    """Not funded, and not above what the client has in Escrow."""
    return stage.world.terms(amount=IN_BALANCE)


def accepted(stage: Stage) -> Terms:
    """Accepted."""
    return stage.world.accepted()


def at_work(stage: Stage) -> Terms:
    """Submitted, with an arbiter."""
    return submitted(stage.world, stage.arbitrator)


def at_quorum(stage: Stage) -> Terms:
    """Submitted, with a quorum of two."""
    return stage.world.submitted(quorum=2)


def in_challenge(stage: Stage) -> Terms:
    """Challenged."""
    return challenged(stage.world, stage.arbitrator)


def in_dispute(stage: Stage) -> Terms:
    """Disputed."""
    return disputed(stage.world, stage.arbitrator)


def over(stage: Stage) -> Terms:
    """Closed."""
    return closed(stage.world)


def only_funded(stage: Stage) -> Terms:
    """Funded."""
    return funded(stage.world)


def of(function: Callable[[World, Terms], Any]) -> Callable[[Stage, Terms], Any]:
    """The same for a stage."""
    return lambda stage, terms: function(stage.world, terms)


DELIVERABLE = b"\x22" * 32
NEW_MONEY: dict[str, Act] = {
    "fund": plain("fund", "client", fresh),
    "fundFromBalance": plain("fundFromBalance", "client", fresh),
    "fundFromBalanceWithSignature": plain("fundFromBalanceWithSignature", "stranger", fresh, FOREVER, of(consent)),
    "fundWithAuthorization": plain("fundWithAuthorization", "stranger", fresh, FOREVER, pay, NO_BOND),
    "fundWithPermit": plain(
        *("fundWithPermit", "stranger", fresh, price, FOREVER),
        *(lambda stage, terms: permit(stage.world, terms.amount), FOREVER, of(consent)),
    ),
    "fundWithPermit2": plain("fundWithPermit2", "stranger", fresh, 7, FOREVER, of(permit2)),
}
WORKS: dict[str, Act] = {
    "accept": plain("accept", "provider", only_funded),
    "acceptWithSignature": plain(
        "acceptWithSignature", "stranger", only_funded, lambda stage, terms: stage.world.acceptance(terms)
    ),
    "submit": plain("submit", "provider", accepted, DELIVERABLE),
    "submitWithSignature": plain(
        *("submitWithSignature", "stranger", accepted, DELIVERABLE, FOREVER),
        signed("provider", "Submission", deliverableHash=DELIVERABLE),
    ),
    "release": plain("release", "client", at_work, price),
    "releaseWithSignature": plain(
        *("releaseWithSignature", "stranger", at_work, price, FOREVER),
        signed("client", "Release", cumulativeReleased=price),
    ),
    "releaseWithQuorum": plain("releaseWithQuorum", "stranger", at_quorum, price, FOREVER, quorum),
    "releaseAndPay": plain("releaseAndPay", "client", at_work, price),
    "releaseAfterChallenge": plain("releaseAfterChallenge", "stranger", late(at_work, end_of)),
    "releaseBatch": batch,
    "refund": plain("refund", "provider", at_work, price),
    "refundWithSignature": plain(
        *("refundWithSignature", "stranger", at_work, price, FOREVER),
        signed("provider", "Refund", cumulativeRefunded=price),
    ),
    "refundAndPay": plain("refundAndPay", "provider", at_work, price),
    "cancel": plain("cancel", "client", only_funded),
    "cancelWithSignature": plain(
        "cancelWithSignature", "stranger", only_funded, FOREVER, signed("client", "Cancellation")
    ),
    "reclaim": plain("reclaim", "stranger", late(accepted, lambda _, terms: terms.deliver_by)),
    "split": splitting,
    "settleStake": plain("settleStake", "stranger", owed),
    "dispute": plain("dispute", "client", at_work, EVIDENCE),
    "disputeWithSignature": plain(
        *("disputeWithSignature", "stranger", at_work, EVIDENCE, FOREVER),
        *(signed("client", "Dispute", evidenceHash=EVIDENCE), NO_BOND),
    ),
    "respond": plain("respond", "provider", in_challenge),
    "respondWithSignature": plain(
        "respondWithSignature", "stranger", in_challenge, FOREVER, signed("provider", "Response"), NO_BOND
    ),
    "claimDefault": plain("claimDefault", "stranger", late(in_challenge, end_of)),
    "rule": ruling,
    "execute": plain("execute", "stranger", ruled),
    "resolveStalled": plain("resolveStalled", "stranger", late(in_dispute, end_of)),
    "rate": plain("rate", "client", over, 100, COMMENT),
    "rateWithSignature": plain(
        *("rateWithSignature", "stranger", over),
        lambda stage, _: stage.world.client,
        *(90, COMMENT, FOREVER, signed("client", "Rating", score=90, commentHash=COMMENT)),
    ),
    "withdraw": other("withdraw", "client", IN_BALANCE),
    "withdrawTo": other("withdrawTo", "client", "stranger", IN_BALANCE),
    "withdrawWithSignature": withdrawing,
    "noteBonusPool": other("noteBonusPool", "stranger"),
    "setFee": other("setFee", "owner", 100),
    "setFeeRecipient": other("setFeeRecipient", "owner", "stranger"),
    "rescueToken": foreign,
    "pauseInflows": other("pauseInflows", "guardian"),
    "unpauseInflows": other("unpauseInflows", "owner"),
    "transferOwnership": other("transferOwnership", "owner", "stranger"),
    "acceptOwnership": offered,
    "renounceOwnership": other("renounceOwnership", "owner"),
}
ABI = [entry for entry in artifact("Escrow").abi if entry["type"] == "function"]
READS = sorted(entry["name"] for entry in ABI if entry["stateMutability"] in {"view", "pure"})
WRITES = sorted(entry["name"] for entry in ABI if entry["stateMutability"] not in {"view", "pure"})


@pytest.fixture(scope="module")
def stage(world: World, project: Any, arbitrator: Any, with_permit2: None) -> Stage:
    """Everything any row needs."""
    return Stage(world, arbitrator, project.MockUSDC)


def test_every_function_that_writes_has_one_row():
    assert sorted([*NEW_MONEY, *WORKS]) == WRITES


@pytest.mark.parametrize("name", WRITES)
def test_pause__stops_new_money_and_nothing_else(stage, name):
    if name in NEW_MONEY:
        call = NEW_MONEY[name](stage)
        stage.world.escrow.pauseInflows(sender=stage.world.guardian)
        with ape.reverts(stage.world.escrow.Guarded_InflowsPaused):
            call()
        # Nothing but the pause was in its way.
        stage.world.escrow.unpauseInflows(sender=stage.world.guardian)
    else:
        call = WORKS[name](stage)
        stage.world.escrow.pauseInflows(sender=stage.world.guardian)
    call()


@pytest.mark.parametrize("name", READS)
def test_pause__leaves_every_view(stage, name):
    (entry,) = (entry for entry in ABI if entry["name"] == name)
    values = [nothing(part) for part in entry["inputs"]]
    before = getattr(stage.world.escrow, name)(*values)
    stage.world.escrow.pauseInflows(sender=stage.world.guardian)
    after = getattr(stage.world.escrow, name)(*values)
    assert after is True if name == "inflowsPaused" else after == before


def nothing(part: dict[str, Any]) -> Any:
    """Zero of a type."""
    if part["type"] == "tuple":
        return tuple(nothing(inner) for inner in part["components"])
    if part["type"] == "address":
        return "0x" + "0" * 40
    return b"\x00" * 32 if part["type"].startswith("bytes") else 0
