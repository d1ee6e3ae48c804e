"""USDC as its users know it: balances, allowances, a pause, a blacklist, EIP-2612 and ERC-3009."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from tests.contracts.model.outcome import TOKEN_REFUSED, Checks, Tx
from tests.contracts.model.typed import Domain, Sig

RECEIVE = (
    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,"
    "bytes32 nonce)"
)
PERMIT = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
ENDLESS = 2**256 - 1


@dataclass(slots=True)
class TokenModel:
    """State of the token. Every refusal of the token is one error, `token`: which one is its own affair."""

    domain: Domain
    owner: str
    balances: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    allowances: dict[tuple[str, str], int] = field(default_factory=lambda: defaultdict(int))
    nonces: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    used: set[tuple[str, bytes]] = field(default_factory=set)
    blacklisted: set[str] = field(default_factory=set)
    paused: bool = False

    def moves(self, sender: str, to: str, amount: int) -> bool:
        """True if a transfer would go through."""
        return not (self.paused or {sender, to} & self.blacklisted or self.balances[sender] < amount)

    def move(self, sender: str, to: str, amount: int) -> None:
        """Move tokens of a transfer that was checked."""
        self.balances[sender] -= amount
        self.balances[to] += amount

    def check_pull(self, checks: Checks, owner: str, spender: str, amount: int) -> None:
        """What `transferFrom` by `spender` to itself requires."""
        allowed = self.allowances[owner, spender]
        checks.refuse(allowed < amount or not self.moves(owner, spender, amount), TOKEN_REFUSED)

    def pull(self, owner: str, spender: str, amount: int) -> None:
        """`transferFrom` by `spender` to itself."""
        if self.allowances[owner, spender] != ENDLESS:
            self.allowances[owner, spender] -= amount
        self.move(owner, spender, amount)

    def receive_digest(self, owner: str, to: str, value: int, after: int, before: int, nonce: bytes) -> bytes:
        """Digest of an ERC-3009 authorization."""
        return self.domain.digest(RECEIVE, owner, to, value, after, before, nonce)

    def check_receive(
        self, checks: Checks, tx: Tx, owner: str, to: str, value: int, window: tuple[int, int], nonce: bytes, sig: Sig
    ) -> None:
        """What `receiveWithAuthorization` requires."""
        after, before = window
        good = after < tx.now < before and (owner, nonce) not in self.used and self.moves(owner, to, value)
        good = good and sig.by(owner, self.receive_digest(owner, to, value, after, before, nonce))
        checks.refuse(not good, TOKEN_REFUSED)

    def receive(self, owner: str, to: str, value: int, nonce: bytes) -> None:
        """`receiveWithAuthorization` that was checked."""
        self.used.add((owner, nonce))
        self.move(owner, to, value)

    def permit_digest(self, owner: str, spender: str, value: int, deadline: int) -> bytes:
        """Digest of a permit with the owner's next nonce."""
        return self.domain.digest(PERMIT, owner, spender, value, self.nonces[owner], deadline)

    def try_permit(self, tx: Tx, owner: str, spender: str, value: int, deadline: int, sig: Sig) -> None:
        """A permit that may fail without harm."""
        if tx.now <= deadline and sig.by(owner, self.permit_digest(owner, spender, value, deadline)):
            self.nonces[owner] += 1
            self.allowances[owner, spender] = value

    # Calls --------------------------------------------------------------------------------------------------------

    def pause(self, tx: Tx) -> None:
        """Stop all movements."""
        self._set_paused(tx, value=True)

    def unpause(self, tx: Tx) -> None:
        """Allow them again."""
        self._set_paused(tx, value=False)

    def _set_paused(self, tx: Tx, *, value: bool) -> None:
        assert tx.sender == self.owner
        self.paused = value

    def blacklist(self, tx: Tx, account: str) -> None:
        """Stop an account."""
        assert tx.sender == self.owner
        self.blacklisted.add(account)

    def unBlacklist(self, tx: Tx, account: str) -> None:
        """Let it move again."""
        assert tx.sender == self.owner
        self.blacklisted.discard(account)

    def approve(self, tx: Tx, spender: str, amount: int) -> None:
        """Set an allowance."""
        self.allowances[tx.sender, spender] = amount

    def faucet(self, tx: Tx, account: str, amount: int) -> None:
        """Test money for anybody; here always within the cap."""
        checks = Checks()
        checks.refuse(self.paused or account in self.blacklisted, TOKEN_REFUSED)
        checks.done()
        self.balances[account] += amount
