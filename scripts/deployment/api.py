"""The entry point of everything that needs the contracts to be there."""

from __future__ import annotations

from pathlib import Path

from aicp.rules.deployment import Deployment
from scripts.deployment.chain import Web3Chain
from scripts.deployment.config import LOCAL_CHAIN_ID, DeployConfig, local_config
from scripts.deployment.deploy import Say, deploy
from scripts.deployment.errors import ConfigError


def ensure_deployment(
    rpc_url: str,
    chain_id: int,
    deployer_key: str,
    out_dir: Path,
    config: DeployConfig | None = None,
    *,
    say: Say = lambda _: None,
) -> Deployment:
    """Deploy the contracts through a node unless they are there, and return the deployment.

    Writes `<out_dir>/<chain_id>.json`. `deployer_key` (0x-hex) pays and gets no rights. Without a configuration the
    accounts are those of the local chain. `say` is told each step. Raises DeploymentError.
    """
    if config is None:
        if chain_id != LOCAL_CHAIN_ID:
            raise ConfigError(f"A deployment to chain {chain_id} needs its own accounts.")
        config = local_config()
    return deploy(Web3Chain(rpc_url, deployer_key), chain_id, config, out_dir, say)
