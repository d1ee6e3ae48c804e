"""Deployment against a real node: addresses, idempotence, resumption and every refusal."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aicp.abi import escrow, usdc
from aicp.abi.bytecode import artifact
from aicp.abi.runtime import keccak
from aicp.rules.constants import network
from aicp.rules.deployment import Deployment, DeploymentFileError
from aicp.rules.primitives import checksum, parse_address
from scripts.deployment.api import ensure_deployment
from scripts.deployment.arbiter import constructor_arguments
from scripts.deployment.chain import Web3Chain
from scripts.deployment.config import DeployConfig, config_from, local_config
from scripts.deployment.deploy import check_usdc
from scripts.deployment.errors import (
    AlreadyDeployedError,
    ConfigError,
    NodeError,
    NotUsdcError,
    UnknownNetworkError,
    WrongChainError,
)
from scripts.deployment.factory import FACTORY
from scripts.deployment.plan import ADMIN_DELAY_SECONDS, SALT, child, create2_address, plan_for, timelock_arguments
from scripts.devnet.keys import dev_accounts
from tests.fixtures.services import Anvil

ROOT = Path(__file__).resolve().parents[3]
KEY = dev_accounts(31337).deployer.key
OTHER_KEY = dev_accounts(31337).buyer.key
LOCAL = network(31337)
PUBLIC_CONFIG = DeployConfig(
    admin=b"\1" * 20, guardian=b"\2" * 20, fee_recipient=b"\3" * 20, operators=(b"\4" * 20, b"\5" * 20)
)


def _addresses(deployment: Deployment) -> tuple[bytes, ...]:
    return (
        deployment.usdc,
        deployment.escrow,
        deployment.payment_channel,
        deployment.reputation,
        deployment.erc3009_collector,
    )


def test_plan_is_a_function_of_code_and_configuration() -> None:
    config = local_config()
    assert plan_for(LOCAL, config) == plan_for(LOCAL, local_config())
    other = plan_for(LOCAL, dataclasses.replace(config, admin=b"\7" * 20))
    assert other.escrow != plan_for(LOCAL, config).escrow
    assert other.usdc == plan_for(LOCAL, config).usdc
    # who serves is no part of the contracts
    rotated = dataclasses.replace(config, operators=(b"\7" * 20,))
    assert plan_for(LOCAL, rotated) == plan_for(LOCAL, config)


def test_mock_usdc_is_in_no_plan_of_a_public_network() -> None:
    for chain_id in (1, 137, 80002, 11155111):
        plan = plan_for(network(chain_id), PUBLIC_CONFIG)
        names = [step.name for step in plan.steps]
        assert names[0] == "AdminTimelock"
        assert {"EscrowExtension", "Escrow", "PaymentChannel"} <= set(names)
        assert "MockUSDC" not in names
        assert checksum(plan.usdc) == network(chain_id).usdc


def test_the_timelock_is_executed_by_the_admin_unless_others_are_named() -> None:
    assert timelock_arguments(PUBLIC_CONFIG).count(PUBLIC_CONFIG.admin) == 2
    named = dataclasses.replace(PUBLIC_CONFIG, executors=(b"\7" * 20,))
    assert timelock_arguments(named).count(PUBLIC_CONFIG.admin) == 1
    assert b"\7" * 20 in timelock_arguments(named)
    assert plan_for(network(137), named).admin != plan_for(network(137), PUBLIC_CONFIG).admin
    assert plan_for(LOCAL, local_config()).admin == local_config().admin
    with pytest.raises(ConfigError, match="executor"):
        dataclasses.replace(PUBLIC_CONFIG, executors=(b"",))


def test_constructor_arguments_are_taken_by_name() -> None:
    parts = [{"type": "address", "name": "token"}, {"type": "uint32", "name": "commitPeriod"}]
    abi = [{"type": "constructor", "inputs": [{"type": "tuple", "name": "config", "components": parts}]}]
    values = {"commitPeriod": 7, "token": checksum(b"\1" * 20), "more": 1}
    assert constructor_arguments(abi, values) == bytes(12) + b"\1" * 20 + (7).to_bytes(32)
    with pytest.raises(ConfigError, match="commitPeriod"):
        constructor_arguments(abi, {"token": checksum(b"\1" * 20)})


def test_addresses_of_creations_are_told_from_nonces() -> None:
    with pytest.raises(ValueError, match="1 to 127"):
        child(b"\1" * 20, 0)
    # the pair of examples every client is tested with
    creator = parse_address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert child(creator, 1) == parse_address("0x343c43a37d37dff08ae8c4a11544c718abb4fcf8")
    assert child(creator, 2) == parse_address("0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91")


def test_configuration_is_refused_in_one_sentence() -> None:
    with pytest.raises(ConfigError, match="AICP_ADMIN, AICP_GUARDIAN"):
        config_from({}, 137)
    with pytest.raises(ConfigError, match="wrong"):
        config_from(
            {"AICP_ADMIN": "0x1", "AICP_GUARDIAN": "0x1", "AICP_FEE_RECIPIENT": "0x1", "AICP_OPERATORS": "0x1"}, 137
        )
    with pytest.raises(ConfigError, match="guardian"):
        dataclasses.replace(PUBLIC_CONFIG, guardian=bytes(20))
    with pytest.raises(ConfigError, match="operator"):
        dataclasses.replace(PUBLIC_CONFIG, operators=())
    names = ("AICP_ADMIN", "AICP_GUARDIAN", "AICP_FEE_RECIPIENT")
    values = (PUBLIC_CONFIG.admin, PUBLIC_CONFIG.guardian, PUBLIC_CONFIG.fee_recipient)
    environment = {name: checksum(value) for name, value in zip(names, values, strict=True)}
    environment["AICP_OPERATORS"] = ", ".join(checksum(key) for key in PUBLIC_CONFIG.operators)
    assert config_from(environment, 137) == PUBLIC_CONFIG
    environment |= {"AICP_EXECUTORS": checksum(b"\6" * 20), "AICP_SEEDER": checksum(b"\7" * 20)}
    more = dataclasses.replace(PUBLIC_CONFIG, executors=(b"\6" * 20,), seeder=b"\7" * 20)
    assert config_from(environment, 137) == more
    assert config_from({}, 31337) == local_config()


def test_public_network_needs_a_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ensure_deployment("http://127.0.0.1:1", 137, KEY, tmp_path)


def test_a_node_that_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(NodeError):
        ensure_deployment("http://127.0.0.1:1", 31337, KEY, tmp_path)


def test_first_and_second_deployment(anvil: Anvil, tmp_path: Path) -> None:
    first = ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    chain = Web3Chain(anvil.url, KEY)
    assert all(chain.code(address) for address in _addresses(first))
    assert Deployment.load(tmp_path / "31337.json") == first
    assert first.deploy_block == 1
    assert escrow.decode_fee_bps_result(chain.call(first.escrow, escrow.encode_fee_bps())) == first.fee_bps == 250
    assert escrow.decode_owner_result(chain.call(first.escrow, escrow.encode_owner())) == first.admin
    assert escrow.decode_guardian_result(chain.call(first.escrow, escrow.encode_guardian())) == first.guardian
    assert usdc.decode_version_result(chain.call(first.usdc, usdc.encode_version())) == first.token_version
    assert usdc.decode_owner_result(chain.call(first.usdc, usdc.encode_owner())) == local_config().mock_usdc_owner
    block = chain.block_number()
    assert ensure_deployment(anvil.url, 31337, OTHER_KEY, tmp_path) == first
    assert chain.block_number() == block


def test_whoever_deploys_gets_the_same_addresses_also_without_the_factory(anvil: Anvil, tmp_path: Path) -> None:
    anvil.rpc("anvil_setCode", checksum(FACTORY), "0x")
    said: list[str] = []
    deployment = ensure_deployment(anvil.url, 31337, OTHER_KEY, tmp_path, say=said.append)
    plan = plan_for(LOCAL, local_config())
    expected = (plan.usdc, plan.escrow, plan.payment_channel, plan.reputation, plan.erc3009_collector)
    assert _addresses(deployment) == expected
    assert said[0] == "deployment proxy"
    assert len(said) == 1 + len(plan.steps)


def test_a_stopped_run_is_completed_and_a_lost_file_is_written_again(anvil: Anvil, tmp_path: Path) -> None:
    chain = Web3Chain(anvil.url, KEY)
    anvil.mine(5)
    step = plan_for(LOCAL, local_config()).steps[0]
    chain.send(FACTORY, SALT + step.init_code)
    anvil.mine(7)
    first = ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    assert first.deploy_block == 6
    path = tmp_path / "31337.json"
    path.unlink()
    anvil.mine(3)
    assert ensure_deployment(anvil.url, 31337, KEY, tmp_path) == first
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["31337.json"]


def test_a_file_of_a_chain_that_is_gone_is_replaced(anvil: Anvil, tmp_path: Path) -> None:
    beginning = anvil.rpc("evm_snapshot")
    first = ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    assert anvil.rpc("evm_revert", beginning)
    anvil.mine(4)
    again = ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    assert _addresses(again) == _addresses(first)
    assert again.deploy_block == 5


def test_another_live_deployment_is_not_replaced(anvil: Anvil, tmp_path: Path) -> None:
    ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    before = (tmp_path / "31337.json").read_bytes()
    block = anvil.rpc("eth_blockNumber")
    with pytest.raises(AlreadyDeployedError, match="live on chain 31337"):
        ensure_deployment(anvil.url, 31337, KEY, tmp_path, dataclasses.replace(local_config(), admin=b"\7" * 20))
    (tmp_path / "31337.json").write_text("{}")
    with pytest.raises(AlreadyDeployedError, match="cannot be read"):
        ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    assert anvil.rpc("eth_blockNumber") == block
    assert before != b"{}"


def test_wrong_and_unknown_chain(anvil: Anvil, tmp_path: Path) -> None:
    with pytest.raises(WrongChainError, match="chain 31337, the deployment is for chain 137"):
        ensure_deployment(anvil.url, 137, KEY, tmp_path, PUBLIC_CONFIG)
    anvil.rpc("anvil_setChainId", 4242)
    with pytest.raises(UnknownNetworkError, match="4242"):
        ensure_deployment(anvil.url, 4242, KEY, tmp_path, PUBLIC_CONFIG)
    assert list(tmp_path.iterdir()) == []
    assert anvil.rpc("eth_blockNumber") == "0x0"


def _put_usdc(anvil: Anvil, target: str) -> None:
    """Place a token that answers like USDC at an address: the code and storage of MockUSDC."""
    chain = Web3Chain(anvil.url, KEY)
    step = plan_for(LOCAL, local_config()).steps[0]
    chain.send(FACTORY, SALT + step.init_code)
    source = checksum(step.address)
    anvil.rpc("anvil_setCode", target, anvil.rpc("eth_getCode", source, "latest"))
    for slot in range(12):
        word = anvil.rpc("eth_getStorageAt", source, hex(slot), "latest")
        anvil.rpc("anvil_setStorageAt", target, "0x" + slot.to_bytes(32, "big").hex(), word)


def test_a_public_network_takes_native_usdc_only(anvil: Anvil, tmp_path: Path) -> None:
    polygon = network(137)
    assert polygon.usdc is not None
    _put_usdc(anvil, "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174")
    anvil.rpc("anvil_setChainId", 137)
    block = anvil.rpc("eth_blockNumber")
    with pytest.raises(NotUsdcError, match="no contract"):
        ensure_deployment(anvil.url, 137, KEY, tmp_path, PUBLIC_CONFIG)
    chain = Web3Chain(anvil.url, KEY)
    # the bridged token answers the same questions; its address tells
    with pytest.raises(NotUsdcError, match="not the USDC of Polygon"):
        check_usdc(chain, polygon, parse_address("0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"))
    # code without the storage: a token of no name
    anvil.rpc("anvil_setCode", polygon.usdc, "0x" + artifact("MockUSDC").runtime.hex())
    with pytest.raises(NotUsdcError, match="not the USDC of Polygon"):
        ensure_deployment(anvil.url, 137, KEY, tmp_path, PUBLIC_CONFIG)
    # code that answers nothing
    anvil.rpc("anvil_setCode", polygon.usdc, "0x60006000fd")
    with pytest.raises(NotUsdcError, match="does not answer"):
        ensure_deployment(anvil.url, 137, KEY, tmp_path, PUBLIC_CONFIG)
    assert anvil.rpc("eth_blockNumber") == block
    assert list(tmp_path.iterdir()) == []


def test_a_public_network_gets_everything_but_the_token(anvil: Anvil, tmp_path: Path) -> None:
    polygon = network(137)
    assert polygon.usdc is not None
    anvil.rpc("anvil_setChainId", 137)
    _put_usdc(anvil, polygon.usdc)
    with pytest.raises(ConfigError, match="never deployed to Polygon"):
        ensure_deployment(anvil.url, 137, KEY, tmp_path, dataclasses.replace(PUBLIC_CONFIG, mock_usdc_owner=b"\7" * 20))
    deployment = ensure_deployment(anvil.url, 137, KEY, tmp_path, PUBLIC_CONFIG)
    assert checksum(deployment.usdc) == polygon.usdc
    assert [epoch.address for epoch in deployment.operators] == list(PUBLIC_CONFIG.operators)
    assert deployment.bounds.min_challenge_period_seconds == 3600
    assert deployment.admin == create2_address(artifact("AdminTimelock").bytecode + timelock_arguments(PUBLIC_CONFIG))
    chain = Web3Chain(anvil.url, KEY)
    assert escrow.decode_owner_result(chain.call(deployment.escrow, escrow.encode_owner())) == deployment.admin
    delay = chain.call(deployment.admin, keccak(b"getMinDelay()")[:4])
    assert int.from_bytes(delay) == ADMIN_DELAY_SECONDS == 172_800
    for role, holder, expected in (
        (keccak(b"PROPOSER_ROLE"), PUBLIC_CONFIG.admin, True),
        (keccak(b"CANCELLER_ROLE"), PUBLIC_CONFIG.admin, True),
        (keccak(b"EXECUTOR_ROLE"), PUBLIC_CONFIG.admin, True),
        (keccak(b"EXECUTOR_ROLE"), bytes(20), False),
        (bytes(32), PUBLIC_CONFIG.admin, False),
        (bytes(32), parse_address(dev_accounts(31337).deployer.address), False),
        (bytes(32), deployment.admin, True),
    ):
        call = keccak(b"hasRole(bytes32,address)")[:4] + role + bytes(12) + holder
        assert bool(int.from_bytes(chain.call(deployment.admin, call))) is expected
    assert "MockUSDC" not in deployment.constructor_arguments


@pytest.mark.timeout(500)
def test_ape_gives_the_same_addresses(anvil: Anvil, tmp_path: Path) -> None:
    plan = plan_for(LOCAL, local_config())
    command = [
        str(Path(sys.executable).with_name("ape")),
        "run",
        "deploy",
        "--network",
        anvil.url,
        "--out",
        str(tmp_path),
    ]
    environment = os.environ | {"SOLCX_BINARY_PATH": str(ROOT / "scripts" / "solc")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    deployment = Deployment.load(tmp_path / "31337.json")
    expected = (plan.usdc, plan.escrow, plan.payment_channel, plan.reputation, plan.erc3009_collector)
    assert _addresses(deployment) == expected
    assert ensure_deployment(anvil.url, 31337, KEY, tmp_path) == deployment
    refused = subprocess.run(
        [*command, "--chain", "80002", "--account", "nobody"],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert refused.returncode != 0
    assert "AICP_ADMIN" in refused.stdout + refused.stderr


def test_deployment_file_round_trip_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    with pytest.raises(DeploymentFileError, match="no readable"):
        Deployment.load(path)
    for text in ("", "[]", "{}", '{"contracts": {"usdc": "0x1"}}'):
        path.write_text(text)
        with pytest.raises(DeploymentFileError, match="not a deployment file"):
            Deployment.load(path)


def test_deployment_file_json(anvil: Anvil, tmp_path: Path) -> None:
    deployment = ensure_deployment(anvil.url, 31337, KEY, tmp_path)
    document = json.loads((tmp_path / "31337.json").read_text())
    assert document == deployment.to_json()
    assert set(document["contracts"]) == {
        "usdc", "escrow", "paymentChannel", "reputation", "erc3009Collector", "permit2Collector", "arbiter"
    }  # fmt: skip
    assert document["operators"][0]["until"] is None
    assert document["operators"][0]["from"].endswith("Z")
    document["operators"][0]["from"] = "2026-01-01T00:00:00"
    (tmp_path / "31337.json").write_text(json.dumps(document))
    with pytest.raises(DeploymentFileError, match="offset"):
        Deployment.load(tmp_path / "31337.json")
