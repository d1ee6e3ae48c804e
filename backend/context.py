"""What every service function is given besides its session: the network, the contracts, the operator, the clock."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

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
from aicp.rules.deployment import Deployment, OperatorEpoch
from aicp.rules.ledgers import Ledger, LedgerName, ledgers_of
from aicp.rules.operators import serving
from backend.settings import Settings

_log = structlog.get_logger("context")


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
    ledgers: Mapping[LedgerName, Ledger]
    """Where money waits to be collected, in the order it is shown."""
    now: Callable[[], int]
    signers: tuple[OperatorSigner, ...]
    """The operator keys that are here, of whichever epoch. The deployment says when each of them serves."""

    def serving(self) -> list[OperatorEpoch]:
        """Return the epochs that serve now and whose keys are here, the one new pools and awards name first."""
        here = {signer.address for signer in self.signers}
        at = dt.datetime.fromtimestamp(self.now(), dt.UTC)
        return [epoch for epoch in serving(self.deployment.operators, at) if epoch.address in here]

    def takes(self, address: bytes) -> bool:
        """Return whether deposits, orders and vouchers that name this operator are taken now.

        Under any other key that is here, what was promised before is still earned, receipted and claimed.
        """
        return any(epoch.address == address for epoch in self.serving())

    @property
    def operator(self) -> OperatorSigner:
        """Return the operator whom new pools and awards name; where none serves, the first key there is."""
        live = self.serving()
        signer = self.operator_of(live[0].address) if live else None
        return self.signers[0] if signer is None else signer

    def operator_of(self, address: bytes) -> OperatorSigner | None:
        """Return the operator with this address, of whichever epoch; None if its key is not here."""
        return next((signer for signer in self.signers if signer.address == address), None)

    @property
    def operators(self) -> tuple[bytes, ...]:
        """Return the addresses whose receipts are signed and claimed here, of whichever epoch."""
        return tuple(dict.fromkeys(signer.address for signer in self.signers))

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


def deployment_ledgers(deployment: Deployment) -> dict[LedgerName, Ledger]:
    """Return the ledgers of a deployment."""
    return ledgers_of(
        deployment.chain_id,
        escrow=deployment.escrow, reputation=deployment.reputation, arbiter=deployment.arbiter,
    )  # fmt: skip


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
    keys = (settings.operator_key, *settings.retired_operator_keys)
    made = Context(
        settings=settings,
        network=network(settings.chain_id),
        deployment=deployment,
        domains=domains_of(deployment),
        ledgers=deployment_ledgers(deployment),
        now=now,
        signers=tuple(OperatorSigner.from_hex(key.get_secret_value()) for key in keys),
    )
    if not made.serving():
        _log.error("no operator key here serves now: nothing new is taken", deployment=str(settings.deployment))
    return made
