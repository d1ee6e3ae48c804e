"""Escrow, Reputation, the token and two arbiters as one model, and their deployment on a chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from eth_account import Account

from tests.contracts.model.arbiter_model import SOLVED, ArbiterModel
from tests.contracts.model.escrow_disputes import EscrowWithDisputes
from tests.contracts.model.escrow_terms import Bounds, Status, Terms
from tests.contracts.model.machine import Ground, View
from tests.contracts.model.node import Contract, Event, Node
from tests.contracts.model.outcome import ANY, ZERO, Refused, Tx
from tests.contracts.model.reputation_model import ReputationModel
from tests.contracts.model.token_model import ENDLESS, TokenModel
from tests.contracts.model.typed import Domain, Keyring
from tests.fixtures.services import CHAIN_ID, MNEMONIC, Anvil

WALLET, LEDGER, POOL, FEE_BPS, ARBITER_FEE = 100_000, 5_000, 1_000, 250, 7
STAKES = {"p1": 20_000, "p2": 3_000}
ROLES = ("owner", "guardian", "treasury", "c1", "c2", "p1", "p2", "verifier", "stranger", "vault")


def keyring() -> tuple[list[str], Keyring]:
    """The accounts of the test mnemonic with their keys."""
    Account.enable_unaudited_hdwallet_features()
    keys = {}
    for index in range(10):
        account = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}")
        keys[account.address.lower()] = bytes(account.key)
    return list(keys), Keyring(keys)


def code_of(compiled: Any) -> tuple[bytes, list[dict[str, Any]]]:
    """Deployment code and ABI of a contract Ape compiled."""
    kind = compiled.contract_type
    return bytes.fromhex(kind.deployment_bytecode.bytecode.removeprefix("0x")), kind.model_dump(
        mode="json", by_alias=True
    )["abi"]


@dataclass(slots=True)
class EscrowSystem:
    """The models, who is who, and calls by name."""

    who: dict[str, str]
    token: TokenModel
    reputation: ReputationModel
    escrow: EscrowWithDisputes

    def call(self, contract: str, function: str, tx: Tx, arguments: tuple[Any, ...]) -> list[Event]:
        """Apply a call."""
        if contract in {"court", "evil"}:
            return list(getattr(self, f"_{function}")(tx, self.escrow.arbiters[self.who[contract]], *arguments))
        return getattr(getattr(self, contract), function)(tx, *arguments) or []

    # Arbiters -------------------------------------------------------------------------------------------------------

    def _giveRuling(self, tx: Tx, court: ArbiterModel, dispute_id: int, ruling: int) -> list[Event]:
        self._decide(tx, court, dispute_id, ruling)
        return self.escrow.rule(Tx(court.address, tx.now), dispute_id, ruling)

    def _decide(self, tx: Tx, court: ArbiterModel, dispute_id: int, ruling: int) -> list[Event]:
        assert tx.sender == self.who["owner"]
        court.cases[dispute_id] = [SOLVED, ruling]
        return []

    def _setFee(self, tx: Tx, arbiter: ArbiterModel, fee: int, taking: int = 0) -> list[Event]:
        arbiter.fee, arbiter.taking = fee, taking
        return []

    def _setViews(self, tx: Tx, evil: ArbiterModel, mode: int, duration: int, status: int, ruling: int) -> list[Event]:
        evil.mode, evil.duration, evil.status, evil.ruling = mode, duration, status, ruling
        return []

    def _setNextId(self, tx: Tx, evil: ArbiterModel, number: int) -> list[Event]:
        evil.next_id = number
        return []

    def _act(self, tx: Tx, evil: ArbiterModel, target: str, data: bytes) -> list[Event]:
        dispute_id, ruling = int.from_bytes(data[4:36], "big"), int.from_bytes(data[36:68], "big")
        try:
            return self.escrow.rule(Tx(evil.address, tx.now), dispute_id, ruling)
        except Refused:
            return []

    # Everything anybody can see -------------------------------------------------------------------------------------

    def moments(self) -> list[int]:
        """Deadlines of live escrows, ends of waits."""
        live = [deal for deal in self.escrow.deals.values() if deal.status < Status.RULED]
        found = [deal.terms.accept_by for deal in live if deal.status == Status.FUNDED]
        found += [deal.terms.deliver_by for deal in live if deal.status == Status.ACCEPTED]
        found += [deal.clock for deal in live]
        return found + [agent.unbond_at for agent in self.reputation.agents.values()]

    def views(self) -> list[View]:
        """What every view must answer."""
        escrow, reputation = self.escrow, self.reputation
        found: list[View] = [
            ("escrow", "feeBps", (), (escrow.fee_bps,)),
            ("escrow", "feeRecipient", (), (escrow.fee_recipient,)),
            ("reputation", "bonusPool", (), (reputation.bonus_pool,)),
        ]
        for name, model in (("escrow", escrow), ("reputation", reputation)):
            found.append((name, "inflowsPaused", (), (model.inflows_paused,)))
            found += [(name, "balanceOf", (account,), (model.balances[account],)) for account in self.who.values()]
        accounts = (*self.who.values(), escrow.address, reputation.address)
        found += [("token", "balanceOf", (account,), (self.token.balances[account],)) for account in accounts]
        for role in ("c1", "c2", "p1", "p2"):
            found += self._account(self.who[role])
        for escrow_id in escrow.deals:
            found += self._deal(escrow_id)
        for (arbiter, dispute_id), escrow_id in escrow.by_dispute.items():
            found.append(("escrow", "escrowOfDispute", (arbiter, dispute_id), (escrow_id,)))
        return found

    def _account(self, account: str) -> list[View]:
        agent = self.reputation.agents[account]
        record = (agent.completed, agent.failed, agent.disputed, agent.lost, agent.settled_value, agent.last_outcome_at)
        allowance = self.token.allowances[account, self.escrow.address]
        return [
            ("reputation", "stakeOf", (account,), ((agent.staked, agent.locked, agent.unbond_at, ANY),)),
            ("reputation", "freeStake", (account,), (agent.staked - agent.locked,)),
            ("reputation", "unstakeRequest", (account,), (agent.request,)),
            ("reputation", "unstakeNonce", (account,), (agent.nonce,)),
            ("reputation", "recordOf", (account,), (record,)),
            ("escrow", "withdrawalNonce", (account,), (self.escrow.withdrawal_nonces[account],)),
            ("reputation", "withdrawalNonce", (account,), (self.reputation.withdrawal_nonces[account],)),
            ("token", "allowance", (account, self.escrow.address), (allowance,)),
        ]

    def _deal(self, escrow_id: bytes) -> list[View]:
        deal = self.escrow.deals[escrow_id]
        clock = deal.clock if deal.status < Status.RULED else ANY
        state = (deal.released, deal.refunded, clock, int(deal.status), deal.ruling, deal.flags, ANY)
        number = deal.dispute_id if deal.status in {Status.DISPUTED, Status.RULED} else ANY
        return [
            ("escrow", "stateOf", (escrow_id,), (state,)),
            ("escrow", "disputes", (escrow_id,), ((deal.bond, number),)),
            ("escrow", "escrowId", (deal.terms,), (escrow_id,)),
        ]


def deploy(chain: Anvil, project: Any, escrow_container: Any) -> tuple[Ground, EscrowSystem]:
    """Deploy everything, fill wallets, balances and stakes, and describe the same as a model."""
    node = Node(chain.url)
    accounts, keys = keyring()
    who = dict(zip(ROLES, accounts, strict=True))
    ground = Ground(node, {}, accounts, keys, CHAIN_ID)

    def put(label: str, compiled: Any, kinds: list[str], values: tuple[Any, ...], *, watched: bool = True) -> str:
        code, abi = code_of(compiled)
        address = node.deploy(who["owner"], code, kinds, values)
        ground.contracts[label] = node.add(Contract(label, address, abi), watched=watched)
        return address

    bounds = Bounds()
    token = put("token", project.MockUSDC, ["address"], (who["owner"],), watched=False)
    limits = (bounds.max_fee_bps, bounds.min_challenge, bounds.max_challenge, bounds.max_accept)
    config = (token, who["owner"], who["guardian"], who["treasury"], FEE_BPS, *limits)
    config = (*config, bounds.max_deliver, bounds.max_dispute, bounds.unbonding)
    kinds = f"({','.join(['address'] * 4 + ['uint256'] * 8)})"
    extension = node.deploy(who["owner"], code_of(project.EscrowExtension)[0], [kinds], (config,))
    escrow = put("escrow", escrow_container, [kinds, "address"], (config, extension))
    reputation = node.views([(ground.contracts["escrow"], "reputation", ())])[0][0]
    ground.contracts["reputation"] = node.add(Contract("reputation", reputation, code_of(project.Reputation)[1]))
    court = put("court", project.MockArbitrator, ["address", "uint256"], (who["owner"], ARBITER_FEE), watched=False)
    evil = put("evil", project.MaliciousArbiter, [], (), watched=False)
    who |= {"court": court, "evil": evil}

    usdc = TokenModel(Domain("USD Coin", "2", CHAIN_ID, token), who["owner"])
    roles = {"guardian": who["guardian"], "admin": who["owner"]}
    stakes = ReputationModel(
        reputation, usdc, Domain("AICP Reputation", "1", CHAIN_ID, reputation), **roles, unbonding=bounds.unbonding
    )
    model = EscrowWithDisputes(
        *(escrow, usdc, Domain("AICP Escrow", "1", CHAIN_ID, escrow)),
        **roles, reputation=stakes, bounds=bounds, fee_bps=FEE_BPS, fee_recipient=who["treasury"],
        arbiters={court: ArbiterModel(court, honest=True, fee=ARBITER_FEE), evil: ArbiterModel(evil, honest=False)},
    )  # fmt: skip
    system = EscrowSystem(who, usdc, stakes, model)
    furnish(ground, system)
    ground.remember()
    return ground, system


def furnish(ground: Ground, system: EscrowSystem) -> None:
    """Wallets, balances, stakes and a bonus pool, on the chain and in the model."""
    who, escrow = system.who, system.escrow

    def do(role: str, contract: str, function: str, *arguments: Any) -> None:
        at = ground.node.now() + 1
        system.call(contract, function, Tx(who[role], at), arguments)
        assert ground.node.send(who[role], ground.contracts[contract], function, arguments, at).error is None

    for role, other in (("c1", "p1"), ("c2", "p2"), ("p1", "c1"), ("p2", "c2")):
        do(role, "token", "faucet", who[role], WALLET)
        for spender in (escrow.address, system.reputation.address):
            do(role, "token", "approve", spender, ENDLESS)
        now = ground.node.now()
        terms = Terms(
            *(who[role], who[other], ZERO, ZERO, LEDGER, FEE_BPS, 0),
            *(now + 1_000, now + 2_000, 60, 0, b"\x00" * 32, 0),
        )
        do(role, "escrow", "fund", terms)
        do(role, "escrow", "cancel", terms)
    for role, amount in STAKES.items():
        do(role, "reputation", "stake", amount)
    do("c1", "reputation", "fundBonusPool", POOL)
    escrow.deals.clear()
