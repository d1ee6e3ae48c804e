"""Whether an agent's score follows from the chain: every input compared, the score and the root computed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aicp.client.errors import ClientError, Mismatch
from aicp.rules.canonical import document_hash
from aicp.rules.deployment import Deployment
from aicp.rules.epochs import (
    Inputs,
    evidence_of,
    facts_hash,
    inputs_of,
    leaves,
    measures,
    parameters_of,
    running_vouchers,
    score_leaves,
)
from aicp.rules.facts import Deal
from aicp.rules.primitives import checksum, format_usdc, hex0x
from aicp.rules.recovery import Recovery
from aicp.rules.reputation import ScoreCard, score_card
from aicp.rules.scores import epoch_root, score_proof
from aicp.rules.specialties import Qualities, qualities

if TYPE_CHECKING:  # web3 is slow to load
    from aicp.client.score_chain import Anchor, ScoreChain


@dataclass(frozen=True, slots=True)
class Verified:
    """A score that follows from the chain, and what was compared on the way, in words."""

    card: ScoreCard
    qualities: Qualities
    recovery: Recovery | None
    anchor: Anchor
    inputs: Inputs
    compared: tuple[str, ...]


async def verify_score(
    chain: ScoreChain,
    deployment: Deployment,
    published: Mapping[str, Any],
    agent: bytes,
    *,
    anchor: Anchor,
    check_funders: bool = True,
) -> Verified:
    """Compute an agent's score anew and compare it with the anchored root.

    `published` is the file of the epoch. Raises Mismatch at the first thing that differs, ClientError where the agent
    has no score in this epoch or the file is none.
    """
    inputs, document = _read(published)
    compared = [_manifest(inputs, document, deployment, anchor)]
    compared.append(await _block(chain, inputs))
    deals = await chain.deals(inputs.block_number)
    compared.append(_facts(deals, inputs, document))
    if check_funders:
        compared.append(await _funders(chain, deals, inputs))
    compared.append(await _stakes(chain, inputs))
    evidence = evidence_of(inputs, deals)
    cards = [score_card(one, inputs.end) for one in evidence]
    anchored = leaves(cards, inputs.epoch)
    if epoch_root(anchored) != anchor.event.root or len(anchored) != anchor.event.leaf_count:
        raise Mismatch(
            f"The scores that follow have the root {hex0x(epoch_root(anchored))} over {len(anchored)} agents, "
            f"epoch {inputs.epoch} carries {hex0x(anchor.event.root)} over {anchor.event.leaf_count}."
        )
    compared.append(f"the root of all {len(cards)} scores, computed again, is the anchored one")
    if published.get("leaves") != score_leaves(anchored):
        raise Mismatch("The scores in the file are not those that follow and are anchored.")
    compared.append("the scores in the file are the anchored ones")
    if published.get("measures") != measures(evidence):
        raise Mismatch("Speed, quality and reliability in the file are not those that follow from the events.")
    compared.append(f"speed, quality and reliability of {len(cards)} agents in the file follow from the events")
    place = next((number for number, card in enumerate(cards) if card.agent == agent), None)
    if place is None:
        raise ClientError(f"{checksum(agent)} has no settled escrow by the end of epoch {inputs.epoch}.")
    card, leaf = cards[place], anchored[place]
    if anchor.counts:
        if await chain.verify_score(leaf, score_proof(anchored, leaf)) != card.score:
            raise Mismatch("The contract finds another score proven.")
        compared.append("the contract finds the score proven")
    about = evidence[place]
    return Verified(card, qualities(about), about.recovery, anchor, inputs, tuple(compared))


def _read(published: Mapping[str, Any]) -> tuple[Inputs, Mapping[str, Any]]:
    try:
        document = published["manifest"]
        return inputs_of(document), document
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise ClientError(f"This is no file of scores with its manifest: {error}.") from error


def _manifest(inputs: Inputs, document: Mapping[str, Any], deployment: Deployment, anchor: Anchor) -> str:
    if document_hash(dict(document)) != anchor.event.manifest_hash:
        raise Mismatch(f"The manifest is not the one whose hash epoch {anchor.event.epoch} carries.")
    named = (inputs.epoch, inputs.chain_id, inputs.escrow, inputs.reputation)
    if named != (anchor.event.epoch, deployment.chain_id, deployment.escrow, deployment.reputation):
        raise Mismatch("The manifest is of another epoch, chain or contract.")
    if inputs.parameters != parameters_of(inputs.chain_id):
        raise Mismatch("The manifest has other parameters than the published rule of this chain.")
    for contract in sorted(deployment.paying_contracts - inputs.common):
        raise Mismatch(f"The manifest takes {checksum(contract)}, a contract of the deployment, for somebody's wallet.")
    return "the manifest's hash is the anchored one, its parameters are the published ones"


async def _block(chain: ScoreChain, inputs: Inputs) -> str:
    last, following = await chain.block(inputs.block_number), await chain.block(inputs.block_number + 1)
    if last is None or last.hash != inputs.block_hash:
        raise Mismatch(f"Block {inputs.block_number} has another hash than the manifest says.")
    if following is None or not last.time <= inputs.end < following.time:
        raise Mismatch(f"Block {inputs.block_number} is not the last one of the epoch.")
    return f"block {inputs.block_number} is the last one of the epoch"


def _facts(deals: tuple[Deal, ...], inputs: Inputs, document: Mapping[str, Any]) -> str:
    known = [deal for deal in deals if deal.closed_at <= inputs.end]
    if hex0x(facts_hash(known)) != document["facts_hash"]:
        raise Mismatch("The escrows of the manifest are not those that the events tell of.")
    value = format_usdc(sum(deal.released for deal in known))
    return f"{len(known)} settled escrows over {value} USDC are those of the events"


async def _funders(chain: ScoreChain, deals: tuple[Deal, ...], inputs: Inputs) -> str:
    accounts = {account for deal in deals for account in (deal.client, deal.provider)}
    found = await chain.funders(accounts, inputs.block_number, inputs.parameters.least_gift_units)
    for account in sorted(accounts):
        if found.get(account) != inputs.funders.get(account):
            said = inputs.funders.get(account)
            raise Mismatch(
                f"The manifest names {'nobody' if said is None else checksum(said)} as who first funded "
                f"{checksum(account)}, the token's events say otherwise."
            )
    return f"who first funded {len(accounts)} accounts is what the token's events say"


async def _stakes(chain: ScoreChain, inputs: Inputs) -> str:
    for voucher in sorted(running_vouchers(inputs) - set(inputs.free_stake)):
        raise Mismatch(f"The manifest leaves out the free stake of {checksum(voucher)}, whose vouch runs.")
    for agent, units in sorted(inputs.free_stake.items()):
        found = await chain.free_stake(agent, inputs.block_number)
        if found != units:
            raise Mismatch(
                f"{checksum(agent)} had {format_usdc(found)} USDC of free stake, the manifest says otherwise."
            )
    return f"{len(inputs.vouches)} vouches, with the free stakes of {len(inputs.free_stake)} vouchers"
