"""What the machines of all models share: a step is a call on the model and on the chain, and everything is compared.

Profiles: the short one is the same on every run; `AICP_MODEL=long` draws anew, prints the seed that repeats it, and
shortens a failure to the fewest steps.
"""

from __future__ import annotations

import copy
import os
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, get_state_machine_test

from tests.contracts.model.node import Contract, Event, Node
from tests.contracts.model.outcome import Refused, Tx, difference, same
from tests.contracts.model.typed import Keyring

LONG = os.environ.get("AICP_MODEL") == "long"
EXAMPLES = int(os.environ.get("AICP_MODEL_EXAMPLES", "400"))
STEPS = int(os.environ.get("AICP_MODEL_STEPS", "80"))


def profile(examples: int, steps: int) -> settings:
    """Settings of a run: these numbers in the short profile, the environment's in the long one."""
    shared: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": list(HealthCheck),
        "database": None,
        "verbosity": Verbosity.normal,
    }
    if LONG:
        return settings(max_examples=EXAMPLES, stateful_step_count=STEPS, print_blob=True, **shared)
    phases = (Phase.generate,)  # a failure names its step; the long profile shrinks
    return settings(max_examples=examples, stateful_step_count=steps, derandomize=True, phases=phases, **shared)


@dataclass(slots=True)
class Ground:
    """A chain with everything deployed, and a snapshot every example starts from."""

    node: Node
    contracts: dict[str, Contract]
    accounts: list[str]
    keys: Keyring
    chain_id: int
    snapshot: str = ""
    seen: Counter[str] = field(default_factory=Counter)

    def remember(self) -> None:
        """Make now the start of every example."""
        self.snapshot = self.node.rpc("evm_snapshot")

    def reset(self) -> int:
        """Go back to the start and return its time."""
        assert self.node.rpc("evm_revert", self.snapshot)
        self.remember()
        return self.node.now()


View = tuple[str, str, tuple[Any, ...], tuple[Any, ...]]
"""Contract, function, arguments, what it must answer."""


class Machine(RuleBasedStateMachine):
    """A model beside the contracts."""

    def __init__(self, ground: Ground, system: Any) -> None:
        super().__init__()
        self.ground, self.system = ground, system
        self.now = ground.reset()
        self.planned = 0
        self.history: list[tuple[str, str, tuple[Any, ...]]] = []

    @property
    def at(self) -> int:
        """Second of the next call."""
        return max(self.now + 1, self.planned)

    def do(self, sender: str, contract: str, function: str, *arguments: Any) -> list[Event] | None:
        """Call the model and the contract; None if both refuse."""
        at = self.at
        before = copy.deepcopy(self.system)
        expected: list[Event] | Refused
        try:
            expected = self.system.call(contract, function, Tx(sender, at), arguments)
        except Refused as refused:
            expected, self.system = refused, before
        answer = self.ground.node.send(sender, self.ground.contracts[contract], function, arguments, at)
        self.now, self.planned = at, 0
        problem = difference(expected, answer)
        assert problem is None, f"{function}{arguments} by {sender} at {at}: {problem}"
        self.compare(f"after {function}{arguments} by {sender} at {at}")
        self.history.append((contract, function, arguments))
        if isinstance(expected, Refused):
            self.ground.seen.update({f"error {name}" for name, _ in expected.errors} | {f"{function} refused"})
            return None
        self.ground.seen[function] += 1
        return expected

    def compare(self, when: str) -> None:
        """Compare every view."""
        wanted: list[View] = self.system.views()
        calls = [(self.ground.contracts[contract], function, values) for contract, function, values, _ in wanted]
        for (contract, function, values, expected), found in zip(wanted, self.ground.node.views(calls), strict=True):
            assert same(expected, found), f"{when}: {contract}.{function}{values} is {found}, not {expected}"

    def sign(self, account: str, digest: bytes) -> Any:
        """A signature of a key we have."""
        return self.ground.keys.sign(account, digest)

    def moments(self) -> list[int]:
        """Seconds at which something changes."""
        return [moment for moment in self.system.moments() if moment > self.now]

    def wait(self, data: Any) -> None:
        """Let the next call be at a deadline or a second beside it."""
        moments = sorted(set(self.moments()))[:6]
        if moments:
            self.planned = data.draw(st.sampled_from(moments)) + data.draw(st.sampled_from((-1, 0, 1)))

    def replay(self, data: Any) -> None:
        """Send a former call again, perhaps by somebody else."""
        if self.history:
            contract, function, arguments = data.draw(st.sampled_from(self.history[-30:]))
            sender = data.draw(st.sampled_from(self.replayers()))
            if contract not in self.unrepeatable():
                self.do(sender, contract, function, *arguments)

    def replayers(self) -> list[str]:
        """Who may send calls again."""
        raise NotImplementedError

    def unrepeatable(self) -> set[str]:
        """Contracts that are the world, not what is tested."""
        return set()


def run(machine: Any, ground: Ground, examples: int, steps: int) -> Counter[str]:
    """Run the machine in this run's profile and return what it met."""
    ground.seen.clear()
    test = get_state_machine_test(machine, settings=profile(examples, steps))
    if not LONG:
        test()
        return ground.seen
    number = int(os.environ.get("AICP_MODEL_SEED") or secrets.randbits(32))
    print(f"\nAICP_MODEL_SEED={number}", file=sys.stderr)
    started = time.monotonic()
    seed(number)(test)()
    calls = sum(count for name, count in ground.seen.items() if not name.startswith("error "))
    print(f"{calls} calls in {time.monotonic() - started:.0f} s", file=sys.stderr)
    for name, count in sorted(ground.seen.items()):
        print(f"  {count:6} {name}", file=sys.stderr)
    return ground.seen
