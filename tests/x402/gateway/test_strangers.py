"""What strangers have relayed: never at the cost of somebody else's allowance, never for nothing, never without end."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount

from aicp.abi.signing import sign
from aicp.abi.typed_data import ChannelConfig, ChannelRefund, ClaimBatch, ClaimEntry, TypedMessage, Voucher
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x
from backend.api.limits import RateLimits
from backend.domain.gas import counted_gas
from tests.x402.gateway.hand import Hand
from tests.x402.gateway.lab import PRICE, Lab
from tests.x402.gateway.test_facilitator import post


@dataclass(frozen=True, slots=True)
class Stranger:
    """A server nobody knows: its key authorizes claims and refunds of channels it makes up."""

    lab: Lab
    key: LocalAccount

    def signed(self, message: TypedMessage) -> str:
        return hex0x(sign(message.digest(self.lab.ctx.domains.channel), bytes(self.key.key)))

    def config(self, payer: bytes, receiver: bytes) -> ChannelConfig:
        own = bytes.fromhex(self.key.address[2:])
        return ChannelConfig(
            payer=payer, payer_authorizer=own, receiver=receiver, receiver_authorizer=own,
            token=self.lab.ctx.deployment.usdc, withdraw_delay=86_400, salt=secrets.token_bytes(32),
        )  # fmt: skip

    def voucher(self, config: ChannelConfig, ceiling: int) -> dict[str, Any]:
        """Return config and voucher as they are sent."""
        channel = channel_id(config, self.lab.ctx.domains.channel)
        message = Voucher(channel_id=channel, max_claimable_amount=ceiling)
        return {
            "channelConfig": {
                "payer": checksum(config.payer), "payerAuthorizer": checksum(config.payer_authorizer),
                "receiver": checksum(config.receiver), "receiverAuthorizer": checksum(config.receiver_authorizer),
                "token": checksum(config.token), "withdrawDelay": config.withdraw_delay, "salt": hex0x(config.salt),
            },
            "voucher": {
                "channelId": hex0x(channel), "maxClaimableAmount": str(ceiling), "signature": self.signed(message),
            },
        }  # fmt: skip

    def refund(self, config: ChannelConfig, units: int) -> dict[str, Any]:
        """Return the payload of a refund, whether there is anything to refund or not."""
        given = self.voucher(config, 0)
        message = ChannelRefund(channel_id=bytes.fromhex(given["voucher"]["channelId"][2:]), nonce=0, amount=units)
        more = {"amount": str(units), "refundNonce": "0", "refundAuthorizerSignature": self.signed(message)}
        return {"type": "refund", **given, **more}

    def claim(self, config: ChannelConfig, total: int) -> dict[str, Any]:
        """Return the payload of a claim of one row."""
        given = self.voucher(config, max(total, 1))
        channel = bytes.fromhex(given["voucher"]["channelId"][2:])
        entry = ClaimEntry(channel_id=channel, max_claimable_amount=max(total, 1), total_claimed=total)
        row = {
            "voucher": {"channel": given["channelConfig"], "maxClaimableAmount": str(max(total, 1))},
            "signature": given["voucher"]["signature"], "totalClaimed": str(total),
        }  # fmt: skip
        signature = self.signed(ClaimBatch(claims=(entry,)))
        return {"type": "claim", "claims": [row], "claimAuthorizerSignature": signature}


def intents(lab: Lab) -> int:
    return int(lab.world.one("SELECT count(*) FROM txm.intent"))


def counted(lab: Lab, address: bytes) -> int:
    return int(lab.world.one("SELECT coalesce(sum(gas), 0) FROM app.relayed_gas WHERE address = :a", a=address))


def test_a_refund_of_a_channel_that_holds_nothing_is_not_relayed(lab):
    stranger, victim = Stranger(lab, Account.create()), lab.agent.address
    before = (intents(lab), counted(lab, victim))
    told = post(lab, "settle", Hand(lab, lab.buyer()), stranger.refund(stranger.config(victim, victim), 1))
    assert (told["success"], told["errorReason"]) == (False, "invalid_batch_settlement_evm_refund_no_balance")
    assert (intents(lab), counted(lab, victim)) == before


def test_a_claim_of_nothing_is_not_relayed(lab):
    stranger, victim = Stranger(lab, Account.create()), lab.agent.address
    before = (intents(lab), counted(lab, victim))
    told = post(lab, "settle", Hand(lab, lab.buyer()), stranger.claim(stranger.config(victim, victim), 0))
    assert (told["success"], told["errorReason"]) == (False, "invalid_batch_settlement_evm_claim_transaction_failed")
    assert (intents(lab), counted(lab, victim)) == before


def test_a_transfer_that_the_token_would_refuse_is_not_relayed(lab):
    poor = Hand(lab, Account.create())
    before = intents(lab)
    told = post(lab, "settle", poor, poor.transfer(PRICE), "exact")
    assert (told["success"], told["errorReason"]) == (False, "invalid_transaction_state")
    assert (intents(lab), counted(lab, poor.address)) == (before, 0)


def test_what_strangers_may_have_relayed_in_a_day_ends_and_sales_go_on(lab, monkeypatch):
    first, second = Hand(lab, lab.buyer()), Hand(lab, lab.buyer())
    lab.world.sql("DELETE FROM app.relayed_gas")  # of sales before this one
    monkeypatch.setattr(lab.ctx.settings, "facilitated_gas_per_day", counted_gas("x402_exact", None))
    with lab.keep_up():
        assert post(lab, "settle", first, first.transfer(PRICE), "exact")["success"]
        told = post(lab, "settle", second, second.transfer(PRICE), "exact")
        assert (told["success"], told["errorReason"]) == (False, "unexpected_settle_error")
        assert counted(lab, second.address) == 0
        url = lab.endpoint("sold-to-strangers")
        assert second.pay(url, second.transfer(PRICE), "exact").status_code == 200


def test_a_payment_that_is_refused_costs_its_sender_the_same_allowance_as_none(lab, monkeypatch):
    """Made-up keys sign whatever they like; each such payment asks the database and the node."""
    hand, url, counts = Hand(lab, Account.create()), lab.endpoint("refusing"), []
    real = RateLimits.request

    async def request(self: RateLimits, **who: Any) -> None:
        counts.append(who)
        await real(self, **who)

    for payload, scheme in ((hand.voucher(PRICE), "batch-settlement"), (hand.transfer(PRICE), "exact")):
        headers = {"PAYMENT-SIGNATURE": hand.header(url, payload, scheme)}
        with monkeypatch.context() as patch:
            patch.setattr(RateLimits, "request", request)
            assert httpx.get(url, headers=headers, timeout=30).status_code == 402
        assert len(counts) == 1, scheme
        counts.clear()
