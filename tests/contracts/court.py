"""An arbiter with jurors, and the steps of a dispute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account.messages import _hash_eip191_message, encode_typed_data

from tests.contracts.world import FOREVER, TYPED, USDC, ZERO, World, sign

FEE, STAKE, WRONG, LEAK = USDC, 10 * USDC, 3 * USDC, USDC
HOUR, DAY = 3600, 86400
SALT = b"\x5a" * 32
NONE, EVIDENCE, DRAWING, COMMIT, REVEAL, APPEAL, SOLVED = range(7)
STAKING, GENERATING, DRAWS = range(3)
# evidence, commit, reveal, appeal, unbonding, staking, randomness timeout, drawing
PERIODS = (DAY, DAY, DAY, 2 * DAY, 7 * DAY, HOUR, HOUR, 6 * HOUR)


@dataclass(frozen=True, slots=True)
class Court:
    """One arbiter, the source it asks, a contract that asks it, and its jurors by address."""

    world: World
    arbiter: Any
    source: Any
    asker: Any
    jurors: tuple[Any, ...]

    @property
    def anyone(self) -> Any:
        """Somebody without any part in it."""
        return self.world.treasury

    def extra(self, topic: int = 1) -> bytes:
        """Extra data between client and provider, with a verifier."""
        world = self.world
        parties = [world.client.address, world.provider.address, world.verifier.address]
        return encode(["bytes32", "address", "address", "address"], [topic.to_bytes(32, "big"), *parties])

    def id_of(self, topic: int = 1) -> int:
        """Id of the dispute about a topic."""
        return int(self.arbiter.disputeIdOf(self.asker, self.extra(topic)))

    def ask(self, topic: int = 1) -> int:
        """Create a dispute; it is in Evidence."""
        self.asker.ask(self.extra(topic), sender=self.anyone)
        return self.id_of(topic)

    def waiting(self, topic: int = 1) -> int:
        """A dispute in Drawing."""
        dispute = self.ask(topic)
        self.later(DAY)
        self.arbiter.advance(dispute, sender=self.anyone)
        return dispute

    def open_session(self) -> None:
        """Bring the session to Drawing."""
        self.later(HOUR)
        self.arbiter.advanceSession(sender=self.anyone)
        self.arbiter.advanceSession(sender=self.anyone)

    def draw(self, dispute: int, topic: int = 1, seats: int = 15) -> None:
        """Draw in an open session."""
        self.arbiter.draw(dispute, self.extra(topic), seats, sender=self.anyone)

    def panelled(self, topic: int = 1) -> int:
        """A dispute in Commit."""
        dispute = self.waiting(topic)
        self.open_session()
        self.draw(dispute, topic)
        return dispute

    def panel(self, dispute: int, number: int = 0) -> list[Any]:
        """Accounts of the panel in the order of the seats."""
        by_address = {juror.address: juror for juror in self.jurors}
        return [by_address[address] for address in self.arbiter.panelOf(dispute, number)]

    def digest(self, name: str, **message: Any) -> bytes:
        """EIP-712 digest in the arbiter's domain."""
        types = {TYPED[name].get("typeName", name): TYPED[name]["fields"]}
        signable = encode_typed_data(domain_data=self.domain(), message_types=types, message_data=message)
        return bytes(_hash_eip191_message(signable))

    def commitment(self, dispute: int, juror: Any, choice: int, number: int = 0) -> bytes:
        """What the juror commits to."""
        fields = {"disputeId": dispute, "round": number, "juror": juror.address, "choice": choice, "salt": SALT}
        return self.digest("Vote", **fields)

    def commit(self, dispute: int, juror: Any, choice: int, number: int = 0) -> Any:
        """Commit by the juror's own transaction."""
        return self.arbiter.commit(dispute, self.commitment(dispute, juror, choice, number), sender=juror)

    def vote(self, dispute: int, *choices: int | None) -> None:
        """Commit and reveal in the order of the seats; None stays silent. Ends with Reveal over."""
        number = self.state(dispute).round
        votes = {j.address: (j, c) for j, c in zip(self.panel(dispute, number), choices, strict=False)}
        spoken = [(juror, choice) for juror, choice in votes.values() if choice is not None]
        for juror, choice in spoken:
            self.commit(dispute, juror, choice, number)
        self.end(dispute, COMMIT)
        for juror, choice in spoken:
            self.arbiter.reveal(dispute, juror, choice, SALT, sender=self.anyone)
        self.end(dispute, REVEAL)

    def end(self, dispute: int, period: int) -> None:
        """Let a period pass if the dispute is in it."""
        state = self.state(dispute)
        if state.period == period:
            self.world.pass_to(state.endsAt)

    def fund(self, dispute: int, side: int, amount: int) -> Any:
        """Fund a side by the party it belongs to."""
        party = (self.world.client, self.world.provider)[side - 1]
        return self.arbiter.fundAppeal(dispute, side, amount, sender=party)

    def solved(self, *choices: int | None, topic: int = 1) -> int:
        """A dispute that ended with these votes and no appeal."""
        dispute = self.panelled(topic)
        self.vote(dispute, *choices)
        self.end(dispute, APPEAL)
        return dispute

    def state(self, dispute: int) -> Any:
        """The dispute as time has made it."""
        return self.arbiter.disputeOf(dispute)

    def later(self, seconds: int) -> None:
        """Let time pass."""
        self.world.pass_to(self.world.now() + seconds)

    def phase(self) -> int:
        """Phase of the session."""
        return int(self.arbiter.session().phase)

    def domain(self) -> dict[str, Any]:
        """EIP-712 domain of the arbiter."""
        return {
            "name": "AICP Arbiter",
            "version": "1",
            "chainId": self.world.chain.chain_id,
            "verifyingContract": self.arbiter.address,
        }

    def sign(self, signer: Any, name: str, **message: Any) -> bytes:
        """Sign a message of the arbiter's domain."""
        return sign(signer, self.domain(), name, message)


def open_court(world: World, accounts: Any, project: Any) -> Court:
    """Deploy an arbiter with a source that obeys, and stake five jurors."""
    source = world.owner.deploy(project.HostileRandomness)
    source.behave(0, 7, sender=world.owner)
    arbiter = world.owner.deploy(project.DisputeArbiter, config(world, source))
    asker = world.owner.deploy(project.HostileArbitrable, arbiter)
    jurors = (world.owner, world.operator, world.session, world.stranger, accounts[9])
    world.usdc.faucet(asker, 1_000 * USDC, sender=world.owner)
    for account in (*jurors, world.client, world.provider):
        world.usdc.faucet(account, 1_000 * USDC, sender=account)
        world.usdc.approve(arbiter, FOREVER, sender=account)
    for juror in jurors:
        arbiter.stake(8 * STAKE, sender=juror)
    return Court(world, arbiter, source, asker, jurors)


def config(world: World, source: Any = ZERO, **changes: Any) -> tuple[Any, ...]:
    """Constructor argument; a zero source makes the arbiter create its own, seeded by the operator."""
    values = {
        "token": world.usdc,
        "admin": world.owner,
        "guardian": world.guardian,
        "sink": world.treasury,
        "randomness": source,
        "seeder": world.operator,
        "feePerSeat": FEE,
        "stakePerSeat": STAKE,
        "minStake": 2 * STAKE,
        "incoherenceBps": 3000,
        "leakBps": 1000,
        **changes,
    }
    return (*values.values(), *PERIODS)
