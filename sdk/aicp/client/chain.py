"""The deployment a client signs for: domains, contracts and constants, checked before the first signature.

The service names the contracts and its keys, so a lying service could name its own. Whoever wants to trust nobody
passes the published `deployments/<chainId>.json`; then every address must be the published one, and only the operators
in it are believed, for the times it gives them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from aicp.abi.typed_data import (
    Domain,
    channel_domain,
    escrow_domain,
    marketplace_domain,
    reputation_domain,
    token_domain,
)
from aicp.client.errors import ClientError, Mismatch
from aicp.client.service import Contracts, Network
from aicp.rules.constants import MARKETPLACE_SALT, Constants
from aicp.rules.constants import Network as KnownNetwork
from aicp.rules.constants import network as known_network
from aicp.rules.deployment import Deployment, DeploymentFileError
from aicp.rules.ledgers import Ledger, LedgerName, ledgers_of
from aicp.rules.operators import Epoch, serving
from aicp.rules.primitives import ZERO_ADDRESS, checksum, hex0x, parse_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Everything needed to sign for one deployment."""

    chain_id: int
    rpc_url: str
    """What the service names; empty when there was no service to ask."""
    contracts: Contracts
    operators: frozenset[bytes]
    """Every operator key there ever was: old receipts stay with old keys."""
    current_operator: bytes
    """Whom new pools name."""
    serving_operators: frozenset[bytes]
    """Whose pools take orders: more than one while one key follows another."""
    unpublished_operators: frozenset[bytes]
    """Keys that the service lists and the deployment file does not: not believed. Empty without a file."""
    constants: Constants
    escrow: Domain
    channel: Domain
    reputation: Domain
    marketplace: Domain
    token: Domain
    ledgers: Mapping[LedgerName, Ledger]
    """Where money waits to be collected."""
    clock_offset: int
    """Seconds to add to our clock: 0 on public networks, the service's lead on the local one, whose clock may jump."""

    @property
    def arbiters(self) -> frozenset[bytes]:
        """Arbiters whose terms may be signed."""
        return frozenset({self.contracts.arbiter} - {ZERO_ADDRESS})

    def stranger(self, operator: bytes) -> str:
        """Return what to call a key that is none of `operators`, so that who has an older file sees it."""
        if operator in self.unpublished_operators:
            return (
                "an operator that the deployment file does not have: it is older than this key, or nobody published it"
            )
        return "an unknown operator"

    def ledger(self, name: LedgerName) -> Ledger:
        """Return where a ledger is. Raises ClientError where the deployment has none of it."""
        found = self.ledgers.get(name)
        if found is None:
            raise ClientError(f"This deployment has no {name}.")
        return found

    def now(self) -> int:
        """Return the time in unix seconds as the chain will judge it."""
        return int(time.time()) + self.clock_offset


def _check_constants(network: Network, constants: Constants) -> None:
    for field in fields(constants):
        theirs = network.constants.get(field.name)
        if theirs is not None and int(theirs) != getattr(constants, field.name):
            raise Mismatch(
                f"The service uses {field.name} = {theirs}, the published rules of chain {network.chain_id} say "
                f"{getattr(constants, field.name)}."
            )
    salt = network.constants.get("marketplace_salt")
    if salt is not None and salt != hex0x(MARKETPLACE_SALT):
        raise Mismatch("The service uses another marketplace salt than the published rules.")


def _check_token(network: Network) -> None:
    known = known_network(network.chain_id)
    if known.usdc is not None and parse_address(known.usdc) != network.contracts.usdc:
        raise Mismatch(f"The service names {checksum(network.contracts.usdc)} as USDC, which it is not.")
    if (network.token.name, network.token.version) != (known.token_name, known.token_version):
        raise Mismatch("The service names another signing domain for USDC than the published rules.")


def read_deployment(path: Path) -> Deployment:
    """Read a published `deployments/<chainId>.json`. Raises ClientError."""
    try:
        return Deployment.load(path)
    except DeploymentFileError as error:
        raise ClientError(str(error)) from error


def _check_deployment(network: Network, published: Deployment) -> None:
    if network.chain_id != published.chain_id:
        raise Mismatch(f"The service is on chain {network.chain_id}, the deployment file on {published.chain_id}.")
    for name in ("escrow", "payment_channel", "reputation", "usdc", "arbiter"):
        address = getattr(network.contracts, name)
        if getattr(published, name) != address:
            raise Mismatch(f"The service names {checksum(address)} as {name}; the deployment file says otherwise.")


def _serving(network: Network, published: Deployment | None, *, public: bool) -> Sequence[Epoch]:
    """Return the operators in force, those whom new pools name first.

    With a deployment file they are its own, by its times and, on public networks, by our clock; a key that the service
    no longer has serves nobody, so it must call it in force as well. Raises ClientError where there is none, Mismatch
    where the file has none of those that the service names.
    """
    live = serving(network.operators, network.server_time)
    if not live:
        raise ClientError("The service has no operator key in force.")
    if published is None:
        return live
    named = {operator.address for operator in live}
    now = dt.datetime.now(dt.UTC) if public else network.server_time
    believed = [epoch for epoch in serving(published.operators, now) if epoch.address in named]
    if not believed:
        keys = ", ".join(checksum(operator.address) for operator in live)
        raise Mismatch(
            f"The service signs with {keys}, which is not in force in the deployment file: the file is older than the "
            f"service's keys, or nobody has published them. Fetch the newest {network.chain_id}.json."
        )
    return believed


def chain_of(network: Network, published: Deployment | None = None) -> Chain:
    """Return the chain of a service's `/network` answer.

    With a deployment file only the operators in it count. Raises ClientError for a chain without published rules,
    Mismatch where the service departs from them or from the deployment file.
    """
    try:
        known = known_network(network.chain_id)
    except KeyError as error:
        raise ClientError(f"Chain {network.chain_id} has no published rules.") from error
    _check_constants(network, known.constants)
    _check_token(network)
    if published is not None:
        _check_deployment(network, published)
    believed = _addresses(network.operators if published is None else published.operators)
    return _chain(
        network.contracts,
        known,
        rpc_url=network.rpc_url,
        operators=believed,
        live=_serving(network, published, public=known.public),
        unpublished=_addresses(network.operators) - believed,
        clock_offset=0 if known.public else int(network.server_time.timestamp() - time.time()),
    )


def _addresses(epochs: Iterable[Epoch]) -> frozenset[bytes]:
    return frozenset(epoch.address for epoch in epochs)


def chain_of_deployment(published: Deployment) -> Chain:
    """Return the chain of a deployment file alone, for when the service is gone. There is no RPC in it."""
    return _chain(
        Contracts(
            escrow=published.escrow,
            payment_channel=published.payment_channel,
            reputation=published.reputation,
            usdc=published.usdc,
            arbiter=published.arbiter,
            deploy_block=published.deploy_block,
        ),
        known_network(published.chain_id),
        rpc_url="",
        operators=_addresses(published.operators),
        live=serving(published.operators, dt.datetime.now(dt.UTC)),
        unpublished=frozenset(),
        clock_offset=0,
    )


def _chain(
    contracts: Contracts,
    known: KnownNetwork,
    *,
    rpc_url: str,
    operators: frozenset[bytes],
    live: Sequence[Epoch],
    unpublished: frozenset[bytes],
    clock_offset: int,
) -> Chain:
    escrow, chain_id = contracts.escrow, known.chain_id
    return Chain(
        chain_id=chain_id,
        rpc_url=rpc_url,
        contracts=contracts,
        operators=operators,
        current_operator=live[0].address if live else ZERO_ADDRESS,
        serving_operators=_addresses(live),
        unpublished_operators=unpublished,
        constants=known.constants,
        escrow=escrow_domain(chain_id, escrow),
        channel=channel_domain(chain_id, contracts.payment_channel),
        reputation=reputation_domain(chain_id, contracts.reputation),
        marketplace=marketplace_domain(chain_id, escrow),
        ledgers=ledgers_of(chain_id, escrow=escrow, reputation=contracts.reputation, arbiter=contracts.arbiter),
        token=token_domain(known.token_name, known.token_version, chain_id, contracts.usdc),
        clock_offset=clock_offset,
    )
