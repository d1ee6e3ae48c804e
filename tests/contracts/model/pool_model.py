"""Pools: one deposit for any number of receivers, bound to payer, payer authorizer and operator. The whole channel."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi import encode
from eth_utils import keccak

from tests.contracts.model import channel_types as types
from tests.contracts.model.channel_model import ChannelModel
from tests.contracts.model.channel_types import PoolDeal, PoolKey
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import TOKEN_REFUSED, ZERO, Checks, Tx
from tests.contracts.model.typed import Sig


@dataclass(slots=True)
class PooledChannelModel(ChannelModel):
    """Everything the payment channel does."""

    # Deposits -------------------------------------------------------------------------------------------------------

    def _inflow(self, key: PoolKey, amount: int) -> Checks:
        checks = Checks()
        checks.refuse(amount == 0, "PoolAmountZero", self.pool_id(key))
        checks.refuse(key[2] == ZERO, "InvalidChannel")
        checks.refuse(self.inflows_paused, "Guarded_InflowsPaused")
        return checks

    def _deposited(self, key: PoolKey, amount: int) -> list[Event]:
        pool = self.pool(key)
        pool.balance += amount
        parties = {"payer": key[0], "payerAuthorizer": key[1], "operator": key[2]}
        return [
            Event("PoolDeposited", {"poolId": self.pool_id(key), **parties, "amount": amount, "balance": pool.balance})
        ]

    def depositPool(self, tx: Tx, authorizer: str, operator: str, amount: int) -> list[Event]:
        """From the caller's wallet into his own pool."""
        key = (tx.sender, authorizer, operator)
        checks = self._inflow(key, amount)
        self.token.check_pull(checks, tx.sender, self.address, amount)
        checks.done()
        self.token.pull(tx.sender, self.address, amount)
        return self._deposited(key, amount)

    def depositPoolWithAuthorization(
        self,
        tx: Tx,
        payer: str,
        authorizer: str,
        operator: str,
        amount: int,
        after: int,
        before: int,
        salt: int,
        sig: Sig,
    ) -> list[Event]:
        """By the payer's ERC-3009 signature, which names the pool."""
        key = (payer, authorizer, operator)
        checks = self._inflow(key, amount)
        nonce = keccak(encode(["bytes32", "uint256"], [self.pool_id(key), salt]))
        self.token.check_receive(checks, tx, payer, self.address, amount, (after, before), nonce, sig)
        checks.done()
        self.token.receive(payer, self.address, amount, nonce)
        return self._deposited(key, amount)

    def depositPoolWithPermit(
        self, tx: Tx, authorizer: str, operator: str, amount: int, deadline: int, sig: Sig
    ) -> list[Event]:
        """From the caller's wallet, after his permit of exactly the amount was tried."""
        key = (tx.sender, authorizer, operator)
        checks = self._inflow(key, amount)
        self.token.try_permit(tx, tx.sender, self.address, amount, deadline, sig)
        self.token.check_pull(checks, tx.sender, self.address, amount)
        checks.done()
        self.token.pull(tx.sender, self.address, amount)
        return self._deposited(key, amount)

    # The way back ---------------------------------------------------------------------------------------------------

    def initiatePoolWithdraw(self, tx: Tx, authorizer: str, operator: str, amount: int) -> list[Event]:
        """The payer asks for his pool."""
        return self._initiate(Checks(), tx, (tx.sender, authorizer, operator), amount)

    def initiatePoolWithdrawWithSignature(
        self, tx: Tx, payer: str, authorizer: str, operator: str, amount: int, nonce: int, valid_until: int, sig: Sig
    ) -> list[Event]:
        """By his signature."""
        key = (payer, authorizer, operator)
        values = (self.pool_id(key), amount, False, nonce, valid_until)
        checks = self._signed(tx, key, payer, valid_until, nonce, sig, types.POOL_WITHDRAW, values)
        return self._initiate(checks, tx, key, amount)

    def _signed(
        self,
        tx: Tx,
        key: PoolKey,
        signer: str,
        valid_until: int,
        nonce: int,
        sig: Sig,
        kind: str,
        values: tuple[object, ...],
    ) -> Checks:
        checks, pool = Checks(), self.pool(key)
        checks.refuse(tx.now > valid_until, "AuthorizationExpired", valid_until)
        checks.refuse(nonce != pool.nonce, "PoolNonceMismatch", self.pool_id(key), pool.nonce, nonce)
        checks.refuse(not sig.by(signer, self.domain.digest(kind, *values)), "InvalidSignature")
        return checks

    def _initiate(self, checks: Checks, tx: Tx, key: PoolKey, amount: int) -> list[Event]:
        pool = self.pool(key)
        checks.refuse(amount == 0, "PoolAmountZero", self.pool_id(key))
        pending = pool.finalize_at > 0
        checks.refuse(pending, "PoolWithdrawalAlreadyPending", self.pool_id(key), pool.finalize_at)
        checks.done()
        pool.asked, pool.finalize_at, pool.nonce = amount, tx.now + types.POOL_DELAY, pool.nonce + 1
        values = {"poolId": self.pool_id(key), "amount": amount, "finalizeAt": pool.finalize_at, "nonce": pool.nonce}
        return [Event("PoolWithdrawInitiated", values)]

    def cancelPoolWithdraw(self, tx: Tx, authorizer: str, operator: str) -> list[Event]:
        """The payer takes his request back."""
        return self._cancel(Checks(), (tx.sender, authorizer, operator))

    def cancelPoolWithdrawWithSignature(
        self, tx: Tx, payer: str, authorizer: str, operator: str, nonce: int, valid_until: int, sig: Sig
    ) -> list[Event]:
        """By his signature."""
        key = (payer, authorizer, operator)
        values = (self.pool_id(key), 0, True, nonce, valid_until)
        return self._cancel(self._signed(tx, key, payer, valid_until, nonce, sig, types.POOL_WITHDRAW, values), key)

    def _pending(self, checks: Checks, key: PoolKey) -> PoolDeal:
        pool = self.pool(key)
        checks.refuse(pool.finalize_at == 0, "PoolWithdrawalNotPending", self.pool_id(key))
        return pool

    def _cancel(self, checks: Checks, key: PoolKey) -> list[Event]:
        pool = self._pending(checks, key)
        checks.done()
        amount, pool.nonce = pool.asked, pool.nonce + 1
        pool.asked = pool.finalize_at = 0
        values = {"poolId": self.pool_id(key), "amount": amount, "nonce": pool.nonce}
        return [Event("PoolWithdrawCancelled", values)]

    def finalizePoolWithdraw(self, tx: Tx, payer: str, authorizer: str, operator: str) -> list[Event]:
        """Anyone, when the delay has passed; the money goes to the payer."""
        key, checks = (payer, authorizer, operator), Checks()
        pool = self._pending(checks, key)
        early = tx.now < pool.finalize_at
        checks.refuse(early, "PoolWithdrawDelayNotElapsed", self.pool_id(key), pool.finalize_at)
        paid = min(pool.asked, pool.balance)
        checks.refuse(paid > 0 and not self.token.moves(self.address, payer, paid), TOKEN_REFUSED)
        checks.done()
        pool.balance, pool.nonce = pool.balance - paid, pool.nonce + 1
        pool.asked = pool.finalize_at = 0
        self.token.move(self.address, payer, paid)
        values = {"poolId": self.pool_id(key), "amount": paid, "balance": pool.balance, "nonce": pool.nonce}
        return [Event("PoolWithdrawFinalized", values)]

    def releasePool(self, tx: Tx, payer: str, authorizer: str, operator: str, nonce: int) -> list[Event]:
        """The operator shortens the wait, and never pays at once."""
        key, checks = (payer, authorizer, operator), Checks()
        current = self.pool(key).nonce
        checks.refuse(tx.sender != operator, "NotPoolOperator", self.pool_id(key), tx.sender)
        checks.refuse(nonce != current, "PoolNonceMismatch", self.pool_id(key), current, nonce)
        return self._release(checks, tx, key)

    def releasePoolWithSignature(
        self, tx: Tx, payer: str, authorizer: str, operator: str, nonce: int, valid_until: int, sig: Sig
    ) -> list[Event]:
        """By his signature."""
        key = (payer, authorizer, operator)
        values = (self.pool_id(key), nonce, valid_until)
        checks = self._signed(tx, key, operator, valid_until, nonce, sig, types.POOL_RELEASE, values)
        return self._release(checks, tx, key)

    def _release(self, checks: Checks, tx: Tx, key: PoolKey) -> list[Event]:
        pool = self._pending(checks, key)
        checks.done()
        pool.finalize_at = min(pool.finalize_at, tx.now + types.RELEASE_DELAY)
        values = {"poolId": self.pool_id(key), "finalizeAt": pool.finalize_at, "nonce": pool.nonce}
        return [Event("PoolReleased", values)]

    # Guard ----------------------------------------------------------------------------------------------------------

    def pauseInflows(self, tx: Tx) -> list[Event]:
        """Stop new money."""
        return self._guard(tx, "InflowsPaused", paused=True)

    def unpauseInflows(self, tx: Tx) -> list[Event]:
        """Let it in again; this contract has no admin."""
        return self._guard(tx, "InflowsUnpaused", paused=False)

    def _guard(self, tx: Tx, name: str, *, paused: bool) -> list[Event]:
        checks = Checks()
        checks.refuse(tx.sender != self.guardian, "Guarded_CallerNotGuardian", tx.sender)
        checks.done()
        self.inflows_paused = paused
        return [Event(name, {"by": tx.sender})]
