"""What a reducer must know besides events: where our contracts live, and what a deployment of the arbiter fixes."""

from __future__ import annotations

from dataclasses import dataclass

from aicp.abi.runtime import Domain


@dataclass(frozen=True, slots=True)
class ArbiterTerms:
    """Our arbiter: fee and stake of one seat in base units, and the account that gets what nobody earned."""

    address: bytes
    fee_per_seat: int
    stake_per_seat: int
    sink: bytes


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses of the contracts whose logs are taken, and the domain channel and pool ids are digests under.

    `arbiter` is None in a deployment without one.
    """

    escrow: bytes
    payment_channel: bytes
    reputation: bytes
    channel_domain: Domain
    arbiter: ArbiterTerms | None = None

    @property
    def named(self) -> dict[str, bytes]:
        """Every address by its name, in the order of the deployment."""
        found = {"escrow": self.escrow, "payment_channel": self.payment_channel, "reputation": self.reputation}
        return found if self.arbiter is None else {**found, "arbiter": self.arbiter.address}

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Every address, in the order of the deployment."""
        return tuple(self.named.values())
