"""The deployment itself: checks, creation through the factory, and the file that states the result.

Nothing is sent before every check has passed. Each contract is created by one transaction at an address that follows
from its code and arguments, so a run that was stopped at any point is completed by the next one: what is there is
skipped. The file is written last, in one rename; a run stopped before that finds the contracts and writes it.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from aicp.abi import escrow, payment_channel, usdc
from aicp.abi.runtime import DecodeError
from aicp.rules.constants import Network, network
from aicp.rules.deployment import Deployment, DeploymentFileError, OperatorEpoch
from aicp.rules.primitives import ZERO_ADDRESS, checksum, parse_address
from scripts.deployment.chain import Chain
from scripts.deployment.config import DeployConfig
from scripts.deployment.errors import (
    AlreadyDeployedError,
    ConfigError,
    DeploymentError,
    NodeError,
    NotUsdcError,
    UnknownNetworkError,
    WrongChainError,
)
from scripts.deployment.factory import COST_WEI, FACTORY, RUNTIME, SENDER, SIGNED_TRANSACTION
from scripts.deployment.plan import SALT, Plan, plan_for

Say = Callable[[str], None]


def _network(chain: Chain, chain_id: int) -> Network:
    found = chain.chain_id()
    if found != chain_id:
        raise WrongChainError(f"The node is on chain {found}, the deployment is for chain {chain_id}.")
    try:
        return network(chain_id)
    except KeyError as error:
        raise UnknownNetworkError(f"Chain {chain_id} is not in the constants file.") from error


def check_usdc(chain: Chain, known: Network, token: bytes) -> None:
    """Check that a token is the native USDC of a network. Raises NotUsdcError."""
    if known.usdc is None or parse_address(known.usdc) != token:
        raise NotUsdcError(f"{checksum(token)} is not the USDC of {known.name}.")
    if not chain.code(token):
        raise NotUsdcError(f"There is no contract at the USDC address {checksum(token)} of {known.name}.")
    try:
        symbol = usdc.decode_symbol_result(chain.call(token, usdc.encode_symbol()))
        name = usdc.decode_name_result(chain.call(token, usdc.encode_name()))
        version = usdc.decode_version_result(chain.call(token, usdc.encode_version()))
        decimals = usdc.decode_decimals_result(chain.call(token, usdc.encode_decimals()))
    except (DecodeError, NodeError) as error:
        raise NotUsdcError(f"The token {checksum(token)} does not answer as USDC does.") from error
    if (symbol, name, version, decimals) != ("USDC", known.token_name, known.token_version, 6):
        raise NotUsdcError(
            f"The token {checksum(token)} is {name!r} ({symbol}, version {version}, {decimals} decimals), "
            f"not the USDC of {known.name}."
        )


def _live(chain: Chain, path: Path, plan: Plan) -> Deployment | None:
    """Return the deployment of the file when it is live and the one we would make. Raises AlreadyDeployedError."""
    if not path.exists():
        return None
    try:
        stated = Deployment.load(path)
    except DeploymentFileError as error:
        raise AlreadyDeployedError(f"{path} exists and cannot be read as a deployment; move it away first.") from error
    ours = (plan.usdc, plan.escrow, plan.payment_channel, plan.reputation, plan.arbiter)
    theirs = (stated.usdc, stated.escrow, stated.payment_channel, stated.reputation, stated.arbiter)
    present = [bool(chain.code(address)) for address in theirs[1:] if address != ZERO_ADDRESS]
    if ours == theirs and all(present):
        return stated
    if ours != theirs and any(present):
        raise AlreadyDeployedError(
            f"Another deployment is live on chain {stated.chain_id} (see {path}), with other code or other settings; "
            "start from a fresh chain or move the file away."
        )
    return None


def _ensure_factory(chain: Chain, say: Say) -> None:
    code = chain.code(FACTORY)
    if not code:
        say("deployment proxy")
        missing = COST_WEI - chain.balance(SENDER)
        if missing > 0:
            chain.send(SENDER, b"", missing)
        chain.send_raw(SIGNED_TRANSACTION)
        code = chain.code(FACTORY)
    if code != RUNTIME:
        raise NodeError(f"The code at {checksum(FACTORY)} is not the deterministic deployment proxy.")


def _create(chain: Chain, plan: Plan, say: Say) -> int:
    """Create what is missing and return the block of the first contract of ours."""
    blocks: list[int] = []
    found = False
    for step in plan.steps:
        if chain.code(step.address):
            found = True
            continue
        say(f"{step.name} at {checksum(step.address)}")
        blocks.append(chain.send(FACTORY, SALT + step.init_code))
        if not chain.code(step.address):
            raise NodeError(f"{step.name} was sent and is not at {checksum(step.address)}.")
    return _first_block(chain, plan) if found else min(blocks)


def _first_block(chain: Chain, plan: Plan) -> int:
    """Return the block in which the first contract of ours appeared, by bisection over the node's history."""

    def present(block: int) -> bool:
        return any(chain.code(step.address, block) for step in plan.steps)

    low, high = 0, chain.block_number()
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if present(middle) else (middle + 1, high)
    return low


def _verify(chain: Chain, plan: Plan) -> None:
    """Ask the contracts for what the plan derived. Raises DeploymentError."""
    asked = {
        "the token of Escrow": (plan.usdc, chain.call(plan.escrow, escrow.encode_token())),
        "Reputation": (plan.reputation, chain.call(plan.escrow, escrow.encode_reputation())),
        "the admin": (plan.admin, chain.call(plan.escrow, escrow.encode_owner())),
        "the token of PaymentChannel": (plan.usdc, chain.call(plan.payment_channel, payment_channel.encode_token())),
        "the ERC-3009 collector": (
            plan.erc3009_collector,
            chain.call(plan.payment_channel, payment_channel.encode_erc3009_collector()),
        ),
    }
    if plan.permit2_collector != ZERO_ADDRESS:
        answer = chain.call(plan.payment_channel, payment_channel.encode_permit2_collector())
        asked["the Permit2 collector"] = (plan.permit2_collector, answer)
    for what, (expected, answer) in asked.items():
        if escrow.decode_token_result(answer) != expected:
            raise DeploymentError(f"The deployed contracts disagree with the plan about {what}.")


def _write(path: Path, deployment: Deployment) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(json.dumps(deployment.to_json(), indent=2) + "\n")
    Path(temporary).chmod(0o644)
    Path(temporary).replace(path)


def deploy(chain: Chain, chain_id: int, config: DeployConfig, out_dir: Path, say: Say = lambda _: None) -> Deployment:
    """Deploy what is missing and return what `<out_dir>/<chain_id>.json` then states.

    A second call with the same code and settings changes nothing and returns the existing deployment; its operators
    are those of the file. Raises DeploymentError.
    """
    known = _network(chain, chain_id)
    if known.public and config.mock_usdc_owner != ZERO_ADDRESS:
        raise ConfigError(f"MockUSDC is never deployed to {known.name}.")
    plan = plan_for(known, config)
    if known.usdc is not None:
        check_usdc(chain, known, plan.usdc)
    path = out_dir / f"{chain_id}.json"
    live = _live(chain, path, plan)
    if live is not None:
        return live
    _ensure_factory(chain, say)
    block = _create(chain, plan, say)
    _verify(chain, plan)
    # a local chain makes blocks faster than seconds go by: the first key serves at once, whatever they say
    since = min(chain.block_time(block), dt.datetime.now(dt.UTC).replace(microsecond=0))
    deployment = Deployment(
        chain_id=chain_id,
        usdc=plan.usdc,
        escrow=plan.escrow,
        payment_channel=plan.payment_channel,
        reputation=plan.reputation,
        erc3009_collector=plan.erc3009_collector,
        permit2_collector=plan.permit2_collector,
        arbiter=plan.arbiter,
        deploy_block=block,
        token_name=known.token_name,
        token_version=known.token_version,
        fee_bps=known.constants.fee_bps,
        fee_recipient=config.fee_recipient,
        admin=plan.admin,
        guardian=config.guardian,
        bounds=plan.bounds,
        operators=tuple(OperatorEpoch(address=key, from_time=since) for key in config.operators),
        constructor_arguments=plan.constructor_arguments,
    )
    _write(path, deployment)
    return deployment
