"""Our facilitator serves the official server: verify, deposit, claim, settle, refund, all through the workers."""

from __future__ import annotations

import secrets
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import httpx
import pytest
from eth_account import Account
from msgspec import structs
from web3 import Web3
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, HTTPFacilitatorClientSync
from x402.mechanisms.evm.batch_settlement.constants import BATCH_SETTLEMENT_ADDRESS

from aicp.abi import payment_channel as channel_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.bytecode import artifact
from aicp.abi.runtime import TypedMessage
from aicp.abi.signing import sign
from aicp.abi.typed_data import ChannelRefund, ClaimBatch, ClaimEntry, ReceiveWithAuthorization, Voucher
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x
from backend.x402 import relays
from backend.x402.schemas import Erc3009, ExactPayload
from backend.x402.verify import deposit_nonce
from tests.x402.buyers import DEPOSIT, python_buyer
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE, Lab, until
from tests.x402.ground import PAYMENTS, START, Ground, account_of
from tests.x402.ground import PRICE as SHOP_PRICE
from tests.x402.market import Facilitators, open_market


@contextmanager
def our_facilitator(lab: Lab) -> Iterator[Facilitators]:
    """Our facilitator as an official server sees it: a URL."""
    config = FacilitatorConfig(url=f"{lab.url}/x402")
    with httpx.Client(timeout=30) as client:
        of_server = HTTPFacilitatorClient(config)

        @asynccontextmanager
        async def lifespan(_: object) -> AsyncIterator[None]:
            async with of_server:
                yield

        yield Facilitators(of_server, HTTPFacilitatorClientSync(replace(config, http_client=client)), lifespan)


def ground_of(lab: Lab) -> Ground:
    """Return the lab's chain as the shop's tests know it."""
    web3, token = lab.web3, Web3.to_checksum_address(lab.ctx.deployment.usdc)
    deployer, authorizer, receiver = account_of(0), Account.create(), Account.create()
    return Ground(
        chain=lab.world.chain,
        web3=web3,
        usdc=web3.eth.contract(address=token, abi=artifact("MockUSDC").abi),
        channel=web3.eth.contract(address=BATCH_SETTLEMENT_ADDRESS, abi=artifact("PaymentChannel").abi),
        deployer=deployer,
        facilitator=deployer,
        authorizer=authorizer,
        receiver=receiver.address,
    )


def counted(lab: Lab, address: str) -> int:
    """Return the gas counted against an address."""
    query = "SELECT coalesce(sum(gas), 0) FROM app.relayed_gas WHERE address = :who"
    return int(lab.world.one(query, who=bytes.fromhex(address[2:])))


def test_the_official_server_lives_off_our_facilitator(lab):
    ground, account = ground_of(lab), lab.buyer(START)
    with (
        lab.keep_up(),
        our_facilitator(lab) as facilitators,
        open_market(ground, facilitators) as market,
        python_buyer(ground, account, f"{market.url}/erc3009") as buyer,
    ):
        assert len(buyer.pay(PAYMENTS)) == 1
        (kept,) = market.scheme.get_storage().list()
        channel = bytes.fromhex(kept.channel_id[2:])
        assert lab.on_chain(channel) == (DEPOSIT, 0)
        assert [claim.vouchers for claim in market.manager.claim()] == [1]
        assert lab.on_chain(channel) == (DEPOSIT, PAYMENTS * SHOP_PRICE)
        assert market.manager.settle().transaction.startswith("0x")
        assert ground.settled() == PAYMENTS * SHOP_PRICE
        # whoever pays somebody a cent must not use up the gas that one needs for its own deliveries
        assert counted(lab, ground.receiver) == 0
        assert counted(lab, ground.authorizer.address) > 0
        buyer.pay(1)
        assert buyer.refund(None)
        assert lab.on_chain(channel) == ((PAYMENTS + 1) * SHOP_PRICE, (PAYMENTS + 1) * SHOP_PRICE)
        assert ground.usdc.functions.balanceOf(account.address).call() == START - (PAYMENTS + 1) * SHOP_PRICE


def post(lab: Lab, what: str, hand: Hand, payload: dict, scheme: str = "batch-settlement", **changes) -> dict:
    """Ask the facilitator about a payment at an endpoint of ours."""
    url = lab.endpoint("facilitated")
    accepted = next(way for way in read(httpx.get(url))["accepts"] if way["scheme"] == scheme)
    if hand.receiver is not None:
        accepted = accepted | {"payTo": checksum(hand.receiver)}
    body = {
        "x402Version": 2,
        "paymentPayload": {"x402Version": 2, "accepted": accepted, "payload": payload} | changes,
        "paymentRequirements": accepted,
    }
    answer = httpx.post(f"{lab.url}/x402/{what}", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_supported_names_schemes_network_and_extensions(lab):
    told = httpx.get(f"{lab.url}/x402/supported").json()
    assert {(kind["scheme"], kind["network"], kind["x402Version"]) for kind in told["kinds"]} == {
        ("batch-settlement", "eip155:31337", 2),
        ("exact", "eip155:31337", 2),
    }
    assert told["extensions"] == ["payment-identifier", "sign-in-with-x"]
    # the operator's key signs for nobody else: no server may take it for its own authorizer
    assert not any("receiverAuthorizer" in (kind.get("extra") or {}) for kind in told["kinds"])
    assert httpx.get(f"{lab.url}/api/v1/x402/supported").json() == told


@pytest.mark.parametrize(
    ("ceiling", "reason"),
    [
        (PRICE, None),
        (20 * PRICE, None),
        (20 * PRICE + 1, "invalid_batch_settlement_evm_cumulative_exceeds_balance"),
        (0, "invalid_batch_settlement_evm_cumulative_below_claimed"),
    ],
)
def test_verify_counts_what_a_pool_covers(lab, ceiling, reason):
    hand = Hand(lab, lab.buyer())
    lab.world.chain.rpc("anvil_setBalance", hand.account.address, hex(10**18))
    lab.world.chain.rpc("anvil_impersonateAccount", hand.account.address)
    channel, operator = lab.ctx.deployment.payment_channel, lab.ctx.operator.address
    lab.world.send(hand.address, lab.ctx.deployment.usdc, usdc_abi.encode_approve(channel, 2**255))
    data = channel_abi.encode_deposit_pool(hand.address, operator, 20 * PRICE)
    lab.world.send(hand.address, channel, data)
    lab.world.chain.mine(4)
    lab.world.mirror()
    told = post(lab, "verify", hand, hand.voucher(ceiling))
    assert (told["isValid"], told.get("invalidReason")) == (reason is None, reason)
    assert told["payer"] == hand.account.address
    # the operator claims from pools for agents of ours alone, so elsewhere the same pool is worth nothing
    outside = Hand(lab, hand.account, receiver=lab.world.rival.address)
    told = post(lab, "verify", outside, outside.voucher(PRICE))
    assert (told["isValid"], told.get("invalidReason")) == (False, "invalid_batch_settlement_evm_channel_not_found")


def test_verify_of_a_deposit_asks_the_chain(lab):
    hand = Hand(lab, lab.buyer())
    assert post(lab, "verify", hand, hand.deposit(PRICE, 10 * PRICE))["isValid"]
    poor = Hand(lab, lab.buyer(5 * PRICE))
    told = post(lab, "verify", poor, poor.deposit(PRICE, 10 * PRICE))
    assert (told["isValid"], told["invalidReason"]) == (False, "invalid_batch_settlement_evm_deposit_payload")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"value": PRICE - 1}, "invalid_exact_evm_payload_authorization_value_mismatch"),
        ({"to": b"\x01" * 20}, "invalid_exact_evm_payload_recipient_mismatch"),
        ({"valid_for": -1}, "invalid_exact_evm_payload_authorization_valid_before"),
        ({"valid_after": 2**40 - 1}, "invalid_exact_evm_payload_authorization_valid_after"),
        ({"from_": b"\x02" * 20}, "invalid_exact_evm_payload_signature"),
    ],
)
def test_verify_of_a_transfer(lab, changes, reason):
    hand = Hand(lab, lab.buyer())
    given = {"valid_for": 300} | changes
    told = post(lab, "verify", hand, hand.transfer(PRICE, **given) if "value" not in changes else
                hand.transfer(changes["value"]), "exact")  # fmt: skip
    assert (told["isValid"], told.get("invalidReason")) == (reason is None, reason)


def test_settle_of_a_transfer_is_told_when_it_is_mined_and_done_once(lab):
    hand, before = Hand(lab, lab.buyer()), lab.world.usdc_of(lab.agent.address)
    payload = hand.transfer(PRICE)
    with lab.keep_up():
        first = post(lab, "settle", hand, payload, "exact")
        again = post(lab, "settle", hand, payload, "exact")
    assert first["success"], first
    assert (again["transaction"], again["success"]) == (first["transaction"], True)
    assert lab.world.usdc_of(lab.agent.address) - before == PRICE


@pytest.mark.parametrize("scheme", ["exact", "batch-settlement"])
def test_what_an_onlooker_has_mined_first_is_told_as_settled(lab, scheme):
    hand, told = Hand(lab, lab.buyer()), []
    payload = hand.transfer(PRICE) if scheme == "exact" else hand.deposit(PRICE, 10 * PRICE)
    thread = threading.Thread(target=lambda: told.append(post(lab, "settle", hand, payload, scheme)))
    thread.start()
    found = 'SELECT "to", data FROM txm.intent WHERE on_behalf_of = :who'
    until(lambda: lab.world.sql(found, who=hand.address), "the call is asked for")
    [[target, data]] = lab.world.sql(found, who=hand.address)
    lab.world.send(lab.world.rival.address, bytes(target), bytes(data))
    mined = lab.world.chain.rpc("eth_getBlockByNumber", "latest", False)["transactions"]
    with lab.keep_up():
        thread.join(30)
        again = post(lab, "settle", hand, payload, scheme)
    assert told[0]["success"], told
    assert told[0]["transaction"] in mined
    assert again == told[0]
    assert lab.world.one("SELECT count(*) FROM txm.intent WHERE on_behalf_of = :who", who=hand.address) == 1


def test_a_transfer_that_nobody_has_asked_us_for_is_not_told_as_settled(lab):
    """It may have paid at another server: only who has asked before is told again."""
    hand = Hand(lab, lab.buyer())
    payload = hand.transfer(PRICE)
    call = relays.exact_call(ExactPayload.model_validate(payload))
    lab.world.send(lab.world.rival.address, lab.ctx.deployment.usdc, call)
    lab.world.chain.mine(4)
    told = post(lab, "settle", hand, payload, "exact")
    assert (told["success"], told["errorReason"]) == (False, "invalid_transaction_state")


def test_a_claim_or_refund_asked_for_again_after_a_lost_answer_is_the_same(lab):
    """A server of its own has us relay both; an answer gets lost and it asks again."""
    hand, server, ctx = Hand(lab, lab.buyer()), Account.create(), lab.ctx
    config = structs.replace(hand.config, receiver_authorizer=bytes.fromhex(server.address[2:]))
    channel, salt = channel_id(config, ctx.domains.channel), secrets.token_bytes(32)
    until_then = ctx.now() + 600
    money = ReceiveWithAuthorization(
        from_=hand.address, to=ctx.deployment.erc3009_collector, value=10 * PRICE, valid_after=0,
        valid_before=until_then, nonce=deposit_nonce(channel, salt),
    )  # fmt: skip
    signature = bytes.fromhex(hand.signed(money, ctx.domains.token)[2:])
    given = Erc3009(valid_after=0, valid_before=until_then, salt=salt, signature=signature)
    call = relays.deposit_call(ctx, config, 10 * PRICE, given)
    lab.world.send(lab.world.rival.address, ctx.deployment.payment_channel, call)

    def signed(message: TypedMessage) -> str:
        return hex0x(sign(message.digest(ctx.domains.channel), bytes(server.key)))

    channel_config = hand.voucher(0)["channelConfig"] | {"receiverAuthorizer": server.address}
    spent = Voucher(channel_id=channel, max_claimable_amount=PRICE)
    row = {
        "voucher": {"channel": channel_config, "maxClaimableAmount": str(PRICE)},
        "signature": hand.signed(spent, ctx.domains.channel), "totalClaimed": str(PRICE),
    }  # fmt: skip
    entry = ClaimEntry(channel_id=channel, max_claimable_amount=PRICE, total_claimed=PRICE)
    claim = {"type": "claim", "claims": [row], "claimAuthorizerSignature": signed(ClaimBatch(claims=(entry,)))}
    refund = {
        "type": "refund", "channelConfig": channel_config,
        "voucher": {"channelId": hex0x(channel), "maxClaimableAmount": str(PRICE), "signature": row["signature"]},
        "amount": str(2 * PRICE), "refundNonce": "0",
        "refundAuthorizerSignature": signed(ChannelRefund(channel_id=channel, nonce=0, amount=2 * PRICE)),
    }  # fmt: skip
    with lab.keep_up():
        for payload in (claim, refund):
            first = post(lab, "settle", hand, payload)
            assert first["success"], first
            assert post(lab, "settle", hand, payload) == first
    assert lab.on_chain(channel) == (8 * PRICE, PRICE)


def test_claims_are_relayed_under_their_own_authorizers_signature_only(lab):
    hand = Hand(lab, lab.buyer())
    voucher = hand.voucher(PRICE)
    row = {
        "voucher": {"channel": voucher["channelConfig"], "maxClaimableAmount": str(PRICE)},
        "signature": voucher["voucher"]["signature"],
        "totalClaimed": str(PRICE),
    }
    asked_for = "SELECT count(*) FROM txm.intent WHERE kind = 'x402_claim'"
    before = lab.world.one(asked_for)
    told = post(lab, "settle", hand, {"type": "claim", "claims": [row]})
    assert (told["success"], told["errorReason"]) == (False, "invalid_batch_settlement_evm_authorizer_not_configured")
    signed = {"type": "claim", "claims": [row], "claimAuthorizerSignature": "0x" + "11" * 65}
    told = post(lab, "settle", hand, signed)
    assert (told["success"], told["errorReason"]) == (
        False,
        "invalid_batch_settlement_evm_receiver_authorizer_mismatch",
    )
    assert lab.world.one(asked_for) == before


def test_discovery_lists_what_can_be_bought(lab):
    url = lab.endpoint("discovered", description="Finds things.")
    page = httpx.get(f"{lab.url}/x402/discovery/resources", params={"limit": 100}).json()
    assert page["x402Version"] == 2
    item = next(item for item in page["items"] if item["resource"] == url)
    assert item["type"] == "http"
    assert [way["scheme"] for way in item["accepts"]] == ["batch-settlement", "exact"]
    assert item["metadata"]["description"] == "Finds things."
    assert "upstream" not in str(page)
    assert page["pagination"]["total"] == len(page["items"])
    lab.endpoint("discovered", active=False)
    page = httpx.get(f"{lab.url}/x402/discovery/resources", params={"limit": 100}).json()
    assert url not in {item["resource"] for item in page["items"]}
    assert httpx.get(url).status_code == 404
