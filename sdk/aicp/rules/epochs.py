"""An epoch of scores: from chain events and a manifest to score cards, leaves and the root that is anchored.

Source: docs/Rules.md, "Scores", under "Epochs", and ADR 0014; the contract is `Reputation.anchorEpoch`. The manifest is
a canonical JSON document whose hash the epoch carries. It names everything that is not in the events of Escrow and
Reputation up to its block: the parameters, who funded whom first, who makes no group, and the vouches with their
signatures. A vouch burdens who vouches, so one without that party's signature counts nothing, and one listed more than
once counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from aicp.abi.reputation import ScoreLeaf
from aicp.abi.signing import SignatureError, recover
from aicp.abi.typed_data import Vouch, marketplace_domain
from aicp.rules.canonical import document_hash
from aicp.rules.constants import network
from aicp.rules.decay import DAY
from aicp.rules.facts import BURDENS, Deal
from aicp.rules.primitives import checksum, hex0x, parse_address, parse_bytes, parse_hash, parse_units
from aicp.rules.recovery import carried, last_recovery, recovery_of, valid_vouches
from aicp.rules.reputation import RULE_VERSION, Evidence, ScoreCard, credit_of, foreign, score_card
from aicp.rules.scores import epoch_root
from aicp.rules.specialties import qualities
from aicp.rules.witnesses import DEVNET, PUBLIC, Market, Parameters, survey

MANIFEST_VERSION: Final = 1
EPOCH_SECONDS: Final = DAY


def epoch_end(now: int) -> int:
    """Return the end of the last full epoch at a unix second: midnight UTC."""
    return now - now % EPOCH_SECONDS


def parameters_of(chain_id: int) -> Parameters:
    """Return the parameters of every epoch on a chain. Raises KeyError for a chain without published rules."""
    return PUBLIC if network(chain_id).public else DEVNET


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedVouch:
    """A vouch with the voucher's signature."""

    vouch: Vouch
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What an epoch is computed from besides events. Times in unix seconds, stakes in base units.

    `end` is a midnight UTC; `block_number` is the last block whose events count and is not later than `end`.
    `common` are funders who make no group: the contracts that pay everybody out, and exchanges. `free_stake` is that of
    vouchers at this block, as `Reputation.freeStake` tells it.
    """

    epoch: int
    end: int
    chain_id: int
    escrow: bytes
    reputation: bytes
    block_number: int
    block_hash: bytes
    parameters: Parameters = PUBLIC
    funders: Mapping[bytes, bytes] = field(default_factory=dict)
    common: frozenset[bytes] = frozenset()
    vouches: tuple[SignedVouch, ...] = ()
    free_stake: Mapping[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.end % EPOCH_SECONDS:
            raise ValueError("an epoch ends at midnight UTC")


def signed_by_voucher(inputs: Inputs) -> tuple[Vouch, ...]:
    """Return the vouches that carry the signature of the party they burden, each once; the others count nothing."""
    domain = marketplace_domain(inputs.chain_id, inputs.escrow)
    found: dict[bytes, Vouch] = {}
    for one in inputs.vouches:
        try:
            signer = recover(one.vouch.digest(domain), one.signature)
        except SignatureError:
            continue
        if signer == one.vouch.voucher:
            found.setdefault(one.vouch.struct_hash(), one.vouch)
    return tuple(found.values())


def running_vouchers(inputs: Inputs) -> frozenset[bytes]:
    """Return whose vouches run at the end of an epoch: whether these hold depends on their free stake."""
    return frozenset(
        vouch.voucher for vouch in signed_by_voucher(inputs) if vouch.valid_from <= inputs.end < vouch.valid_until
    )


def evidence_of(inputs: Inputs, deals: Iterable[Deal]) -> tuple[Evidence, ...]:
    """Return what speaks about each agent with a settled escrow at the end of an epoch, by address.

    Deals whose outcome is later than the epoch's end are left out.
    """
    known = tuple(deal for deal in deals if deal.closed_at <= inputs.end)
    market = survey(known, inputs.funders, common=inputs.common, parameters=inputs.parameters)
    of_agent: defaultdict[bytes, list[Deal]] = defaultdict(list)
    for deal in known:
        of_agent[deal.provider].append(deal)
    signed = signed_by_voucher(inputs)
    valid = _valid(inputs, signed, of_agent, market)
    found = []
    for agent, own in sorted(of_agent.items()):
        vouchers = sum(vouch.agent == agent for vouch in valid)
        recoveries = [
            recovery_of(deal, own, market, at=inputs.end, vouchers=vouchers) for deal in own if deal.outcome in BURDENS
        ]
        forgiven = {one.failure.escrow_id: one.forgiven_bps for one in recoveries}
        burden = carried(signed, agent, known)
        found.append(Evidence(agent, tuple(own), market, forgiven, burden, last_recovery(recoveries)))
    return tuple(found)


def _valid(
    inputs: Inputs, signed: Sequence[Vouch], of_agent: Mapping[bytes, Sequence[Deal]], market: Market
) -> tuple[Vouch, ...]:
    credit = {}
    for vouch in signed:
        about = Evidence(vouch.voucher, tuple(of_agent.get(vouch.voucher, ())), market, {})
        credit[vouch.voucher] = credit_of(about, foreign(about))
    return valid_vouches(signed, market, at=inputs.end, free_stake=inputs.free_stake, credit=credit)


def score_cards(inputs: Inputs, deals: Iterable[Deal]) -> tuple[ScoreCard, ...]:
    """Return the score of every agent with a settled escrow, by address."""
    return tuple(score_card(evidence, inputs.end) for evidence in evidence_of(inputs, deals))


def leaves(cards: Iterable[ScoreCard], epoch: int) -> tuple[ScoreLeaf, ...]:
    """Return what is anchored of score cards."""
    return tuple(
        ScoreLeaf(agent=card.agent, score=card.score, settled_value=card.settled_value, jobs=card.jobs, epoch=epoch)
        for card in cards
    )


def facts_hash(deals: Iterable[Deal]) -> bytes:
    """Return the hash of settled escrows, so that two who differ know whether it is about the events or the rule."""
    return document_hash([_deal_json(deal) for deal in sorted(deals, key=lambda deal: deal.escrow_id)])


def _deal_json(deal: Deal) -> dict[str, Any]:
    return {
        "escrow_id": hex0x(deal.escrow_id),
        "client": checksum(deal.client),
        "provider": checksum(deal.provider),
        "outcome": deal.outcome.name.lower(),
        "amount_units": str(deal.amount),
        "released_units": str(deal.released),
        "refunded_units": str(deal.refunded),
        "fee_units": str(deal.fee),
        "bonus_units": str(deal.bonus),
        "accepted_at": deal.accepted_at,
        "deliver_by": deal.deliver_by,
        "submitted_at": deal.submitted_at,
        "closed_at": deal.closed_at,
        "rating": deal.rating,
    }


def manifest(inputs: Inputs, deals: Iterable[Deal]) -> dict[str, Any]:
    """Return the document whose canonical hash the epoch carries."""
    known = tuple(deal for deal in deals if deal.closed_at <= inputs.end)
    parameters = asdict(inputs.parameters)
    return {
        "version": MANIFEST_VERSION,
        "rule": RULE_VERSION,
        "epoch": str(inputs.epoch),
        "end": inputs.end,
        "chain_id": inputs.chain_id,
        "escrow": checksum(inputs.escrow),
        "reputation": checksum(inputs.reputation),
        "block_number": inputs.block_number,
        "block_hash": hex0x(inputs.block_hash),
        "parameters": {name: str(value) for name, value in parameters.items()},
        "funders": [[checksum(account), checksum(funder)] for account, funder in sorted(inputs.funders.items())],
        "common_funders": [checksum(account) for account in sorted(inputs.common)],
        "vouches": [_vouch_json(one) for one in sorted(inputs.vouches, key=lambda one: one.vouch.struct_hash())],
        "free_stake": [[checksum(agent), str(units)] for agent, units in sorted(inputs.free_stake.items())],
        "facts_hash": hex0x(facts_hash(known)),
    }


def _vouch_json(one: SignedVouch) -> dict[str, Any]:
    vouch = one.vouch
    return {
        "voucher": checksum(vouch.voucher),
        "agent": checksum(vouch.agent),
        "at_risk_units": str(vouch.at_risk),
        "valid_from": vouch.valid_from,
        "valid_until": vouch.valid_until,
        "salt": hex0x(vouch.salt),
        "signature": hex0x(one.signature),
    }


def inputs_of(document: Mapping[str, Any]) -> Inputs:
    """Read what `manifest` wrote. Raises ValueError or KeyError for anything else."""
    if (document["version"], document["rule"]) != (MANIFEST_VERSION, RULE_VERSION):
        raise ValueError("the manifest follows a rule that is not known here")
    return Inputs(
        epoch=parse_units(document["epoch"]),
        end=int(document["end"]),
        chain_id=int(document["chain_id"]),
        escrow=parse_address(document["escrow"]),
        reputation=parse_address(document["reputation"]),
        block_number=int(document["block_number"]),
        block_hash=parse_hash(document["block_hash"]),
        parameters=_parameters(document["parameters"]),
        funders={parse_address(account): parse_address(funder) for account, funder in document["funders"]},
        common=frozenset(parse_address(account) for account in document["common_funders"]),
        vouches=tuple(_vouch(one) for one in document["vouches"]),
        free_stake={parse_address(agent): parse_units(units) for agent, units in document["free_stake"]},
    )


def _parameters(values: Mapping[str, Any]) -> Parameters:
    if set(values) != {one.name for one in fields(Parameters)}:
        raise ValueError("the manifest has other parameters than are known here")
    return Parameters(**{name: parse_units(value) for name, value in values.items()})


def _vouch(value: Mapping[str, Any]) -> SignedVouch:
    return SignedVouch(
        vouch=Vouch(
            voucher=parse_address(value["voucher"]),
            agent=parse_address(value["agent"]),
            at_risk=parse_units(value["at_risk_units"]),
            valid_from=int(value["valid_from"]),
            valid_until=int(value["valid_until"]),
            salt=parse_hash(value["salt"]),
        ),
        signature=parse_bytes(value["signature"]),
    )


def score_leaves(anchored: Iterable[ScoreLeaf]) -> list[dict[str, Any]]:
    """Return leaves as the published file has them, in the same order."""
    return [
        {
            "agent": checksum(leaf.agent),
            "score": leaf.score,
            "settled_value_units": str(leaf.settled_value),
            "jobs": leaf.jobs,
        }
        for leaf in anchored
    ]


def measures(evidence: Iterable[Evidence]) -> list[dict[str, Any]]:
    """Return speed, quality and reliability of agents as the published file has them, in the same order.

    They follow from the escrows of the epoch alone: deals paid by channel are not among the events.
    """
    return [{"agent": checksum(one.agent), **asdict(qualities(one))} for one in evidence]


def score_file(inputs: Inputs, deals: Sequence[Deal]) -> dict[str, Any]:
    """Return what is published of an epoch, as `aicp audit --scores` reads it: leaves, finer scores and manifest."""
    evidence = evidence_of(inputs, deals)
    cards = [score_card(one, inputs.end) for one in evidence]
    return {
        "epoch": inputs.epoch,
        "leaves": score_leaves(leaves(cards, inputs.epoch)),
        "measures": measures(evidence),
        "manifest": manifest(inputs, deals),
    }


def root_and_manifest_hash(inputs: Inputs, deals: Sequence[Deal]) -> tuple[bytes, bytes]:
    """Return what `Reputation.anchorEpoch` takes: the root of all scores and the manifest's hash."""
    root = epoch_root(leaves(score_cards(inputs, deals), inputs.epoch))
    return root, document_hash(manifest(inputs, deals))
