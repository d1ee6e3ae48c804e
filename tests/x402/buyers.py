"""The two official clients behind one interface: pay, ask for a refund, leave."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from eth_account import Account
from eth_account.signers.local import LocalAccount
from requests import Response, Session
from x402 import x402ClientSync
from x402.http.clients.requests import x402_requests
from x402.http.utils import decode_payment_required_header, decode_payment_response_header
from x402.mechanisms.evm.batch_settlement.client.config import BatchSettlementEvmSchemeOptions
from x402.mechanisms.evm.batch_settlement.client.refund import RefundOptions
from x402.mechanisms.evm.batch_settlement.client.scheme import BatchSettlementEvmScheme
from x402.mechanisms.evm.signers import EthAccountSigner, EthAccountSignerWithRPC

from tests.fixtures.services import CHAIN_ID, ROOT
from tests.x402.ground import NETWORK, PAYMENTS, PRICE, Ground

DEPOSIT = 2 * PAYMENTS * PRICE


class Buyer(Protocol):
    """What a client can do at one address of the shop."""

    def pay(self, times: int) -> list[str]:
        """Pay, and return the transactions of the deposits that took."""

    def refund(self, amount: int | None) -> bool:
        """Ask for unclaimed money back, all of it if no amount is given."""

    def initiate(self, amount: int) -> None:
        """Start the payer's own withdrawal."""

    def finalize(self) -> None:
        """Finish it."""


@dataclass(slots=True)
class PythonBuyer:
    """PyPI's client over `requests`."""

    ground: Ground
    account: LocalAccount
    url: str
    scheme: BatchSettlementEvmScheme
    session: Session

    def pay(self, times: int) -> list[str]:
        found = []
        for _ in range(times):
            response = self.session.get(self.url)
            assert response.status_code == 200, _reason(response)
            assert response.json() == {"answer": 42}
            found.append(decode_payment_response_header(response.headers["PAYMENT-RESPONSE"]).transaction)
        return [transaction for transaction in found if transaction]

    def refund(self, amount: int | None) -> bool:
        options = None if amount is None else RefundOptions(amount=str(amount))
        return bool(self.scheme.refund(self.url, options).success)

    def initiate(self, amount: int) -> None:
        self.ground.send(self.ground.channel.functions.initiateWithdraw(self._config(), amount), self.account)

    def finalize(self) -> None:
        self.ground.send(self.ground.channel.functions.finalizeWithdraw(self._config()), self.account)

    def _config(self) -> tuple[Any, ...]:
        required = decode_payment_required_header(Session().get(self.url).headers["PAYMENT-REQUIRED"])
        config = self.scheme.build_channel_config(required.accepts[0])
        return (
            *(config.payer, config.payer_authorizer, config.receiver, config.receiver_authorizer, config.token),
            *(config.withdraw_delay, bytes.fromhex(config.salt[2:])),
        )


@dataclass(slots=True)
class TypeScriptBuyer:
    """npm's client in a process of its own; see `buyer.mjs`."""

    process: subprocess.Popen[str]

    def pay(self, times: int) -> list[str]:
        return list(self._ask({"pay": times}))

    def refund(self, amount: int | None) -> bool:
        return bool(self._ask({"refund": None if amount is None else str(amount)}))

    def initiate(self, amount: int) -> None:
        assert self._ask({"initiate": str(amount)}) == "success"

    def finalize(self) -> None:
        assert self._ask({"finalize": True}) == "success"

    def _ask(self, command: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return answer["result"]


def _reason(response: Response) -> Any:
    """Return what a refusal says."""
    if "PAYMENT-RESPONSE" in response.headers:
        return decode_payment_response_header(response.headers["PAYMENT-RESPONSE"])
    return decode_payment_required_header(response.headers["PAYMENT-REQUIRED"]).error


@contextmanager
def python_buyer(ground: Ground, account: LocalAccount, url: str) -> Iterator[PythonBuyer]:
    """The official client with the one setting it needs for a token it does not know, and a session key."""
    session_key = Account.create()
    options = BatchSettlementEvmSchemeOptions(
        payer_authorizer=session_key.address, voucher_signer=EthAccountSigner(session_key)
    )
    scheme = BatchSettlementEvmScheme(EthAccountSignerWithRPC(account, ground.chain.url), options)
    client = x402ClientSync().register(NETWORK, scheme)
    asset = {"network": NETWORK, "asset": ground.usdc.address, "max_amount_per_payment": str(DEPOSIT)}
    client.set_spend_controls({"allowed_assets": [asset]})
    with x402_requests(client) as session:
        yield PythonBuyer(ground, account, url, scheme, session)


@contextmanager
def typescript_buyer(ground: Ground, account: LocalAccount, url: str) -> Iterator[TypeScriptBuyer]:
    """The same by npm's package."""
    settings = {
        "rpc": ground.chain.url,
        "chainId": CHAIN_ID,
        "token": ground.usdc.address,
        "cap": str(DEPOSIT),
        "key": account.key.to_0x_hex(),
        "sessionKey": Account.create().key.to_0x_hex(),
        "url": url,
    }
    command = ["node", "tests/x402/buyer.mjs", json.dumps(settings)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield TypeScriptBuyer(process)
        process.terminate()
