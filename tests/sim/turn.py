"""One transaction of the world: the state it works on, the dice it throws, the events it emits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeVar

from aicp.abi.typed_data import Domain
from aicp.rules.primitives import ZERO_ADDRESS, keccak
from indexer.core.context import ArbiterTerms, Contracts
from indexer.settings import contracts_of
from tests.sim.chain import State
from tests.sim.events import Event

T = TypeVar("T")

CHAIN_ID: Final = 31337
UNIT: Final = 1_000_000


def account(name: str) -> bytes:
    """Return the address of a name."""
    return keccak(name.encode())[12:]


BUYERS: Final = tuple(account(f"buyer {number}") for number in range(4))
AGENTS: Final = tuple(account(f"agent {number}") for number in range(4))
JURORS: Final = tuple(account(f"juror {number}") for number in range(4))
FEES: Final = (account("fees"), account("other fees"))
OPERATOR: Final = account("operator")
SINK: Final = account("sink")
TOKEN: Final = account("token")
FEE_PER_SEAT: Final = UNIT
STAKE_PER_SEAT: Final = 10 * UNIT


def contracts() -> Contracts:
    """Return where the world's contracts are."""
    arbiter = ArbiterTerms(account("the arbiter"), FEE_PER_SEAT, STAKE_PER_SEAT, SINK)
    escrow, channel, reputation = (account(f"the {name}") for name in ("escrow", "channel", "reputation"))
    return contracts_of(CHAIN_ID, escrow, channel, reputation, arbiter)


CONTRACTS: Final = contracts()
ADDRESSES: Final = CONTRACTS.named
DOMAIN: Final[Domain] = CONTRACTS.channel_domain
NOBODY: Final = ZERO_ADDRESS


@dataclass(slots=True)
class Turn:
    """See the module's docstring. Values in `state` are replaced, never changed."""

    state: State
    random: Random
    time: int
    number: int
    events: list[Event] = field(default_factory=list)
    _ids: int = 0

    def emit(self, contract: str, name: str, **args: Any) -> None:
        """Add an event."""
        self.events.append(Event(contract, name, args))

    def fresh(self, what: str) -> bytes:
        """Return a new id, the same in every branch that holds this transaction."""
        self._ids += 1
        return keccak(f"{what} {self.number} {self._ids}".encode())

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        """Return the records of a kind whose fields have these values, oldest first."""
        records = [value for key, value in self.state.items() if key[0] == kind]
        return [record for record in records if all(record[name] == value for name, value in wanted.items())]

    def put(self, kind: str, key: Any, record: dict[str, Any], **changes: Any) -> dict[str, Any]:
        """Store a record with changes."""
        changed = {**record, **changes}
        self.state[kind, key] = changed
        return changed

    def pick(self, choices: Sequence[T]) -> T | None:
        """Return one of these, None where there is none."""
        return self.random.choice(choices) if choices else None

    def units(self, most: int) -> int:
        """Return an amount from 1 to `most` base units, often all of it."""
        return most if self.random.random() < 0.4 else self.random.randint(1, most)

    def balance(self, contract: str, who: bytes) -> int:
        """Return what an account may take out of a contract."""
        return int(self.state.get(("ledger", contract, who), 0))

    def credit(self, contract: str, who: bytes, amount: int) -> None:
        """Change such a balance."""
        self.state["ledger", contract, who] = self.balance(contract, who) + amount

    def withdraw(self, contract: str) -> None:
        """Let somebody take a part of a balance out."""
        owners = [key[2] for key, value in self.state.items() if key[:2] == ("ledger", contract) and value > 0]
        who = self.pick(owners)
        if who is not None:
            amount = self.units(self.balance(contract, who))
            self.credit(contract, who, -amount)
            self.emit(
                contract, "Withdrawn", account=who, to=who if self.random.random() < 0.5 else TOKEN, amount=amount
            )
