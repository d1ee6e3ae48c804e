"""Whether an award follows from what was signed: every bid, its receipt, the root of all of them, the rule.

A record is the document of `aicp.rules.awarding` with the operator's signature of `AwardInputs`: it says that the rule
decided, and on what. Where the buyer had signed a `TaskOrder`, the first bid within its price wins. Otherwise the buyer
chose, and there is nothing to compute but that no bid was left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aicp.abi.reputation import ScoreLeaf
from aicp.abi.typed_data import AwardInputs, TaskOrder
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch
from aicp.client.verify import check_award, check_bid, check_commit, signed_by
from aicp.rules.auctions import options_of
from aicp.rules.awarding import Contest, Offer, Ranking, follows, inputs_hash, rank, read_record, weights_of
from aicp.rules.bids import bids_root
from aicp.rules.documents import task_hash
from aicp.rules.primitives import checksum, parse_address, parse_bytes
from aicp.rules.reputation import FLOOR
from aicp.rules.scores import epoch_root
from aicp.rules.specialties import task_specialty


@dataclass(frozen=True, slots=True)
class DecidedByRule:
    """The contest that the operator signed, and who stands where in it."""

    contest: Contest
    offers: tuple[Offer, ...]
    ranking: Ranking


def check_bids(
    task: models.Task,
    bids: Sequence[models.Bid],
    award: models.Award,
    chain: Chain,
    commits: Sequence[models.Commit] = (),
) -> None:
    """Check every bid, that none is missing under the award's root, and the award. Raises Mismatch.

    Receipts count 1, 2, 3 ... in a task, so a number that nobody shows is a bid that was taken and left out. Where bids
    are sealed, `commits` are what was receipted, and every bid shown must be one of them. Bids that came after the
    award are checked and not counted.
    """
    for bid in bids:
        check_bid(bid, task.task_hash, chain)
    for commit in commits:
        check_commit(commit, task.task_hash, chain)
    check_award(award, chain)
    if award.task_hash != task.task_hash:
        raise Mismatch("The award is of another task.")
    receipted: Sequence[models.Bid | models.Commit] = bids
    if commits or task.reveal_ends_at is not None:
        _same_sealed(bids, commits)
        receipted = commits
    if sorted(one.seq for one in receipted) != list(range(1, len(receipted) + 1)):
        raise Mismatch("The numbers of the receipts have holes: a bid that was taken is not shown.")
    counted = [one.bid_hash for one in receipted if one.seq <= award.bid_count]
    if len(counted) != award.bid_count or bids_root(counted) != award.bids_root:
        raise Mismatch("The award was made over other bids than those shown.")
    if award.bid_hash not in {bid.bid_hash for bid in bids} & set(counted):
        raise Mismatch("The bid that won is none of those shown.")


def _same_sealed(bids: Sequence[models.Bid], commits: Sequence[models.Commit]) -> None:
    sealed = {commit.bid_hash: (commit.agent, commit.seq, commit.commitment) for commit in commits}
    for bid in bids:
        if bid.sealed is None or sealed.get(bid.bid_hash) != (bid.agent, bid.seq, bid.sealed.commitment):
            raise Mismatch("A bid was shown that is none of the sealed ones.")


def check_order_award(
    task: models.Task,
    bids: Sequence[models.Bid],
    award: models.Award,
    chain: Chain,
    order: models.TaskOrder,
    *,
    earlier: Sequence[models.Award] = (),
) -> None:
    """Check that the buyer has signed the order by which a bid won at once, and that it was the first within its price.

    `earlier` are the task's awards before this one: their bids have had their turn. Raises Mismatch.
    """
    message = TaskOrder(
        task_hash=task.task_hash,
        buyer=task.buyer,
        max_amount=order.max_units,
        valid_until=order.valid_until,
        salt=order.salt,
    )
    digest = message.digest(chain.marketplace)
    if digest != order.order_hash or not signed_by(digest, order.signature, task.buyer):
        raise Mismatch("The order is not signed by the buyer of the task.")
    winner = next(bid for bid in bids if bid.bid_hash == award.bid_hash)
    if winner.amount_units > order.max_units:
        raise Mismatch("The bid that won is above the price the buyer has signed.")
    newest = {bid.agent: bid for bid in sorted(bids, key=lambda bid: bid.seq) if bid.seq <= award.bid_count}
    had_their_turn = _awarded(task.task_hash, earlier, chain)
    for bid in newest.values():
        if bid.withdrawn or bid.seq >= winner.seq or bid.amount_units > order.max_units:
            continue
        if bid.bid_hash not in had_their_turn and bid.valid_until > _latest_award(order, winner, earlier):
            raise Mismatch(f"The bid of {checksum(bid.agent)} came earlier and was within the price.")


def _latest_award(order: models.TaskOrder, winner: models.Bid, earlier: Sequence[models.Award]) -> float:
    """Return the unix second by which the bid had won: at once, unless others had to give the work back before.

    The service says when the order and the bid came; nobody has signed that.
    """
    return order.valid_until if earlier else max(order.created_at, winner.received_at).timestamp()


def check_record(
    task: models.Task,
    bids: Sequence[models.Bid],
    award: models.Award,
    chain: Chain,
    published: Mapping[str, Any],
    *,
    commits: Sequence[models.Commit] = (),
    earlier: Sequence[models.Award] = (),
) -> DecidedByRule:
    """Check that the rule gives the award, from the signed bids and the published inputs. Raises Mismatch.

    `published` is {"record", "operator", "signature"}. `earlier` are the task's awards before this one: a bid that the
    record passes over because its award lapsed must have one. The scores are those of an epoch; see `check_scores`.
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
    _same_bids(bids, commits, offers, award.bid_count)
    _lapsed_before(award, earlier, offers, chain)
    if not follows(record):
        raise Mismatch("The record's ranking does not follow from its own inputs.")
    ranking = rank(contest, offers)
    if ranking.winner is None or ranking.winner.bid_hash != award.bid_hash:
        raise Mismatch("By the rule another bid has won.")
    _no_scores_from_nowhere(task, contest, offers)
    return DecidedByRule(contest, offers, ranking)


def _same_task(task: models.Task, contest: Contest) -> None:
    if contest.task_hash != task.task_hash:
        raise Mismatch("The record is of another task.")
    limit = task.budget_units if task.reserve_units is None else task.reserve_units
    if contest.budget_units != limit or contest.allowed_seconds != task.deliver_within_seconds:
        raise Mismatch("The record's limits are not those of the task.")
    if task.award_weights is not None and asdict(contest.weights) != task.award_weights:
        raise Mismatch("The record weighs otherwise than the task says.")
    document = task.document
    if document is None:
        return
    if task_hash(document) != task.task_hash:
        raise Mismatch("The task document does not match its hash.")
    try:
        options = options_of(document)
    except ValueError as error:
        raise Mismatch(f"The task document's auction cannot be: {error}.") from error
    if contest.weights != weights_of(document):
        raise Mismatch("The record weighs otherwise than the task says.")
    if contest.budget_units != options.limit_units(int(document["budget_units"])):
        raise Mismatch("The record's limits are not those of the task.")


Signed = dict[bytes, tuple[bytes, int, int, int, int, bool]]


def _same_bids(
    bids: Sequence[models.Bid], commits: Sequence[models.Commit], offers: Sequence[Offer], count: int
) -> None:
    signed: Signed = {
        one.bid_hash: (one.agent, 0, 0, one.valid_until, one.seq, False) for one in commits if one.seq <= count
    }
    signed |= {
        bid.bid_hash: (bid.agent, bid.amount_units, bid.eta_seconds, bid.valid_until, bid.seq, True)
        for bid in bids
        if bid.seq <= count
    }
    said: Signed = {
        one.bid_hash: (one.agent, one.amount, one.eta_seconds, one.valid_until, one.seq, one.revealed) for one in offers
    }
    if signed != said:
        raise Mismatch("The record's bids are not those that the agents signed.")
    withdrawn = {bid.bid_hash for bid in bids if bid.withdrawn}
    withdrawn |= {commit.bid_hash for commit in commits if commit.withdrawn}
    if any(offer.withdrawn and offer.bid_hash not in withdrawn for offer in offers):
        raise Mismatch("The record leaves out a bid as withdrawn that was not.")


def _lapsed_before(award: models.Award, earlier: Sequence[models.Award], offers: Sequence[Offer], chain: Chain) -> None:
    awarded = _awarded(award.task_hash, earlier, chain)
    if any(offer.lapsed and offer.bid_hash not in awarded for offer in offers):
        raise Mismatch("The record passes over a bid as lapsed that was never awarded.")


def _awarded(task_hash: bytes, awards: Sequence[models.Award], chain: Chain) -> set[bytes]:
    """Return the bids that awards of a task name, all of them signed. Raises Mismatch."""
    for one in awards:
        check_award(one, chain)
    return {one.bid_hash for one in awards if one.task_hash == task_hash}


def _no_scores_from_nowhere(task: models.Task, contest: Contest, offers: Sequence[Offer]) -> None:
    """Where no epoch counted nobody had a score, and where a task has no type nobody had one in it."""
    unscored = contest.epoch == 0
    unspecial = unscored or task_specialty({"capability": task.capability}) is None
    for offer in offers:
        if (unscored and offer.reputation != FLOOR) or (unspecial and offer.specialty != FLOOR):
            raise Mismatch(f"The record gives {checksum(offer.agent)} a score that nobody can have had.")


def check_scores(decided: DecidedByRule, file: models.EpochFile, root: bytes | None) -> None:
    """Check that the record's scores are those of the epoch's file and, where the root is known, that it is theirs.

    `root` is the one the chain has for the epoch. Raises Mismatch.
    """
    if file.epoch != decided.contest.epoch:
        raise Mismatch("The file of scores is of another epoch than the record's.")
    leaves = [
        ScoreLeaf(
            agent=leaf.agent,
            score=leaf.score,
            settled_value=leaf.settled_value_units,
            jobs=leaf.jobs,
            epoch=file.epoch,
        )
        for leaf in file.leaves
    ]
    if root is not None and epoch_root(leaves) != root:
        raise Mismatch("The file of scores is not the one whose root the chain has.")
    scores = {leaf.agent: leaf.score for leaf in leaves}
    for offer in decided.offers:
        if offer.reputation != scores.get(offer.agent, FLOOR):
            raise Mismatch(f"The record gives {checksum(offer.agent)} another score than epoch {file.epoch} does.")
