"""Who owns what in a deployment, and where that is read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aicp.rules.primitives import ZERO_ADDRESS, checksum, parse_address
from scripts.deployment.errors import ConfigError

LOCAL_CHAIN_ID = 31337


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployConfig:
    """Accounts of a deployment; addresses are 20 bytes.

    Everything but `operators` ends up in constructor arguments and therefore in the addresses. `mock_usdc_owner` is
    used on the local chain only; the deployer is no part of it, so anyone who deploys gets the same addresses.

    On public networks `admin` is who proposes to the timelock that owns the contracts, and `executors` execute what is
    ready there: the admin if none are named, everybody if it is the zero address. `seeder` commits to seeds for the
    drawing of jurors; without one (zero) the block hashes alone decide.
    """

    admin: bytes
    guardian: bytes
    fee_recipient: bytes
    operators: tuple[bytes, ...]
    mock_usdc_owner: bytes = ZERO_ADDRESS
    executors: tuple[bytes, ...] = ()
    seeder: bytes = ZERO_ADDRESS

    def __post_init__(self) -> None:
        for name in ("admin", "guardian", "fee_recipient"):
            if len(getattr(self, name)) != 20 or getattr(self, name) == ZERO_ADDRESS:
                raise ConfigError(f"The deployment needs an address as {name}.")
        if not self.operators or any(len(key) != 20 or key == ZERO_ADDRESS for key in self.operators):
            raise ConfigError("The deployment needs the address of at least one operator.")
        if any(len(key) != 20 for key in self.executors):
            raise ConfigError("An executor of the timelock is not an address.")


def local_config() -> DeployConfig:
    """Return the configuration of the local chain, whose accounts everyone has the keys of."""
    from scripts.devnet.keys import dev_accounts

    accounts = dev_accounts(LOCAL_CHAIN_ID)
    guardian = parse_address(accounts.guardian.address)
    return DeployConfig(
        admin=guardian,
        guardian=guardian,
        fee_recipient=guardian,
        operators=(parse_address(accounts.operator.address),),
        mock_usdc_owner=parse_address(accounts.deployer.address),
        seeder=parse_address(accounts.operator.address),
    )


def config_from(environment: Mapping[str, str], chain_id: int) -> DeployConfig:
    """Return the configuration of AICP_ADMIN, AICP_GUARDIAN, AICP_FEE_RECIPIENT and AICP_OPERATORS (comma separated).

    AICP_EXECUTORS (comma separated) may name who executes what waits in the timelock of a public network, AICP_SEEDER
    who commits to seeds. On the local chain without any of the first four it is `local_config()`. Raises ConfigError.
    """
    names = ("AICP_ADMIN", "AICP_GUARDIAN", "AICP_FEE_RECIPIENT", "AICP_OPERATORS")
    if chain_id == LOCAL_CHAIN_ID and not any(environment.get(name) for name in names):
        return local_config()
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise ConfigError(f"Set {', '.join(missing)} to deploy to chain {chain_id}.")
    try:
        admin, guardian, recipient = (parse_address(environment[name].strip()) for name in names[:3])
        operators = tuple(parse_address(text.strip()) for text in environment["AICP_OPERATORS"].split(","))
        executors = tuple(
            parse_address(text.strip()) for text in environment.get("AICP_EXECUTORS", "").split(",") if text.strip()
        )
        seeder = parse_address(environment.get("AICP_SEEDER", "").strip() or checksum(ZERO_ADDRESS))
    except ValueError as error:
        raise ConfigError(f"An account of the deployment is wrong: {error}.") from error
    owner = admin if chain_id == LOCAL_CHAIN_ID else ZERO_ADDRESS
    return DeployConfig(
        admin=admin,
        guardian=guardian,
        fee_recipient=recipient,
        operators=operators,
        mock_usdc_owner=owner,
        executors=executors,
        seeder=seeder,
    )
