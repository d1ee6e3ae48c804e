"""A contract wallet (ERC-1271) signs in, posts, pays and releases as a buyer; what only plain keys sign it is told."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Any

import pytest

from aicp.abi import usdc as usdc_abi
from aicp.abi.typed_data import Dispute, ReceiveWithAuthorization
from aicp.client import AgentActions, BuyerActions, Market, PoolActions, ProblemError, Wallet, models
from aicp.rules.documents import evidence_document, evidence_hash
from aicp.rules.ids import bond_nonce
from aicp.rules.primitives import hex0x
from backend.api.types import MAX_SIGNATURE_BYTES
from backend.deals import repo as deals_repo
from tests.fixtures.contract_wallet import ContractWallet
from tests.fixtures.moneylab import USDC, World
from tests.fixtures.sdkhost import open_market


@pytest.fixture(scope="module")
def wallet(world: World) -> ContractWallet:
    made = ContractWallet(secrets.token_bytes(32), secrets.token_bytes(20))
    made.install(world.chain.rpc)
    data = usdc_abi.encode_transfer(made.address, 100 * USDC)
    world.send(world.buyer.address, world.ctx.deployment.usdc, data)
    world.stake(world.agent, 100 * USDC)
    return made


def impostor(wallet: ContractWallet) -> ContractWallet:
    """Return somebody who claims the wallet's address and signs with a key of his own."""
    return ContractWallet(secrets.token_bytes(32), wallet.address)


def sessions(world: World, address: bytes) -> int:
    return int(world.one("SELECT count(*) FROM app.session WHERE address = :a", a=address))


async def post(market: Market) -> models.Task:
    return await BuyerActions(market).post_task(
        title="Describe a table", description="Types.", capability="data_analysis", budget_units=12 * USDC
    )


def state(world: World, task: models.Task) -> str:
    return str(world.one("SELECT state FROM app.task WHERE id = :id", id=task.id))


def intents(world: World) -> int:
    return int(world.one("SELECT count(*) FROM txm.intent"))


def test_a_contract_wallet_signs_in_and_nobody_else_as_it(world: World, wallet: ContractWallet, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_market(world, impostor(wallet), tmp_path / "impostor") as market:
            with pytest.raises(ProblemError) as refused:
                await market.transport.session()
            assert refused.value.code == "invalid_signature"
        assert sessions(world, wallet.address) == 0
        async with open_market(world, wallet, tmp_path / "wallet") as market:
            assert (await market.transport.session()).address == wallet.address

    asyncio.run(run())
    assert sessions(world, wallet.address) == 1


def test_an_address_without_a_contract_does_not_sign_in_by_another_key(world: World, tmp_path: Path) -> None:
    empty = ContractWallet(secrets.token_bytes(32), secrets.token_bytes(20))

    async def run() -> None:
        async with open_market(world, empty, tmp_path / "empty") as market:
            with pytest.raises(ProblemError) as refused:
                await market.transport.session()
            assert refused.value.code == "invalid_signature"

    asyncio.run(run())


def test_a_contract_wallet_pays_into_escrow_and_releases(world: World, wallet: ContractWallet, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            buyer = BuyerActions(market)
            task = await post(market)
            async with open_market(world, Wallet(world.agent.key), tmp_path / "agent") as theirs:
                agent = AgentActions(theirs)
                seen = await theirs.task(task.id)
                bid = await agent.bid(seen, amount_units=12 * USDC, eta_seconds=60, valid_until=world.clock() + 3600)
                award = await buyer.award(task, bid)
                await agent.accept(await agent.own_deal(award.deal_id))
                deal = await market.deal(award.deal_id)
                before = intents(world)
                forged = market.transport.wallet
                market.transport.wallet = impostor(wallet)
                with pytest.raises(ProblemError) as refused:
                    await buyer.pay(deal)
                assert refused.value.code == "invalid_signature"
                assert intents(world) == before
                market.transport.wallet = forged
                await buyer.pay(deal)
                world.until(lambda: state(world, task) == "assigned", "assigned")
                assert world.usdc_of(wallet.address) == 88 * USDC
                await buyer.release(await market.deal(deal.id))
                world.until(lambda: state(world, task) == "completed", "completed")

    asyncio.run(run())
    assert world.ledger_of(world.agent.address) >= 11 * USDC


def signed_dispute(world: World, wallet: ContractWallet, escrow_id: bytes, bond_key: ContractWallet) -> dict[str, Any]:
    """Return a dispute of the wallet without files, with a bond from its USDC."""
    claim, salt, until = "The result is empty.", secrets.token_bytes(32), world.clock() + 300
    said = evidence_document(escrow=escrow_id, party=wallet.address, claim=claim, files=[], salt=salt)
    message = Dispute(escrow_id=escrow_id, evidence_hash=evidence_hash(said), valid_until=until)
    bond = ReceiveWithAuthorization(
        from_=wallet.address, to=world.ctx.deployment.escrow, value=3 * USDC, valid_after=0, valid_before=until,
        nonce=bond_nonce(escrow_id, wallet.address),
    )  # fmt: skip
    return {
        "escrow_id": hex0x(escrow_id),
        "evidence": {"claim": claim, "files": [], "salt": hex0x(salt)},
        "evidence_hash": hex0x(message.evidence_hash),
        "valid_until": until,
        "signature": hex0x(wallet.sign_digest(message.digest(world.ctx.domains.escrow))),
        "bond": {
            "value_units": str(bond.value),
            "valid_before": until,
            "signature": hex0x(bond_key.sign_digest(bond.digest(world.ctx.domains.token))),
        },
    }


def test_a_contract_wallet_disputes_with_a_bond_of_its_own(
    world: World, wallet: ContractWallet, tmp_path: Path
) -> None:
    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            buyer = BuyerActions(market)
            task = await post(market)
            async with open_market(world, Wallet(world.agent.key), tmp_path / "agent") as theirs:
                agent = AgentActions(theirs)
                seen = await theirs.task(task.id)
                bid = await agent.bid(seen, amount_units=12 * USDC, eta_seconds=60, valid_until=world.clock() + 3600)
                award = await buyer.award(task, bid)
                await agent.accept(await agent.own_deal(award.deal_id))
            await buyer.pay(await market.deal(award.deal_id))
            world.until(lambda: state(world, task) == "assigned", "assigned")
            deal = world.read(lambda s: s.execute(deals_repo.by_id(award.deal_id)).scalar_one())
            world.submit(deal)
            world.until(lambda: state(world, task) == "delivered", "delivered")
            escrow_id, before = bytes(world.terms_row(deal).escrow_id), world.usdc_of(wallet.address)
            path = f"/deals/{deal.id}/dispute"
            with pytest.raises(ProblemError) as refused:
                await market.transport.post(path, signed_dispute(world, wallet, escrow_id, impostor(wallet)))
            assert refused.value.code == "invalid_signature"
            answer = await market.transport.post(path, signed_dispute(world, wallet, escrow_id, wallet))
            assert answer["escrow"]["dispute_fee_units"] == "3000000"
            world.until(lambda: state(world, task) == "disputed", "disputed")
            assert before - world.usdc_of(wallet.address) == 3 * USDC

    asyncio.run(run())


def test_a_contract_wallet_deposits_into_a_pool(world: World, wallet: ContractWallet, tmp_path: Path) -> None:
    held = world.usdc_of(wallet.address)

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            intent = await PoolActions(market).deposit(2 * USDC)
            world.until(lambda: world.intent_state(intent.id) == "final", "the deposit is final")

    asyncio.run(run())
    assert held - world.usdc_of(wallet.address) == 2 * USDC


OWNERS = 60


class CrowdedWallet(ContractWallet):
    """Its signatures are as long as those of many owners."""

    extra = 65 * (OWNERS - 1)

    def sign_digest(self, digest: bytes) -> bytes:
        return super().sign_digest(digest) + secrets.token_bytes(self.extra)


def test_every_step_takes_the_long_signatures_of_many_owners(world: World, tmp_path: Path) -> None:
    wallet = CrowdedWallet(secrets.token_bytes(32), secrets.token_bytes(20))
    wallet.install(world.chain.rpc)
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_transfer(wallet.address, 100 * USDC))
    world.stake(world.agent, 100 * USDC)

    async def pay_and_get_back(market: Market) -> None:
        buyer = BuyerActions(market)
        task = await post(market)
        async with open_market(world, Wallet(world.agent.key), tmp_path / "agent") as theirs:
            agent = AgentActions(theirs)
            seen = await theirs.task(task.id)
            bid = await agent.bid(seen, amount_units=12 * USDC, eta_seconds=60, valid_until=world.clock() + 3600)
            award = await buyer.award(task, bid)
            await agent.accept(await agent.own_deal(award.deal_id))
            await buyer.pay(await market.deal(award.deal_id))
            world.until(lambda: state(world, task) == "assigned", "assigned")
            await agent.give_back(await agent.own_deal(award.deal_id))
        world.until(lambda: world.ledger_of(wallet.address) == 12 * USDC, "given back")

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            await pay_and_get_back(market)
            staked = await AgentActions(market).stake(USDC)
            collected = await market.withdraw()
            pools = PoolActions(market)
            deposited = await pools.deposit(2 * USDC)
            assert collected is not None
            ids = [staked.id, collected.id, deposited.id]
            world.until(lambda: all(world.intent_state(i) == "final" for i in ids), "stake, withdrawal and deposit")
            pool = await pools.pool()
            assert pool is not None
            asked = await pools.withdraw(pool, USDC)
            world.until(lambda: world.intent_state(asked.id) == "final", "the withdrawal from the pool")

    asyncio.run(run())
    assert world.usdc_of(wallet.address) == 97 * USDC


def test_a_signature_without_end_is_refused_as_malformed(world: World, tmp_path: Path) -> None:
    wallet = CrowdedWallet(secrets.token_bytes(32), secrets.token_bytes(20))
    wallet.install(world.chain.rpc)
    world.send(world.buyer.address, world.ctx.deployment.usdc, usdc_abi.encode_transfer(wallet.address, USDC))
    before = intents(world)

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            await market.transport.session()
            wallet.extra = MAX_SIGNATURE_BYTES
            with pytest.raises(ProblemError) as refused:
                await PoolActions(market).deposit(1)
            assert (refused.value.status, refused.value.code) == (422, "invalid_input")
            assert str(MAX_SIGNATURE_BYTES) in str(refused.value.document)

    asyncio.run(run())
    assert intents(world) == before


def test_a_contract_wallet_is_told_that_bids_need_a_plain_key(
    world: World, wallet: ContractWallet, tmp_path: Path
) -> None:
    task = world.post(12 * USDC)

    async def run() -> None:
        async with open_market(world, wallet, tmp_path / "store") as market:
            seen = await market.task(task.id)
            with pytest.raises(ProblemError) as refused:
                await AgentActions(market).bid(
                    seen, amount_units=11 * USDC, eta_seconds=60, valid_until=world.clock() + 3600
                )
            assert (refused.value.status, refused.value.code) == (400, "contract_wallet_refused")

    asyncio.run(run())
    assert world.one("SELECT count(*) FROM app.bid WHERE task_id = :id", id=task.id) == 0
