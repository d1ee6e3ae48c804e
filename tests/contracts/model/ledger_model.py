"""The pull ledger and the stop of new money, as ILedger and IGuardedInflow describe them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.contracts.model.node import Event
from tests.contracts.model.outcome import TOKEN_REFUSED, ZERO, Checks, Tx
from tests.contracts.model.token_model import TokenModel
from tests.contracts.model.typed import Domain, Sig

WITHDRAWAL = "Withdrawal(address account,address to,uint96 amount,uint256 nonce,uint40 validUntil)"


@dataclass(slots=True)
class LedgerModel:
    """Balances that wait for their owners in the contract at `address`."""

    address: str
    token: TokenModel
    domain: Domain
    guardian: str
    admin: str
    balances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    withdrawal_nonces: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    inflows_paused: bool = False

    def withdraw(self, tx: Tx, amount: int) -> list[Event]:
        """Pay the caller."""
        return self._pay(Checks(), tx.sender, tx.sender, amount)

    def withdrawTo(self, tx: Tx, to: str, amount: int) -> list[Event]:
        """Pay somebody the caller names."""
        return self._pay(Checks(), tx.sender, to, amount)

    def withdrawWithSignature(
        self, tx: Tx, account: str, to: str, amount: int, valid_until: int, sig: Sig
    ) -> list[Event]:
        """Pay by the account's signature, once."""
        checks = Checks()
        nonce = self.withdrawal_nonces[account]
        checks.refuse(tx.now > valid_until, "Ledger_SignatureExpired", valid_until)
        digest = self.domain.digest(WITHDRAWAL, account, to, amount, nonce, valid_until)
        checks.refuse(not sig.by(account, digest), "Ledger_InvalidSignature", account)
        events = self._pay(checks, account, to, amount)
        self.withdrawal_nonces[account] = nonce + 1
        return events

    def _pay(self, checks: Checks, account: str, to: str, amount: int) -> list[Event]:
        have = self.balances[account]
        checks.refuse(amount == 0, "Ledger_AmountZero")
        checks.refuse(to == ZERO, "Ledger_ZeroAddress")
        checks.refuse(have < amount, "Ledger_InsufficientBalance", account, have, amount)
        checks.refuse(not self.token.moves(self.address, to, amount), TOKEN_REFUSED)
        checks.done()
        self.balances[account] -= amount
        self.token.move(self.address, to, amount)
        return [Event("Withdrawn", {"account": account, "to": to, "amount": amount})]

    def pauseInflows(self, tx: Tx) -> list[Event]:
        """Stop new money."""
        checks = Checks()
        checks.refuse(tx.sender != self.guardian, "Guarded_CallerNotGuardian", tx.sender)
        checks.done()
        self.inflows_paused = True
        return [Event("InflowsPaused", {"by": tx.sender})]

    def unpauseInflows(self, tx: Tx) -> list[Event]:
        """Let it in again."""
        checks = Checks()
        checks.refuse(tx.sender not in {self.guardian, self.admin}, "Guarded_CallerNotGuardian", tx.sender)
        checks.done()
        self.inflows_paused = False
        return [Event("InflowsUnpaused", {"by": tx.sender})]
