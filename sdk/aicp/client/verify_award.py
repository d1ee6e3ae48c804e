"""Whether an award follows from what was signed: every bid, its receipt, the root of all of them, the rule.

A record is the document of `aicp.rules.awarding` with the operator's signature of `AwardInputs`: it says that the rule
decided, and on what. Where the buyer had signed a `TaskOrder`, the first bid within its price wins. Otherwise the buyer
chose, which nobody signs: what can be computed is that no bid was left out, and that the task left him the choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aicp.abi.reputation import EpochAnchored, ScoreLeaf
from aicp.abi.typed_data import AwardInputs, TaskOrder
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch
from aicp.client.verify import check_award, check_bid, check_commit, signed_by
from aicp.rules.auctions import AuctionOptions, options_of
from aicp.rules.awarding import Contest, Offer, Ranking, Weights, follows, inputs_hash, rank, read_record
from aicp.rules.bids import bids_root
from aicp.rules.documents import task_hash
from aicp.rules.primitives import checksum, parse_address, parse_bytes
from aicp.rules.reputation import FLOOR
from aicp.rules.scores import epoch_root
from aicp.rules.specialties import task_specialty

_CLOCKS_APART_SECONDS: Final = 300


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
    if operator not in chain.operators:
        raise Mismatch(f"The record names {chain.stranger(operator)}.")
    if not signed_by(message.digest(chain.marketplace), signature, operator):
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
    decided = DecidedByRule(contest, offers, ranking)
    _decided_in_time(task, decided)
    return decided


def auction_of(task: models.Task) -> AuctionOptions:
    """Return how a task is awarded: as its document says where that is shown, else as the service says.

    Raises Mismatch where the document is not the task's, or says otherwise than the service of this or of the limits.
    """
    try:
        told = AuctionOptions(
            weights=None if task.award_weights is None else Weights(**task.award_weights),
            reserve_units=task.reserve_units,
            buy_now_units=task.buy_now_units,
            instant=task.instant,
        )
    except (TypeError, ValueError) as error:
        raise Mismatch(f"The task's auction cannot be: {error}.") from error
    document = task.document
    if document is None:
        return told
    if task_hash(document) != task.task_hash:
        raise Mismatch("The task document does not match its hash.")
    try:
        signed = options_of(document)
        limits = (int(document["budget_units"]), int(document["deliver_within_seconds"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Mismatch(f"The task document's auction cannot be: {error}.") from error
    if replace(signed, reveal_seconds=None, extension=None) != told:
        raise Mismatch("The service tells another way of awarding the task than its document.")
    if limits != (task.budget_units, task.deliver_within_seconds):
        raise Mismatch("The service tells other limits of the task than its document.")
    return signed


def check_choice(
    task: models.Task,
    bids: Sequence[models.Bid],
    award: models.Award,
    chain: Chain,
    *,
    commits: Sequence[models.Commit] = (),
    earlier: Sequence[models.Award] = (),
) -> None:
    """Check that the task left the choice to its buyer: no scheduler assigns it, and no bid counted for its rule.

    When he chose nobody has signed; but it was while the bid he chose was valid. So a bid that runs out sooner may have
    run out by then, and any other one counted. Raises Mismatch.
    """
    auction = auction_of(task)
    if auction.instant:
        raise Mismatch("The scheduler assigns this task, within the price its buyer has signed: nobody chooses.")
    if auction.weights is None:
        return
    winner = next(bid for bid in bids if bid.bid_hash == award.bid_hash)
    lapsed = _awarded(task.task_hash, earlier, chain)
    shown = {bid.bid_hash for bid in bids}
    offers = [
        Offer(
            bid_hash=bid.bid_hash,
            agent=bid.agent,
            amount=bid.amount_units,
            eta_seconds=bid.eta_seconds,
            valid_until=bid.valid_until,
            seq=bid.seq,
            withdrawn=bid.withdrawn,
            lapsed=bid.bid_hash in lapsed,
        )
        for bid in bids
        if bid.seq <= award.bid_count
    ] + [
        Offer(
            bid_hash=one.bid_hash,
            agent=one.agent,
            amount=0,
            eta_seconds=0,
            valid_until=one.valid_until,
            seq=one.seq,
            withdrawn=one.withdrawn,
            revealed=False,
        )
        for one in commits
        if one.seq <= award.bid_count and one.bid_hash not in shown
    ]
    contest = Contest(
        task_hash=task.task_hash,
        budget_units=auction.limit_units(task.budget_units),
        allowed_seconds=task.deliver_within_seconds,
        weights=auction.weights,
        epoch=0,
        decided_at=winner.valid_until - 1,
    )
    if rank(contest, offers).winner is not None:
        raise Mismatch("The rule awards this task, and a bid counted for it: the award needs the rule's record.")


def _same_task(task: models.Task, contest: Contest) -> None:
    auction = auction_of(task)
    if contest.task_hash != task.task_hash:
        raise Mismatch("The record is of another task.")
    if auction.weights is None:
        raise Mismatch("The task names no weights: the rule does not award it.")
    if contest.weights != auction.weights:
        raise Mismatch("The record weighs otherwise than the task says.")
    limits = (auction.limit_units(task.budget_units), task.deliver_within_seconds)
    if limits != (contest.budget_units, contest.allowed_seconds):
        raise Mismatch("The record's limits are not those of the task.")


def _decided_in_time(task: models.Task, decided: DecidedByRule) -> None:
    """A buyer may ask for the award at any time, but not while sealed bids may come or be shown."""
    if task.reveal_ends_at is None:
        return
    hidden = any(reason == "unrevealed" for _, reason in decided.ranking.excluded)
    if decided.contest.decided_at < (task.reveal_ends_at if hidden else task.auction_ends_at).timestamp():
        raise Mismatch("The record says that the award was decided while sealed bids might come or be shown.")


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


def check_decided(decided: DecidedByRule, *, now: int) -> None:
    """Check that a record does not say that the award is decided later than now. Raises Mismatch."""
    if decided.contest.decided_at > now + _CLOCKS_APART_SECONDS:
        raise Mismatch("The record says that the award is still to be decided.")


def check_epoch(decided: DecidedByRule, newest: EpochAnchored | None) -> None:
    """Check that the record goes by the newest epoch that counted when it was decided, as the chain tells it.

    `newest` is None where none counted then. Raises Mismatch.
    """
    named, counted = decided.contest.epoch, 0 if newest is None else newest.epoch
    if named != counted:
        by = f"the scores of epoch {named}" if named else "no scores"
        raise Mismatch(f"The record goes by {by}; the newest epoch that counted then is {counted or 'none'}.")


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
