"""A local chain with this project's contracts at the addresses the official x402 packages have built in."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from x402.mechanisms.evm.batch_settlement.constants import (
    BATCH_SETTLEMENT_ADDRESS,
    ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
    PERMIT2_DEPOSIT_COLLECTOR_ADDRESS,
)
from x402.mechanisms.evm.constants import MULTICALL3_ADDRESS, PERMIT2_ADDRESS

from aicp.abi.bytecode import artifact
from tests.fixtures.services import CHAIN_ID, MNEMONIC, ROOT, Anvil

NETWORK = f"eip155:{CHAIN_ID}"
PRICE = 1_000
PAYMENTS = 50
START = 10_000_000
SOLC = ROOT / "scripts" / "solc" / "solc-v0.8.37"
OPENZEPPELIN = "node_modules/@openzeppelin/contracts"
PARTS = ("interfaces/IPermit2.sol", "libraries/SignatureLib.sol")
INTERFACES = ("token/ERC20/IERC20.sol", "interfaces/IERC1271.sol")
MULTICALL3 = (
    "import { multicall3Bytecode } from './node_modules/viem/_esm/constants/contracts.js';"
    "process.stdout.write(multicall3Bytecode)"
)


@dataclass(frozen=True, slots=True)
class Ground:
    """The chain, what is on it, and who is who. All accounts are of the public test mnemonic."""

    chain: Anvil
    web3: Web3
    usdc: Contract
    channel: Contract
    deployer: LocalAccount
    facilitator: LocalAccount
    authorizer: LocalAccount
    receiver: str

    def buyer(self) -> LocalAccount:
        """Return a fresh wallet with USDC, and the gas for its own withdrawal."""
        account = Account.create()
        self.chain.rpc("anvil_setBalance", account.address, hex(10**18))
        self.send(self.usdc.functions.mint(account.address, START), self.deployer)
        return account

    def send(self, call: Any, sender: LocalAccount) -> Any:
        """Send a call from an account that signs here, and return the receipt of its success."""
        transaction = call.build_transaction(
            {"from": sender.address, "nonce": self.web3.eth.get_transaction_count(sender.address)}
        )
        raw = sender.sign_transaction(transaction).raw_transaction
        receipt = self.web3.eth.wait_for_transaction_receipt(self.web3.eth.send_raw_transaction(raw))
        assert receipt["status"] == 1
        return receipt

    def gas_of(self, transaction: str) -> int:
        """Return what a transaction used, all in."""
        return int(self.web3.eth.get_transaction_receipt(transaction)["gasUsed"])

    def settled(self) -> int:
        """Return what the receiver has got."""
        return int(self.usdc.functions.balanceOf(self.receiver).call())

    def pass_by(self, seconds: int) -> None:
        """Let time pass on the chain."""
        self.chain.rpc("evm_increaseTime", seconds)
        self.chain.mine()


def account_of(index: int) -> LocalAccount:
    """Return an account of the test mnemonic."""
    Account.enable_unaudited_hdwallet_features()
    return Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")


def inject(chain: Anvil, address: str, init_code: bytes) -> None:
    """Put at `address` what `init_code` would have deployed there.

    The constructor runs with `address` as its own address, so immutables and the cached EIP-712 domain are those of a
    deployment. None of the contracts here writes storage in its constructor.
    """
    chain.rpc("anvil_setCode", address, "0x" + init_code.hex())
    runtime = chain.rpc("eth_call", {"to": address, "gas": hex(30_000_000)}, "latest")
    assert len(runtime) > 2, f"nothing to put at {address}"
    chain.rpc("anvil_setCode", address, runtime)


def build_ground(chain: Anvil) -> Ground:
    """Deploy USDC and put every other contract where the packages look for it."""
    web3 = Web3(Web3.HTTPProvider(chain.url))
    deployer, facilitator, authorizer, receiver = (account_of(index) for index in range(4))
    code = artifact("MockUSDC")
    deployed = web3.eth.send_transaction(
        {"from": deployer.address, "data": "0x" + (code.bytecode + encode(["address"], [deployer.address])).hex()}
    )
    token = str(web3.eth.wait_for_transaction_receipt(deployed)["contractAddress"])
    arguments = encode(
        ["address"] * 4, [token, deployer.address, ERC3009_DEPOSIT_COLLECTOR_ADDRESS, PERMIT2_DEPOSIT_COLLECTOR_ADDRESS]
    )
    channel_code = artifact("PaymentChannel")
    inject(chain, BATCH_SETTLEMENT_ADDRESS, channel_code.bytecode + arguments)
    for address, name in (
        (ERC3009_DEPOSIT_COLLECTOR_ADDRESS, "ERC3009DepositCollector"),
        (PERMIT2_DEPOSIT_COLLECTOR_ADDRESS, "Permit2DepositCollector"),
    ):
        inject(chain, address, artifact(name).bytecode + encode(["address"], [BATCH_SETTLEMENT_ADDRESS]))
    inject(chain, MULTICALL3_ADDRESS, multicall3())
    inject(chain, PERMIT2_ADDRESS, compiled("MockPermit2"))
    return Ground(
        chain=chain,
        web3=web3,
        usdc=web3.eth.contract(address=Web3.to_checksum_address(token), abi=code.abi),
        channel=web3.eth.contract(address=Web3.to_checksum_address(BATCH_SETTLEMENT_ADDRESS), abi=channel_code.abi),
        deployer=deployer,
        facilitator=facilitator,
        authorizer=authorizer,
        receiver=receiver.address,
    )


def multicall3() -> bytes:
    """Return the creation code of Multicall3 as viem carries it."""
    command = ["node", "--input-type=module", "--eval", MULTICALL3]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return bytes.fromhex(done.stdout.removeprefix("0x"))


def compiled(name: str) -> bytes:
    """Compile one contract of `contracts/mocks` that is not among the committed artifacts."""
    path = f"contracts/mocks/{name}.sol"
    sources = (path, *(f"contracts/{part}" for part in PARTS), *(f"{OPENZEPPELIN}/{part}" for part in INTERFACES))
    settings = {
        "evmVersion": "cancun",
        "remappings": [f"@openzeppelin/contracts/={OPENZEPPELIN}/"],
        "outputSelection": {path: {name: ["evm.bytecode.object"]}},
    }
    request = {
        "language": "Solidity",
        "sources": {source: {"content": (ROOT / source).read_text(encoding="utf-8")} for source in sources},
        "settings": settings,
    }
    done = subprocess.run(
        [str(SOLC), "--standard-json"], cwd=ROOT, input=json.dumps(request), capture_output=True, text=True, check=True
    )
    return bytes.fromhex(json.loads(done.stdout)["contracts"][path][name]["evm"]["bytecode"]["object"])
