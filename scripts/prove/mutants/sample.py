"""Which mutants are tested: all of some files, a seeded sample of others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from scripts.prove.mutants.model import Mutant

SEED = "AICP mutants 1"
SAMPLE = 150


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the report: the files whose mutants it counts; `sampled` ones share the sample."""

    name: str
    files: tuple[str, ...]
    sampled: bool


TARGETS = (
    Target("FeeMath", ("contracts/libraries/FeeMath.sol",), sampled=False),
    Target("SignatureLib", ("contracts/libraries/SignatureLib.sol",), sampled=False),
    Target(
        "Escrow",
        (
            "contracts/Escrow.sol",
            "contracts/EscrowExtension.sol",
            "contracts/abstracts/EscrowCore.sol",
            "contracts/abstracts/EscrowDisputes.sol",
            "contracts/abstracts/EscrowSteps.sol",
            "contracts/abstracts/Balances.sol",
            "contracts/abstracts/Funding.sol",
            "contracts/abstracts/GuardedInflow.sol",
            "contracts/abstracts/InflowGate.sol",
            "contracts/abstracts/Ledger.sol",
            "contracts/libraries/ArbiterLib.sol",
            "contracts/libraries/StakeMath.sol",
            "contracts/libraries/TermsLib.sol",
            "contracts/types/EscrowWord.sol",
        ),
        sampled=True,
    ),
    Target(
        "PaymentChannel",
        (
            "contracts/PaymentChannel.sol",
            "contracts/abstracts/ChannelLedger.sol",
            "contracts/abstracts/PoolLedger.sol",
            "contracts/abstracts/PoolWithdrawals.sol",
            "contracts/collectors/ERC3009DepositCollector.sol",
            "contracts/collectors/Permit2DepositCollector.sol",
            "contracts/libraries/ChannelHash.sol",
            "contracts/libraries/RowLib.sol",
            "contracts/types/ChannelWord.sol",
        ),
        sampled=True,
    ),
)


def target_of(mutant: Mutant) -> Target:
    """Return the line of the report a mutant belongs to."""
    return next(target for target in TARGETS if mutant.file in target.files)


def ranked(mutants: Iterable[Mutant], seed: str = SEED) -> list[Mutant]:
    """Return the mutants in an order that looks random, follows from seed and mutants alone, and hardly changes when
    the source does: a mutant that stays keeps its place among the others.
    """
    return sorted(mutants, key=lambda mutant: (hashlib.sha256(f"{seed}\0{mutant.key}".encode()).digest(), mutant.key))
