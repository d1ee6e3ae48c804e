"""Stakes, locks, slashes, the bonus pool and the records, by the outcome table of
`docs/operations/Reputation.md`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import IntEnum

from eth_abi import encode
from eth_utils import keccak

from tests.contracts.model.ledger_model import LedgerModel
from tests.contracts.model.node import Event
from tests.contracts.model.outcome import TOKEN_REFUSED, Checks, Tx
from tests.contracts.model.typed import Sig

UNSTAKE = "Unstake(address agent,uint96 amount,uint256 nonce,uint40 validUntil)"


class Outcome(IntEnum):
    """How an escrow ended."""

    NONE, COMPLETED, SETTLED, RETURNED, MISSED, LOST, WON, TIE, STALLED, CANCELLED = range(10)


SEVERITY = {Outcome.RETURNED: 1_000, Outcome.MISSED: 5_000, Outcome.LOST: 10_000}
"""Basis points of the lock."""


def up(numerator: int, denominator: int) -> int:
    """Quotient, rounded up."""
    return -(-numerator // denominator)


def required_stake(amount: int) -> int:
    """20% of a price, rounded up."""
    return up(amount * 2_000, 10_000)


@dataclass(slots=True)
class Agent:
    """What is held and known of one agent."""

    staked: int = 0
    locked: int = 0
    unbond_at: int = 0
    request: int = 0
    nonce: int = 0
    completed: int = 0
    failed: int = 0
    disputed: int = 0
    lost: int = 0
    settled_value: int = 0
    last_outcome_at: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """An accepted escrow that closed."""

    agent: str
    client: str
    escrow_id: bytes
    amount: int
    released: int
    refunded: int
    fee: int
    outcome: Outcome


@dataclass(slots=True)
class ReputationModel(LedgerModel):
    """State of Reputation."""

    unbonding: int = 0
    bonus_pool: int = 0
    agents: dict[str, Agent] = field(default_factory=lambda: defaultdict(Agent))

    # Stake --------------------------------------------------------------------------------------------------------

    def stake(self, tx: Tx, amount: int) -> list[Event]:
        """Add to the caller's stake."""
        checks = self._inflow(amount)
        self.token.check_pull(checks, tx.sender, self.address, amount)
        checks.done()
        self.token.pull(tx.sender, self.address, amount)
        return self._staked(tx.sender, amount)

    def stakeWithAuthorization(
        self, tx: Tx, agent: str, amount: int, after: int, before: int, salt: int, sig: Sig
    ) -> list[Event]:
        """Add by the agent's ERC-3009 signature."""
        nonce = keccak(encode(["address", "uint256"], [agent, salt]))
        checks = self._inflow(amount)
        self.token.check_receive(checks, tx, agent, self.address, amount, (after, before), nonce, sig)
        checks.done()
        self.token.receive(agent, self.address, amount, nonce)
        return self._staked(agent, amount)

    def _inflow(self, amount: int) -> Checks:
        checks = Checks()
        checks.refuse(amount == 0, "Stake_AmountZero")
        checks.refuse(self.inflows_paused, "Guarded_InflowsPaused")
        return checks

    def _staked(self, agent: str, amount: int) -> list[Event]:
        self.agents[agent].staked += amount
        return [Event("Staked", {"agent": agent, "amount": amount, "staked": self.agents[agent].staked})]

    def fundBonusPool(self, tx: Tx, amount: int) -> list[Event]:
        """Give to the bonus pool."""
        checks = self._inflow(amount)
        self.token.check_pull(checks, tx.sender, self.address, amount)
        checks.done()
        self.token.pull(tx.sender, self.address, amount)
        self.bonus_pool += amount
        return [Event("BonusPoolFunded", {"from": tx.sender, "amount": amount})]

    def requestUnstake(self, tx: Tx, amount: int) -> list[Event]:
        """Ask for stake; a new request replaces an open one."""
        return self._request(Checks(), tx, tx.sender, amount)

    def requestUnstakeWithSignature(self, tx: Tx, agent: str, amount: int, valid_until: int, sig: Sig) -> list[Event]:
        """Ask by the agent's signature, once."""
        checks = Checks()
        checks.refuse(tx.now > valid_until, "Stake_SignatureExpired", valid_until)
        digest = self.domain.digest(UNSTAKE, agent, amount, self.agents[agent].nonce, valid_until)
        checks.refuse(not sig.by(agent, digest), "Stake_InvalidSignature", agent)
        events = self._request(checks, tx, agent, amount)
        self.agents[agent].nonce += 1
        return events

    def _request(self, checks: Checks, tx: Tx, account: str, amount: int) -> list[Event]:
        agent = self.agents[account]
        checks.refuse(amount == 0, "Stake_AmountZero")
        checks.refuse(amount > agent.staked, "Stake_Insufficient")
        checks.done()
        agent.request, agent.unbond_at = amount, tx.now + self.unbonding
        return [Event("UnstakeRequested", {"agent": account, "amount": amount, "unbondAt": agent.unbond_at})]

    def completeUnstake(self, tx: Tx, account: str) -> list[Event]:
        """Pay a request, as far as nothing binds it, and end it."""
        checks = Checks()
        agent = self.agents[account]
        paid = min(agent.request, agent.staked - agent.locked)
        checks.refuse(agent.unbond_at == 0, "Stake_NotRequested", account)
        checks.refuse(tx.now < agent.unbond_at, "Stake_Unbonding", agent.unbond_at)
        checks.refuse(paid == 0, "Stake_Insufficient")
        checks.refuse(not self.token.moves(self.address, account, paid), TOKEN_REFUSED)
        checks.done()
        agent.staked -= paid
        agent.request = agent.unbond_at = 0
        self.token.move(self.address, account, paid)
        return [Event("Unstaked", {"agent": account, "amount": paid})]

    # What Escrow reports --------------------------------------------------------------------------------------------

    def check_lock(self, checks: Checks, account: str, amount: int) -> None:
        """What an acceptance requires; unbonding stake counts as free."""
        agent = self.agents[account]
        free, need = agent.staked - agent.locked, required_stake(amount)
        checks.refuse(free < need, "Stake_Insufficient", account, free, need)

    def lock(self, account: str, escrow_id: bytes, amount: int) -> list[Event]:
        """Bind the stake of an escrow."""
        self.agents[account].locked += required_stake(amount)
        return [Event("StakeLocked", {"agent": account, "escrowId": escrow_id, "amount": required_stake(amount)})]

    def settle(self, tx: Tx, end: End) -> list[Event]:
        """The end of an accepted escrow: slash or unlock, bonus, record."""
        agent, lock = self.agents[end.agent], required_stake(end.amount)
        severity = SEVERITY.get(end.outcome, 0)
        slash = up(lock * severity * end.refunded, end.amount * 10_000)
        about = {"agent": end.agent, "escrowId": end.escrow_id}
        agent.locked -= lock
        if severity:
            to_client = min(slash, lock // 2) if end.outcome == Outcome.LOST else slash
            agent.staked -= slash
            self.balances[end.client] += to_client
            self.bonus_pool += slash - to_client
            parts = {"toClient": to_client, "toPool": slash - to_client}
            events = [Event("StakeSlashed", {**about, "amount": slash, **parts})]
        else:
            events = [Event("StakeUnlocked", {**about, "amount": lock})]
            events += self._bonus(end, lock) if end.outcome == Outcome.COMPLETED else []
        self._record(tx, agent, end)
        value = {"outcome": int(end.outcome), "settledValue": end.released}
        return [*events, Event("OutcomeRecorded", {**about, **value})]

    def _bonus(self, end: End, lock: int) -> list[Event]:
        bonus = min(lock * 500 // 10_000, end.fee // 2, self.bonus_pool)
        self.bonus_pool -= bonus
        self.balances[end.agent] += bonus
        about = {"agent": end.agent, "escrowId": end.escrow_id, "amount": bonus}
        return [Event("BonusPaid", about)] if bonus else []

    def _record(self, tx: Tx, agent: Agent, end: End) -> None:
        agent.completed += end.outcome in {Outcome.COMPLETED, Outcome.WON}
        agent.failed += end.outcome in {Outcome.RETURNED, Outcome.MISSED}
        agent.disputed += end.outcome in {Outcome.LOST, Outcome.WON, Outcome.TIE, Outcome.STALLED}
        agent.lost += end.outcome == Outcome.LOST
        agent.settled_value += end.released
        agent.last_outcome_at = tx.now
