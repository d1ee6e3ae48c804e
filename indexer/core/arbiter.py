"""DisputeArbiter's events as row changes: disputes, rounds, ballots, appeals and where the money of each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from aicp.abi import arbiter as abi
from aicp.abi.enums import BallotState, DisputePeriod
from aicp.abi.runtime import decode_dynamic, expect_topics, read_address, read_uint
from indexer.core import jurors, ledger
from indexer.core.arbiter_rows import ArbiterBallot, ArbiterDispute, ArbiterEvent, ArbiterRound, ArbiterSession, Juror
from indexer.core.context import ArbiterTerms, Contracts
from indexer.core.rows import Key, Place
from indexer.core.spelling import spelled
from indexer.core.workspace import ReducerError, Workspace

CONTRACT: Final = "arbiter"
ROUNDS: Final = 3

_KINDS: Final[dict[type[Any], str]] = {
    abi.DisputeCreation: "created",
    abi.DisputeParties: "parties_named",
    abi.RelatedDisclosed: "related_disclosed",
    abi.Evidence: "evidence",
    abi.NewPeriod: "new_period",
    abi.JurorDrawn: "juror_drawn",
    abi.CommitCast: "commit_cast",
    abi.VoteCast: "vote_cast",
    abi.LeakReported: "leak_reported",
    abi.AppealPossible: "appeal_possible",
    abi.AppealContributed: "appeal_contributed",
    abi.ExcessCredited: "excess_credited",
    abi.AppealDecision: "appeal_decision",
    abi.Ruling: "ruling",
    abi.RulingUndelivered: "ruling_undelivered",
    abi.BallotSettled: "ballot_settled",
    abi.ContributionReturned: "contribution_returned",
    abi.RoundSwept: "round_swept",
}
_PAID: Final[dict[type[Any], str]] = {
    abi.LeakReported: "reporter",
    abi.ContributionReturned: "account",
    abi.ExcessCredited: "account",
}
_SEATED = abi.JurorDrawn | abi.CommitCast | abi.VoteCast | abi.LeakReported | abi.BallotSettled
_SILENT = (
    abi.InflowsPaused | abi.InflowsUnpaused | abi.EIP712DomainChanged | abi.Dispute | abi.MetaEvidence
    | abi.TokenRescued
)  # fmt: skip


class _Evidence:
    """Reads evidence whatever bytes it is: anyone may publish some, and nobody may stop the stream with it."""

    @staticmethod
    def decode(topics: Sequence[bytes], data: bytes) -> abi.Evidence:
        expect_topics(topics, abi.Evidence.TOPIC, 4)
        [text] = decode_dynamic(("bytes",), data)
        return abi.Evidence(
            arbitrator=read_address(topics[1], 0),
            evidence_group_id=read_uint(topics[2], 0, 256),
            party=read_address(topics[3], 0),
            evidence=text.decode("utf-8", "replace"),
        )


EVENTS: Final[dict[bytes, Any]] = {**abi.EVENTS, abi.Evidence.TOPIC: _Evidence}


def round_key(dispute_id: bytes, number: int) -> bytes:
    """Return the key of a round."""
    return dispute_id + bytes([number])


def keys(event: Any, workspace: Workspace, contracts: Contracts) -> list[Key]:  # noqa: ARG001  # one shape for all
    """Return the rows the event reads or changes."""
    terms = _terms(contracts)
    here = terms.address
    match event:
        case abi.SessionAdvanced():
            return [(ArbiterSession, here)]
        case abi.Withdrawn():
            return [ledger.ledger_key(here, event.account)]
        case _ if isinstance(event, jurors.STAKES):
            return [(Juror, event.juror)]
        case _ if type(event) not in _KINDS:
            return []
        case _:
            dispute_id = _dispute_id(event)
            rounds = [round_key(dispute_id, number) for number in range(ROUNDS)]
            found: list[Key] = [(ArbiterDispute, dispute_id), *((ArbiterRound, key) for key in rounds)]
            if isinstance(event, _SEATED):
                found += [(ArbiterBallot, key + event.juror) for key in rounds]
                found += [(Juror, event.juror), ledger.ledger_key(here, event.juror)]
            paid = _PAID.get(type(event))
            if paid is not None:
                found.append(ledger.ledger_key(here, getattr(event, paid)))
            return [*found, ledger.ledger_key(here, terms.sink)]


def apply(event: Any, place: Place, workspace: Workspace, contracts: Contracts) -> None:
    """Change the rows. Raises ReducerError when the event does not follow what we hold."""
    terms = _terms(contracts)
    match event:
        case abi.SessionAdvanced():
            jurors.session(event, terms.address, place, workspace)
        case abi.Withdrawn():
            _withdrawn(event, terms, place, workspace)
        case _ if isinstance(event, jurors.STAKES):
            kind, amount = jurors.moved(event, place, workspace)
            workspace.note(place, (event.juror,), CONTRACT, kind, None, amount)
        case _ if type(event) in _KINDS:
            _in_dispute(event, place, workspace, terms)
        case _ if isinstance(event, _SILENT):
            return
        case _:
            raise ReducerError(f"no rule for DisputeArbiter's {type(event).__name__}")


def _terms(contracts: Contracts) -> ArbiterTerms:
    if contracts.arbiter is None:
        raise ReducerError("this deployment has no arbiter")
    return contracts.arbiter


def _dispute_id(event: Any) -> bytes:
    number: int = event.evidence_group_id if isinstance(event, abi.Evidence) else event.dispute_id
    return number.to_bytes(32, "big")


def _withdrawn(event: abi.Withdrawn, terms: ArbiterTerms, place: Place, workspace: Workspace) -> None:
    ledger.move(workspace, place, terms.address, event.account, -event.amount, "withdrawn", None)
    workspace.note(place, (event.account, event.to), CONTRACT, "withdrawn", None, event.amount)


def _in_dispute(event: Any, place: Place, workspace: Workspace, terms: ArbiterTerms) -> None:
    dispute_id, kind = _dispute_id(event), _KINDS[type(event)]
    account: bytes | None = getattr(event, "juror", None) or getattr(event, "account", None)
    amount = 0
    if isinstance(event, abi.DisputeCreation):
        _created(event, dispute_id, place, workspace, terms)
    else:
        row = workspace.need(ArbiterDispute, dispute_id)
        match event:
            case abi.ExcessCredited():
                amount = event.amount
                ledger.move(workspace, place, terms.address, event.account, amount, "excess", None)
            case abi.AppealContributed() | abi.ContributionReturned() | abi.RoundSwept():
                amount = event.amount
                _money(event, row, place, workspace, terms)
            case _ if isinstance(event, _SEATED):
                amount = event.reward if isinstance(event, abi.BallotSettled) else 0
                _seated(event, row, place, workspace, terms)
            case abi.Evidence() | abi.RelatedDisclosed():
                account = event.party
            case _:
                _proceed(event, row, place, workspace, terms)
    workspace.append(
        ArbiterEvent(place=place, dispute_id=dispute_id, kind=kind, account=account, fields=spelled(event))
    )
    if account is not None:
        workspace.note(place, (account,), CONTRACT, kind, dispute_id, amount)


def _created(
    event: abi.DisputeCreation, dispute_id: bytes, place: Place, workspace: Workspace, terms: ArbiterTerms
) -> None:
    if workspace.find(ArbiterDispute, dispute_id) is not None:
        raise ReducerError(f"dispute {event.dispute_id} created twice")
    row = ArbiterDispute(
        dispute_id=dispute_id,
        arbitrable=event.arbitrable,
        created_at=place.block_time,
        period=_period(DisputePeriod.EVIDENCE),
        period_at=place.block_time,
    )
    workspace.put(row, place)
    _open_round(row, 0, place, workspace, terms)


def _open_round(row: ArbiterDispute, number: int, place: Place, workspace: Workspace, terms: ArbiterTerms) -> int:
    """Add a round with its fee in the pot; return the fee."""
    cost = terms.fee_per_seat * _seats(number)
    key = round_key(row.dispute_id, number)
    fresh = ArbiterRound(round_id=key, dispute_id=row.dispute_id, round_number=number, pot_units=cost)
    workspace.put(fresh, place)
    return cost


def _seats(number: int) -> int:
    return (4 << number) - 1


def _period(code: int) -> str:
    return DisputePeriod(code).name.lower()


def _proceed(event: Any, row: ArbiterDispute, place: Place, workspace: Workspace, terms: ArbiterTerms) -> None:
    match event:
        case abi.NewPeriod():
            row.period, row.period_at = _period(event.period), place.block_time
            if event.period == DisputePeriod.DRAWING:
                waiting = workspace.need(ArbiterRound, round_key(row.dispute_id, row.round_number))
                waiting.seats = _seats(row.round_number)
                workspace.put(waiting, place)
        case abi.DisputeParties():
            row.extra_data, row.reference = event.extra_data, event.extra_data[:32]
        case abi.AppealDecision():
            appealed = workspace.need(ArbiterRound, round_key(row.dispute_id, row.round_number))
            row.round_number += 1
            appealed.appeal_left_units -= _open_round(row, row.round_number, place, workspace, terms)
            workspace.put(appealed, place)
        case abi.Ruling():
            row.ruling = event.ruling
        case abi.RulingUndelivered():
            row.delivered = False
        case _:
            return
    workspace.put(row, place)


def _seated(event: Any, row: ArbiterDispute, place: Place, workspace: Workspace, terms: ArbiterTerms) -> None:
    named = isinstance(event, abi.JurorDrawn | abi.BallotSettled)
    number = event.round if named else row.round_number
    panel = workspace.need(ArbiterRound, round_key(row.dispute_id, number))
    key = panel.round_id + event.juror
    if isinstance(event, abi.JurorDrawn):
        found = workspace.find(ArbiterBallot, key)
        ballot = found or ArbiterBallot(
            ballot_id=key, dispute_id=row.dispute_id, round_number=number, juror=event.juror
        )
    else:
        ballot = workspace.need(ArbiterBallot, key)
    stake = terms.stake_per_seat * ballot.seats
    match event:
        case abi.JurorDrawn():
            ballot.seats += 1
            panel.drawn += 1
            jurors.risk(event.juror, -terms.stake_per_seat, terms.stake_per_seat, place, workspace)
        case abi.CommitCast():
            ballot.commitment, ballot.state = event.commitment, _state(BallotState.COMMITTED)
            panel.committed += ballot.seats
        case abi.VoteCast():
            ballot.choice, ballot.state = event.choice, _state(BallotState.REVEALED)
            _count(panel, event.choice, event.seats)
        case abi.LeakReported():
            ballot.state, ballot.settled = _state(BallotState.LEAKED), True
            panel.leaked += ballot.seats
            panel.pot_units += stake - event.share
            jurors.risk(event.juror, 0, -stake, place, workspace)
            ledger.move(workspace, place, terms.address, event.reporter, event.share, "leak_share", None)
        case _:
            ballot.settled, ballot.returned_units, ballot.reward_units = True, event.returned, event.reward
            panel.pot_units += stake - event.returned - event.reward
            jurors.risk(event.juror, event.returned, -stake, place, workspace)
            ledger.move(workspace, place, terms.address, event.juror, event.reward, "reward", None)
    workspace.put(ballot, place)
    workspace.put(panel, place)


def _state(state: BallotState) -> str:
    return state.name.lower()


def _count(panel: ArbiterRound, choice: int, seats: int) -> None:
    match choice:
        case 0:
            panel.refused_votes += seats
        case 1:
            panel.first_votes += seats
        case _:
            panel.second_votes += seats


def _money(event: Any, row: ArbiterDispute, place: Place, workspace: Workspace, terms: ArbiterTerms) -> None:
    target = workspace.need(ArbiterRound, round_key(row.dispute_id, event.round))
    match event:
        case abi.AppealContributed():
            target.appeal_left_units += event.amount
            if event.side == 1:
                target.appeal_first_units += event.amount
            else:
                target.appeal_second_units += event.amount
        case abi.ContributionReturned():
            target.appeal_left_units -= event.amount
            ledger.move(workspace, place, terms.address, event.account, event.amount, "contribution", None)
        case _:
            target.swept = True
            target.pot_units -= event.amount
            ledger.move(workspace, place, terms.address, terms.sink, event.amount, "swept", None)
    if target.appeal_left_units < 0:
        raise ReducerError(f"dispute 0x{row.dispute_id.hex()} returns more than was paid for its appeal")
    workspace.put(target, place)
