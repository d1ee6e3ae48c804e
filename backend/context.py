"""What every service function is given besides its session: the network, the contracts, the operator, the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from aicp.abi.signing import SigningKey
from aicp.abi.typed_data import (
    Domain,
    channel_domain,
    escrow_domain,
    marketplace_domain,
    reputation_domain,
    token_domain,
)
from aicp.rules.constants import Constants, Network, network
from aicp.rules.deployment import Deployment
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class OperatorSigner:
    """Signs receipts, awards and claim batches. The key never leaves this object."""

    address: bytes
    _key: SigningKey

    @classmethod
    def from_hex(cls, key: str) -> OperatorSigner:
        """Build the signer from a 0x-hex private key."""
        made = SigningKey(bytes.fromhex(key.removeprefix("0x")))
        return cls(made.address, made)

    def sign(self, digest: bytes) -> bytes:
        """Return the 65-byte signature (r, s, v) over an EIP-712 digest."""
        return self._key.sign(digest)

    def __repr__(self) -> str:
        return f"OperatorSigner(0x{self.address.hex()})"


@dataclass(frozen=True, slots=True)
class Domains:
    """The EIP-712 domains of this deployment."""

    escrow: Domain
    channel: Domain
    reputation: Domain
    marketplace: Domain
    token: Domain


@dataclass(frozen=True, slots=True)
class Context:
    """Built once a process; services take it as their second argument. `now()` is unix seconds."""

    settings: Settings
    network: Network
    deployment: Deployment
    domains: Domains
    operator: OperatorSigner
    now: Callable[[], int]
    retired: tuple[OperatorSigner, ...] = ()
    """Operators of earlier epochs whose pools are still served: what was promised under them is earned and claimed."""

    def operator_of(self, address: bytes) -> OperatorSigner | None:
        """Return the operator with this address, of this epoch or an earlier one; None if its key is not here."""
        return next((signer for signer in (self.operator, *self.retired) if signer.address == address), None)

    @property
    def operators(self) -> tuple[bytes, ...]:
        """Return the addresses whose pools are served, the one that new deals get first."""
        return tuple(dict.fromkeys((self.operator.address, *(signer.address for signer in self.retired))))

    @property
    def constants(self) -> Constants:
        """Return the constants of the network."""
        return self.network.constants


def domains_of(deployment: Deployment) -> Domains:
    """Return the EIP-712 domains of a deployment."""
    chain = deployment.chain_id
    return Domains(
        escrow=escrow_domain(chain, deployment.escrow),
        channel=channel_domain(chain, deployment.payment_channel),
        reputation=reputation_domain(chain, deployment.reputation),
        marketplace=marketplace_domain(chain, deployment.escrow),
        token=token_domain(deployment.token_name, deployment.token_version, chain, deployment.usdc),
    )


def _wall_clock() -> int:
    return int(time.time())


def load_context(settings: Settings, now: Callable[[], int] = _wall_clock) -> Context:
    """Build the context of a process from its settings.

    Raises DeploymentFileError for a missing or malformed file, ValueError when it is of another chain than the
    settings say, KeyError for a chain without published constants.
    """
    deployment = Deployment.load(settings.deployment)
    if deployment.chain_id != settings.chain_id:
        raise ValueError(f"{settings.deployment} is of chain {deployment.chain_id}, not {settings.chain_id}")
    return Context(
        settings=settings,
        network=network(settings.chain_id),
        deployment=deployment,
        domains=domains_of(deployment),
        operator=OperatorSigner.from_hex(settings.operator_key.get_secret_value()),
        now=now,
        retired=tuple(OperatorSigner.from_hex(key.get_secret_value()) for key in settings.retired_operator_keys),
    )
