"""Whether an award follows from what was signed: every bid, its receipt, the root of all of them, the rule.

A record is the document of `aicp.rules.awarding` with the operator's signature of `AwardInputs`: it says that the rule
decided, and on what. Without one the buyer chose, and there is nothing to compute but that no bid was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aicp.abi.typed_data import AwardInputs
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch
from aicp.client.verify import check_award, check_bid, signed_by
from aicp.rules.awarding import Contest, Offer, Ranking, follows, inputs_hash, rank, read_record, weights_of
from aicp.rules.bids import bids_root
from aicp.rules.documents import task_hash
from aicp.rules.primitives import parse_address, parse_bytes


@dataclass(frozen=True, slots=True)
class DecidedByRule:
    """The contest that the operator signed, and who stands where in it."""

    contest: Contest
    ranking: Ranking


def check_bids(task: models.Task, bids: Sequence[models.Bid], award: models.Award, chain: Chain) -> None:
    """Check every bid, that none is missing under the award's root, and the award. Raises Mismatch.

    Receipts count 1, 2, 3 ... in a task, so a number that nobody shows is a bid that was taken and left out.
    """
    for bid in bids:
        check_bid(bid, task.task_hash, chain)
    check_award(award, chain)
    if award.task_hash != task.task_hash:
        raise Mismatch("The award is of another task.")
    if sorted(bid.seq for bid in bids) != list(range(1, len(bids) + 1)):
        raise Mismatch("The numbers of the receipts have holes: a bid that was taken is not shown.")
    if len(bids) != award.bid_count or bids_root([bid.bid_hash for bid in bids]) != award.bids_root:
        raise Mismatch("The award was made over other bids than those shown.")
    if award.bid_hash not in {bid.bid_hash for bid in bids}:
        raise Mismatch("The bid that won is none of those shown.")


def check_record(
    task: models.Task, bids: Sequence[models.Bid], award: models.Award, chain: Chain, published: Mapping[str, Any]
) -> DecidedByRule:
    """Check that the rule gives the award, from the signed bids and the published inputs. Raises Mismatch.

    `published` is {"record", "operator", "signature"}. The scores in it are those of an epoch; compare them by
    `aicp reputation verify`.
    """
    try:
        record = published["record"]
        contest, offers = read_record(record)
        operator, signature = parse_address(published["operator"]), parse_bytes(published["signature"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Mismatch(f"This is no record of an award: {error}.") from error
    message = AwardInputs(
        task_hash=award.task_hash, bid_hash=award.bid_hash, inputs_hash=inputs_hash(record), rule=record["rule"]
    )
    if operator not in chain.operators or not signed_by(message.digest(chain.marketplace), signature, operator):
        raise Mismatch("The record is not signed by the operator for this award.")
    _same_task(task, contest)
    _same_bids(bids, offers)
    if not follows(record):
        raise Mismatch("The record's ranking does not follow from its own inputs.")
    ranking = rank(contest, offers)
    if ranking.winner is None or ranking.winner.bid_hash != award.bid_hash:
        raise Mismatch("By the rule another bid has won.")
    return DecidedByRule(contest, ranking)


def _same_task(task: models.Task, contest: Contest) -> None:
    if contest.task_hash != task.task_hash:
        raise Mismatch("The record is of another task.")
    if contest.budget_units > task.budget_units or contest.allowed_seconds != task.deliver_within_seconds:
        raise Mismatch("The record's limits are not those of the task.")
    document = task.document
    if document is None:
        return
    if task_hash(document) != task.task_hash:
        raise Mismatch("The task document does not match its hash.")
    if contest.weights != weights_of(document):
        raise Mismatch("The record weighs otherwise than the task says.")


def _same_bids(bids: Sequence[models.Bid], offers: Sequence[Offer]) -> None:
    signed = {bid.bid_hash: (bid.agent, bid.amount_units, bid.eta_seconds, bid.valid_until, bid.seq) for bid in bids}
    said = {
        offer.bid_hash: (offer.agent, offer.amount, offer.eta_seconds, offer.valid_until, offer.seq) for offer in offers
    }
    if signed != said:
        raise Mismatch("The record's bids are not those that the agents signed.")
    withdrawn = {bid.bid_hash for bid in bids if bid.withdrawn}
    if any(offer.withdrawn and offer.bid_hash not in withdrawn for offer in offers):
        raise Mismatch("The record leaves out a bid as withdrawn that was not.")
