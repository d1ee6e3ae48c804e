"""What is signed has the same digest on chain and in the official packages, on a thousand random inputs."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from eth_abi import decode, encode
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils import keccak, to_checksum_address
from x402.mechanisms.evm.batch_settlement.authorizer_signer import sign_claim_batch, sign_refund
from x402.mechanisms.evm.batch_settlement.constants import (
    BATCH_SETTLEMENT_ADDRESS,
    ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
    VOUCHER_TYPES,
)
from x402.mechanisms.evm.batch_settlement.encoding import build_erc3009_collector_data, build_erc3009_deposit_nonce
from x402.mechanisms.evm.batch_settlement.types import ChannelConfig, VoucherClaim
from x402.mechanisms.evm.batch_settlement.utils import (
    coerce_bytes32,
    compute_channel_id,
    get_batch_settlement_eip712_domain,
)
from x402.mechanisms.evm.constants import MULTICALL3_ADDRESS

from tests.fixtures.services import CHAIN_ID, ROOT
from tests.x402.ground import NETWORK, Ground

CASES = 1_000
BATCH = 250
NAMES = ("payer", "payerAuthorizer", "receiver", "receiverAuthorizer", "token", "withdrawDelay", "salt")
CONFIG = "(address,address,address,address,address,uint40,bytes32)"
REVERT_WITH_CALLDATA = "0x366000600037366000fd"
ECHO = "0x" + "ec" * 20
RECEIVE = "receiveWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)"


@dataclass(frozen=True, slots=True)
class Digests:
    """Everything parties of a channel sign."""

    channelId: str  # noqa: N815 - the names of the JSON
    voucher: str
    refund: str
    claimBatch: str  # noqa: N815


class Recorder:
    """An authorizer that keeps what it is asked to sign."""

    address = "0x" + "11" * 20

    def __init__(self):
        self.digest = ""

    def sign_typed_data(self, domain, types, primary_type, message):
        self.digest = digest_of(encode_typed_data(domain, types, message))
        return "0x"


def digest_of(message: SignableMessage) -> str:
    return "0x" + keccak(b"\x19" + message.version + message.header + message.body).hex()


@pytest.fixture(scope="module")
def cases():
    chance = random.Random(402)

    def config():
        addresses = [to_checksum_address(chance.randbytes(20)) for _ in range(5)]
        if chance.random() < 0.2:
            addresses[1] = "0x" + "0" * 40
        return dict(zip(NAMES, (*addresses, chance.getrandbits(40), "0x" + chance.randbytes(32).hex()), strict=True))

    def amount():
        return chance.getrandbits(chance.choice((0, 20, 96, 128)))

    return [
        {
            "config": config(),
            "ceiling": str(amount()),
            "nonce": str(chance.getrandbits(256)),
            "amount": str(amount()),
            "claims": [
                {"config": config(), "ceiling": str(amount()), "total": str(amount())}
                for _ in range(chance.randint(1, 5))
            ],
        }
        for _ in range(CASES)
    ]


def by_python(case: dict[str, Any]) -> Digests:
    channel_id = compute_channel_id(ChannelConfig.from_dict(case["config"]), NETWORK)
    voucher = {"channelId": coerce_bytes32(channel_id), "maxClaimableAmount": int(case["ceiling"])}
    domain = get_batch_settlement_eip712_domain(CHAIN_ID)
    refund, batch = Recorder(), Recorder()
    sign_refund(refund, channel_id, case["amount"], case["nonce"], NETWORK)
    claims = [
        VoucherClaim(ChannelConfig.from_dict(claim["config"]), claim["ceiling"], "0x", claim["total"])
        for claim in case["claims"]
    ]
    sign_claim_batch(batch, claims, NETWORK)
    return Digests(
        channel_id, digest_of(encode_typed_data(domain, VOUCHER_TYPES, voucher)), refund.digest, batch.digest
    )


@pytest.fixture(scope="module")
def on_chain(ground: Ground, cases: list[dict[str, Any]]) -> list[Digests]:
    """What the contract answers, asked many questions a call."""
    config, claim = CONFIG, f"(({CONFIG},uint128),bytes,uint128)[]"
    ids = aggregate(ground, [question("getChannelId", [config], [values(case["config"])]) for case in cases])
    questions: list[bytes] = []
    for channel_id, case in zip(ids, cases, strict=True):
        claims = [((values(c["config"]), int(c["ceiling"])), b"", int(c["total"])) for c in case["claims"]]
        nonce, amount = int(case["nonce"]), int(case["amount"])
        questions += [
            question("getVoucherDigest", ["bytes32", "uint128"], [channel_id, int(case["ceiling"])]),
            question("getRefundDigest", ["bytes32", "uint256", "uint128"], [channel_id, nonce, amount]),
            question("getClaimBatchDigest", [claim], [claims]),
        ]
    answers = ["0x" + answer.hex() for answer in aggregate(ground, questions)]
    return [Digests("0x" + channel_id.hex(), *answers[3 * i : 3 * i + 3]) for i, channel_id in enumerate(ids)]


def question(name: str, kinds: list[str], arguments: list[Any]) -> bytes:
    return keccak(text=f"{name}({','.join(kinds)})")[:4] + encode(kinds, arguments)


def aggregate(ground: Ground, questions: list[bytes]) -> list[bytes]:
    answers: list[bytes] = []
    for start in range(0, len(questions), BATCH):
        calls = [(BATCH_SETTLEMENT_ADDRESS, data) for data in questions[start : start + BATCH]]
        data = question("tryAggregate", ["bool", "(address,bytes)[]"], [True, calls])
        call = {"to": MULTICALL3_ADDRESS, "data": "0x" + data.hex(), "gas": hex(10**9)}
        raw = bytes.fromhex(ground.chain.rpc("eth_call", call, "latest")[2:])
        answers += [answer for _, answer in decode(["(bool,bytes)[]"], raw)[0]]
    return answers


def values(config: dict[str, Any]) -> tuple[Any, ...]:
    return (*(config[name] for name in NAMES[:-1]), bytes.fromhex(config["salt"][2:]))


def test_digests__equal_those_of_the_python_package(on_chain, cases):
    assert on_chain == [by_python(case) for case in cases]


def test_digests__equal_those_of_the_typescript_package(on_chain, cases):
    command = ["node", "tests/x402/digests.mjs", str(CHAIN_ID)]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(cases), capture_output=True, text=True, check=True)
    assert on_chain == [Digests(**digests) for digests in json.loads(done.stdout)]


def test_collector__uses_the_nonce_and_data_of_the_python_package(ground, cases):
    """A token that reverts with what it was called with tells what the collector asks of USDC."""
    ground.chain.rpc("anvil_setCode", ECHO, REVERT_WITH_CALLDATA)
    kinds = ["address", "address", "uint256", "bytes32", "bytes"]
    signature = "0x" + "ab" * 65
    calls, expected = [], []
    for case in cases:
        payer, channel_id, salt = case["config"]["payer"], case["config"]["salt"], hex(int(case["nonce"]))
        data = build_erc3009_collector_data(case["ceiling"], case["amount"], salt, signature)
        calls.append(question("collect", kinds, [payer, ECHO, 7, bytes.fromhex(channel_id[2:]), data]))
        nonce = bytes.fromhex(build_erc3009_deposit_nonce(channel_id, salt)[2:])
        times = (int(case["ceiling"]), int(case["amount"]))
        collector = ERC3009_DEPOSIT_COLLECTOR_ADDRESS.lower()
        expected.append((payer.lower(), collector, 7, *times, nonce, b"\xab" * 65))
    kinds = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "bytes"]
    assert [decode(kinds, asked) for asked in echoed(ground, calls)] == expected


def echoed(ground: Ground, calls: list[bytes]) -> list[bytes]:
    """Return what the token was asked, without the selector, for calls of the collector by the channel."""
    sender, to = BATCH_SETTLEMENT_ADDRESS, ERC3009_DEPOSIT_COLLECTOR_ADDRESS
    requests = [
        {
            "jsonrpc": "2.0",
            "id": index,
            "method": "eth_call",
            "params": [{"from": sender, "to": to, "data": "0x" + data.hex()}, "latest"],
        }
        for index, data in enumerate(calls)
    ]
    answers = sorted(httpx.post(ground.chain.url, json=requests, timeout=60).json(), key=lambda answer: answer["id"])
    raw = [bytes.fromhex(answer["error"]["data"][2:]) for answer in answers]
    assert {data[:4] for data in raw} == {keccak(text=RECEIVE)[:4]}
    return [data[4:] for data in raw]
