"""A client made by hand, which can also do what no honest one does."""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_account.signers.local import LocalAccount

from aicp.abi.runtime import Domain, TypedMessage
from aicp.abi.signing import sign
from aicp.abi.typed_data import ChannelConfig, ReceiveWithAuthorization, TransferWithAuthorization, Voucher
from aicp.rules.ids import channel_id
from aicp.rules.primitives import checksum, hex0x
from backend.x402.verify import deposit_nonce
from tests.x402.gateway.lab import Lab


def read(answer: httpx.Response, name: str = "PAYMENT-REQUIRED") -> dict[str, Any]:
    """Return the document in a header."""
    return dict(json.loads(base64.b64decode(answer.headers[name])))


def written(document: Any) -> str:
    """Return a document as a header value."""
    return base64.b64encode(json.dumps(document).encode()).decode()


@dataclass(slots=True)
class Hand:
    """One payer with one channel at one agent; `key` signs vouchers."""

    lab: Lab
    account: LocalAccount
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    receiver: bytes | None = None
    """Who is paid; our agent where unset."""

    @property
    def address(self) -> bytes:
        return bytes.fromhex(self.account.address[2:])

    @property
    def config(self) -> ChannelConfig:
        ctx = self.lab.ctx
        return ChannelConfig(
            payer=self.address, payer_authorizer=self.address,
            receiver=self.receiver or self.lab.agent.address,
            receiver_authorizer=ctx.operator.address, token=ctx.deployment.usdc,
            withdraw_delay=ctx.constants.channel_withdraw_delay_seconds, salt=self.salt,
        )  # fmt: skip

    @property
    def channel(self) -> bytes:
        return channel_id(self.config, self.lab.ctx.domains.channel)

    def signed(self, message: TypedMessage, domain: Domain) -> str:
        return hex0x(sign(message.digest(domain), bytes(self.account.key)))

    def voucher(self, ceiling: int, **changes: Any) -> dict[str, Any]:
        """Return the payload of a voucher."""
        message = Voucher(channel_id=self.channel, max_claimable_amount=ceiling)
        config = self.config
        return {
            "type": "voucher",
            "channelConfig": {
                "payer": checksum(config.payer), "payerAuthorizer": checksum(config.payer_authorizer),
                "receiver": checksum(config.receiver), "receiverAuthorizer": checksum(config.receiver_authorizer),
                "token": checksum(config.token), "withdrawDelay": config.withdraw_delay, "salt": hex0x(config.salt),
            },
            "voucher": {
                "channelId": hex0x(self.channel), "maxClaimableAmount": str(ceiling),
                "signature": self.signed(message, self.lab.ctx.domains.channel),
            },
        } | changes  # fmt: skip

    def deposit(self, ceiling: int, units: int) -> dict[str, Any]:
        """Return the payload of a deposit with its voucher."""
        salt, ctx = secrets.token_bytes(32), self.lab.ctx
        message = ReceiveWithAuthorization(
            from_=self.address, to=ctx.deployment.erc3009_collector, value=units, valid_after=0,
            valid_before=ctx.now() + 600, nonce=deposit_nonce(self.channel, salt),
        )  # fmt: skip
        authorization = {
            "validAfter": "0", "validBefore": str(message.valid_before), "salt": hex0x(salt),
            "signature": self.signed(message, ctx.domains.token),
        }  # fmt: skip
        money = {"amount": str(units), "authorization": {"erc3009Authorization": authorization}}
        return self.voucher(ceiling, type="deposit", deposit=money)

    def transfer(self, units: int, *, valid_for: int = 300, **changes: Any) -> dict[str, Any]:
        """Return the payload of an exact payment."""
        ctx = self.lab.ctx
        fields = {
            "from_": self.address, "to": self.lab.agent.address, "value": units, "valid_after": 0,
            "valid_before": ctx.now() + valid_for, "nonce": secrets.token_bytes(32),
        } | changes  # fmt: skip
        message = TransferWithAuthorization(**fields)
        authorization = {
            "from": checksum(message.from_), "to": checksum(message.to), "value": str(message.value),
            "validAfter": str(message.valid_after), "validBefore": str(message.valid_before),
            "nonce": hex0x(message.nonce),
        }  # fmt: skip
        return {"signature": self.signed(message, ctx.domains.token), "authorization": authorization}

    def header(self, url: str, payload: dict[str, Any], scheme: str = "batch-settlement", **more: Any) -> str:
        """Return the PAYMENT-SIGNATURE for a payload at an endpoint."""
        required = read(httpx.get(url, timeout=30))
        accepted = next(way for way in required["accepts"] if way["scheme"] == scheme)
        return written({"x402Version": 2, "accepted": accepted, "payload": payload} | more)

    def pay(self, url: str, payload: dict[str, Any], scheme: str = "batch-settlement", **more: Any) -> httpx.Response:
        """Send one paid request."""
        method, body = more.pop("method", "GET"), more.pop("body", None)
        headers = {"PAYMENT-SIGNATURE": self.header(url.partition("?")[0], payload, scheme, **more)}
        return httpx.request(method, url, headers=headers, content=body, timeout=30)

    def named(self, name: str) -> dict[str, Any]:
        """Return the extensions of a payment with an identifier."""
        return {"payment-identifier": {"info": {"required": False, "id": name}, "schema": {}}}
