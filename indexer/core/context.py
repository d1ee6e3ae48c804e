"""What a reducer must know besides events: where our contracts live."""

from __future__ import annotations

from dataclasses import dataclass

from aicp.abi.typed_data import Domain


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses of the contracts whose logs are taken, and the domain channel and pool ids are digests under."""

    escrow: bytes
    payment_channel: bytes
    reputation: bytes
    channel_domain: Domain

    @property
    def addresses(self) -> tuple[bytes, bytes, bytes]:
        """All three, in the order of the deployment."""
        return (self.escrow, self.payment_channel, self.reputation)
