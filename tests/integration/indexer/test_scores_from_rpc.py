"""`aicp reputation verify` on a real chain: the score follows, and whatever is changed is found."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aicp.abi import escrow as escrow_abi
from aicp.abi import reputation as reputation_abi
from aicp.abi import usdc as usdc_abi
from aicp.abi.signing import address_of, sign
from aicp.abi.typed_data import Vouch, marketplace_domain
from aicp.cli.main import cli
from aicp.client.score_chain import ScoreChain
from aicp.rules.decay import DAY
from aicp.rules.epochs import Inputs, SignedVouch, root_and_manifest_hash, score_cards, score_file
from aicp.rules.facts import Deal
from aicp.rules.primitives import checksum, keccak
from aicp.rules.witnesses import DEVNET, PUBLIC
from tests.fixtures.chainlab import USDC, Lab
from tests.fixtures.services import CHAIN_ID

VOUCHER_KEY = keccak(b"a voucher's key")


@pytest.fixture
def settled(lab: Lab) -> Lab:
    """Two escrows released and rated, one given back; then midnight has passed."""
    lab.stake()
    for score in (80, 100):
        terms = lab.terms(100 * USDC)
        lab.fund(terms)
        lab.accept(terms)
        lab.submit(terms)
        lab.release(terms, terms.amount)
        lab.send(lab.buyer, lab.contracts.escrow, escrow_abi.encode_rate(terms, score, keccak(b"thanks")))
    given_back = lab.terms(20 * USDC)
    lab.fund(given_back)
    lab.accept(given_back)
    lab.send(lab.agent, lab.contracts.escrow, escrow_abi.encode_refund(given_back, given_back.amount))
    lab.send(lab.owner, lab.usdc, usdc_abi.encode_transfer(lab.other, 0))
    lab.later(DAY)
    return lab


async def read(lab: Lab, last: int) -> tuple[tuple[Deal, ...], bytes, dict[bytes, bytes]]:
    chain = ScoreChain(lab.chain.url, lab.deployment())
    block = await chain.block(last)
    assert block is not None
    deals = await chain.deals(last)
    return deals, block.hash, await chain.funders({lab.buyer, lab.agent}, last, DEVNET.least_gift_units)


@dataclass(slots=True)
class Scene:
    """The epochs of an operator, and somebody who verifies them."""

    lab: Lab
    folder: Path
    inputs: Inputs
    deals: tuple[Deal, ...]
    anchored: int = 0

    def publish(self, inputs: Inputs, deals: tuple[Deal, ...], root: bytes | None = None, *, wait: int = 120) -> int:
        """Write the file of the next epoch, anchor its root or another one, let time pass. Return its number."""
        self.anchored += 1
        path = self.folder / f"{self.anchored}.json"
        found, manifest_hash = root_and_manifest_hash(inputs, deals)
        path.write_text(json.dumps(score_file(inputs, deals)), encoding="utf-8")
        count = len(score_cards(inputs, deals))
        call = reputation_abi.encode_anchor_epoch(root or found, count, manifest_hash, str(path))
        self.lab.send(self.lab.owner, self.lab.contracts.reputation, call)
        self.lab.later(wait)
        return self.anchored

    def verify(self, agent: bytes, *options: str) -> Result:
        arguments = ["reputation", "verify", checksum(agent), "--rpc", self.lab.chain.url]
        return CliRunner().invoke(cli, [*arguments, "--deployment", str(self.folder / "deployment.json"), *options])


@pytest.fixture
def scene(settled: Lab, tmp_path: Path) -> Scene:
    """The first epoch as an operator computes it, not yet anchored."""
    lab = settled
    (tmp_path / "deployment.json").write_text(json.dumps(lab.deployment().to_json()), encoding="utf-8")
    lab.send(lab.owner, lab.contracts.reputation, reputation_abi.encode_set_anchorer(lab.owner))
    end = lab.now() - lab.now() % DAY
    last = int(lab.chain.rpc("eth_blockNumber"), 16)
    while int(lab.chain.rpc("eth_getBlockByNumber", hex(last), False)["timestamp"], 16) > end:
        last -= 1
    deals, block_hash, funders = asyncio.run(read(lab, last))
    inputs = Inputs(
        epoch=1,
        end=end,
        chain_id=CHAIN_ID,
        escrow=lab.contracts.escrow,
        reputation=lab.contracts.reputation,
        block_number=last,
        block_hash=block_hash,
        parameters=DEVNET,
        funders=funders,
        common=lab.deployment().paying_contracts,
    )
    return Scene(lab, tmp_path, inputs, deals)


def test_events_become_deals(scene: Scene) -> None:
    assert sorted((deal.outcome.name, deal.released, deal.fee, deal.rating) for deal in scene.deals) == [
        ("COMPLETED", 100 * USDC, 2_500_000, 80),
        ("COMPLETED", 100 * USDC, 2_500_000, 100),
        ("RETURNED", 0, 0, None),
    ]
    assert {(deal.client, deal.provider) for deal in scene.deals} == {(scene.lab.buyer, scene.lab.agent)}
    assert scene.inputs.funders == {}  # both were minted theirs


def test_a_score_is_computed_again_from_a_node_alone(scene: Scene) -> None:
    agent = scene.lab.agent
    answer = scene.verify(agent)
    assert (answer.exit_code, "No epoch of scores is anchored yet" in answer.output) == (1, True), answer.output
    scene.publish(scene.inputs, scene.deals, wait=0)
    answer = scene.verify(agent)
    assert (answer.exit_code, "counts yet: the first does from" in answer.output) == (1, True), answer.output
    scene.lab.later(120)
    (card,) = score_cards(scene.inputs, scene.deals)
    answer = scene.verify(agent)
    assert answer.exit_code == 0, answer.output
    assert f"score         {card.score // 100}.{card.score % 100:02d}" in answer.output
    assert card.score > 2_000
    assert "the contract finds the score proven" in answer.output
    assert "3 settled escrows over 200.00 USDC" in answer.output
    unknown = scene.verify(scene.lab.other)
    assert (unknown.exit_code, "no settled escrow" in unknown.output) == (1, True), unknown.output
    assert scene.verify(agent, "--epoch", "2").exit_code == 1
    for name, content, code in (
        ("none", None, 1),
        ("list", [], 1),
        ("empty", {}, 1),
        ("other", score_file(replace(scene.inputs, common=scene.inputs.common | {agent}), scene.deals), 4),
    ):
        path = scene.folder / f"{name}.json"
        if content is not None:
            path.write_text(json.dumps(content), encoding="utf-8")
        answer = scene.verify(agent, "--scores", str(path))
        assert answer.exit_code == code, (name, answer.output)


def test_an_epoch_that_is_pending_or_vetoed_says_so(scene: Scene) -> None:
    lab = scene.lab
    number = scene.publish(scene.inputs, scene.deals, wait=1)
    pending = scene.verify(lab.agent, "--epoch", str(number))
    assert (pending.exit_code, "counts from" in pending.output) == (0, True), pending.output
    assert "the contract finds" not in pending.output
    lab.send(lab.owner, lab.contracts.reputation, reputation_abi.encode_veto_epoch(number))
    vetoed = scene.verify(lab.agent, "--epoch", str(number))
    assert (vetoed.exit_code, "was vetoed" in vetoed.output) == (1, True), vetoed.output


def vouch_until(second: int, escrow: bytes) -> SignedVouch:
    """A vouch of somebody who has nothing at stake, which makes it no less his."""
    vouch = Vouch(
        voucher=address_of(VOUCHER_KEY), agent=bytes([9]) * 20, at_risk=USDC, valid_from=second - DAY,
        valid_until=second, salt=bytes(32),
    )  # fmt: skip
    return SignedVouch(vouch=vouch, signature=sign(vouch.digest(marketplace_domain(CHAIN_ID, escrow)), VOUCHER_KEY))


def test_whatever_was_changed_is_found(scene: Scene) -> None:
    lab, inputs, deals = scene.lab, scene.inputs, scene.deals
    before = lab.chain.rpc("eth_getBlockByNumber", hex(inputs.block_number - 1), False)
    earlier = {"block_number": inputs.block_number - 1, "block_hash": bytes.fromhex(before["hash"][2:])}
    changes: list[tuple[dict[str, Any], str | None]] = [
        ({}, None),
        ({"funders": {lab.other: lab.owner}}, None),  # who has no deal says nothing
        ({"block_hash": bytes(32)}, "another hash"),
        (earlier, "not the last one"),
        ({"funders": {lab.agent: lab.other}}, "as who first funded"),
        ({"free_stake": {lab.agent: 5}}, "free stake"),
        ({"vouches": (vouch_until(inputs.end + 1, inputs.escrow),)}, "leaves out the free stake"),
        ({"vouches": (vouch_until(inputs.end, inputs.escrow),)}, None),  # it is over
        *(({"common": inputs.common - {contract}}, "a contract of the deployment") for contract in inputs.common),
        ({"epoch": 99}, "of another epoch"),
        ({"parameters": PUBLIC}, "other parameters"),
    ]
    for change, sentence in changes:
        number = scene.publish(replace(inputs, **({"epoch": scene.anchored + 1} | change)), deals)
        answer = scene.verify(lab.agent, "--epoch", str(number))
        if sentence is None:
            assert answer.exit_code == 0, answer.output
        else:
            assert (answer.exit_code, sentence in answer.output) == (4, True), answer.output
    for known, root, sentence in (
        (deals[1:], None, "not those that the events tell of"),
        (deals, bytes([7]) * 32, "have the root"),
    ):
        number = scene.publish(replace(inputs, epoch=scene.anchored + 1), known, root)
        answer = scene.verify(lab.agent, "--epoch", str(number))
        assert (answer.exit_code, sentence in answer.output) == (4, True), answer.output


def test_collecting_from_a_contract_makes_nobody_one_with_anybody(settled: Lab) -> None:
    lab = settled
    begun = int(lab.chain.rpc("eth_blockNumber"), 16) + 1  # both have their USDC from before the deployment

    def scores() -> list[int]:
        lab.later(1)
        last = int(lab.chain.rpc("eth_blockNumber"), 16)
        chain = ScoreChain(lab.chain.url, replace(lab.deployment(), deploy_block=begun))
        deals, block_hash, _ = asyncio.run(read(lab, last))
        funders = asyncio.run(chain.funders({lab.buyer, lab.agent}, last, DEVNET.least_gift_units))
        paid_by.update(funders)
        given = Inputs(
            epoch=1, end=(lab.now() // DAY + 1) * DAY, chain_id=CHAIN_ID, escrow=lab.contracts.escrow,
            reputation=lab.contracts.reputation, block_number=last, block_hash=block_hash, parameters=DEVNET,
            funders=funders, common=lab.deployment().paying_contracts,
        )  # fmt: skip
        return [card.score for card in score_cards(given, deals)]

    paid_by: dict[bytes, bytes] = {}
    before = scores()
    assert before > [2_000]
    for who, units in ((lab.buyer, 20 * USDC), (lab.agent, 100 * USDC)):
        lab.send(who, lab.contracts.escrow, escrow_abi.encode_withdraw(units))
    assert scores() == before
    assert paid_by == dict.fromkeys((lab.buyer, lab.agent), lab.contracts.escrow)
