"""A browser wallet for tests: EIP-1193 provider announced by EIP-6963, whose keys are real and live in Python.

The page talks to it exactly as to MetaMask. Signing needs the test's consent: every request for a signature is logged,
and `reject_next(method)` makes the next one a user rejection (4001).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from playwright.sync_api import BrowserContext

ASKS_CONSENT = frozenset(
    {"personal_sign", "eth_signTypedData_v4", "eth_sendTransaction", "wallet_requestPermissions", "eth_requestAccounts"}
)

PROVIDER_SCRIPT = """
(() => {
  const listeners = new Map();
  const emit = (event, data) => (listeners.get(event) ?? []).forEach((fn) => fn(data));
  const provider = {
    request: async ({ method, params }) => {
      const answer = JSON.parse(await window.__walletRequest(JSON.stringify({ method, params: params ?? [] })));
      for (const [event, data] of answer.events) emit(event, data);
      if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error);
      return answer.result;
    },
    on: (event, fn) => { listeners.set(event, [...(listeners.get(event) ?? []), fn]); return provider; },
    removeListener: (event, fn) => {
      listeners.set(event, (listeners.get(event) ?? []).filter((known) => known !== fn));
      return provider;
    },
  };
  const info = Object.freeze({
    uuid: "350670db-19fa-4704-a166-e52e178b59d2",
    name: "Test Wallet",
    icon: "data:image/svg+xml," + encodeURIComponent(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 9 9'><path fill='teal' d='M0 0h9v9H0z'/></svg>"),
    rdns: "test.aicp.wallet",
  });
  const announce = () =>
    window.dispatchEvent(new CustomEvent("eip6963:announceProvider", { detail: Object.freeze({ info, provider }) }));
  window.addEventListener("eip6963:requestProvider", announce);
  announce();
})();
"""


class RpcFailure(Exception):
    """An EIP-1193 error the page will see."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data


@dataclass
class Wallet:
    """One account. `chain_id` is the wallet's current network; it knows only the networks in `rpcs`."""

    key: str
    chain_id: int = 1
    rpcs: dict[int, str] = field(default_factory=dict)
    connected: bool = False
    log: list[tuple[str, Any]] = field(default_factory=list)
    _rejections: list[str] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The account's EIP-55 address."""
        return str(Account.from_key(self.key).address)

    def install(self, context: BrowserContext) -> None:
        """Announce the wallet in every page of the context."""
        context.expose_function("__walletRequest", self._answer)
        context.add_init_script(PROVIDER_SCRIPT)

    def reject_next(self, method: str) -> None:
        """Refuse the next request of this method as a user would (4001)."""
        self._rejections.append(method)

    def asked(self, method: str) -> int:
        """How often the page asked for this method."""
        return sum(1 for name, _ in self.log if name == method)

    @property
    def prompts(self) -> int:
        """How many requests a person would have had to confirm so far."""
        return sum(1 for name, _ in self.log if name in ASKS_CONSENT)

    def _answer(self, text: str) -> str:
        request = json.loads(text)
        events: list[tuple[str, Any]] = []
        try:
            result = self._handle(request["method"], request["params"], events)
        except RpcFailure as failure:
            error = {"code": failure.code, "message": failure.message, "data": failure.data}
            return json.dumps({"error": error, "events": events})
        return json.dumps({"result": result, "events": events})

    def _handle(self, method: str, params: list[Any], events: list[tuple[str, Any]]) -> Any:
        self.log.append((method, params))
        if method in self._rejections:
            self._rejections.remove(method)
            raise RpcFailure(4001, "User rejected the request.")
        match method:
            case "eth_chainId":
                return hex(self.chain_id)
            case "net_version":
                return str(self.chain_id)
            case "eth_accounts":
                return [self.address] if self.connected else []
            case "eth_requestAccounts":
                self._connect(events)
                return [self.address]
            case "wallet_requestPermissions":
                self._connect(events)
                return [self._permission()]
            case "wallet_getPermissions":
                return [self._permission()] if self.connected else []
            case "wallet_revokePermissions":
                self.connected = False
                events.append(("accountsChanged", []))
                return None
            case "wallet_switchEthereumChain":
                return self._switch(int(params[0]["chainId"], 16), events)
            case "wallet_addEthereumChain":
                chain_id = int(params[0]["chainId"], 16)
                self.rpcs[chain_id] = params[0]["rpcUrls"][0]
                return self._switch(chain_id, events)
            case "personal_sign":
                return self._sign(encode_defunct(hexstr=params[0]))
            case "eth_signTypedData_v4":
                return self._sign_typed(json.loads(params[1]))
            case "eth_sendTransaction":
                return self._send(params[0])
            case _:
                return self._rpc(method, params)

    def _permission(self) -> dict[str, Any]:
        caveat = {"type": "restrictReturnedAccounts", "value": [self.address]}
        return {"parentCapability": "eth_accounts", "caveats": [caveat]}

    def _connect(self, events: list[tuple[str, Any]]) -> None:
        self.connected = True
        events.append(("accountsChanged", [self.address]))

    def _switch(self, chain_id: int, events: list[tuple[str, Any]]) -> None:
        if chain_id not in self.rpcs:
            raise RpcFailure(4902, f"Unrecognized chain ID {hex(chain_id)}.")
        self.chain_id = chain_id
        events.append(("chainChanged", hex(chain_id)))

    def _sign(self, message: Any) -> str:
        return "0x" + Account.sign_message(message, self.key).signature.hex().removeprefix("0x")

    def _sign_typed(self, data: dict[str, Any]) -> str:
        chain_id = data["domain"].get("chainId")
        if chain_id is not None and int(chain_id) != self.chain_id:
            raise RpcFailure(-32603, f"Provided chainId {chain_id} must match the active chainId {self.chain_id}")
        return self._sign(encode_typed_data(full_message=data))

    def _send(self, transaction: dict[str, Any]) -> str:
        call = {key: transaction[key] for key in ("to", "data", "value") if key in transaction}
        gas = transaction.get("gas") or self._rpc("eth_estimateGas", [{"from": self.address, **call}])
        signed = Account.sign_transaction(
            {
                "chainId": self.chain_id,
                "nonce": int(self._rpc("eth_getTransactionCount", [self.address, "pending"]), 16),
                "gas": int(gas, 16),
                "maxFeePerGas": int(self._rpc("eth_gasPrice", []), 16) * 2,
                "maxPriorityFeePerGas": 1_000_000_000,
                "to": transaction["to"],
                "value": int(transaction.get("value", "0x0"), 16),
                "data": transaction.get("data", "0x"),
            },
            self.key,
        )
        return str(self._rpc("eth_sendRawTransaction", ["0x" + signed.raw_transaction.hex().removeprefix("0x")]))

    def _rpc(self, method: str, params: list[Any]) -> Any:
        if self.chain_id not in self.rpcs:
            raise RpcFailure(-32603, "no connection to this network")
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = httpx.post(self.rpcs[self.chain_id], json=body, timeout=10).json()
        if "error" in answer:
            raise RpcFailure(answer["error"]["code"], answer["error"]["message"], answer["error"].get("data"))
        return answer["result"]
