"""Which step a round of scores takes: never two epochs for one day, never a number that may still be used."""

from __future__ import annotations

from dataclasses import replace

from aicp.rules.decay import DAY
from backend.db.times import moment
from backend.reputation.epochs import Standing, Step, next_step
from backend.reputation.models import ScoreEpoch
from backend.txm.models import Intent
from indexer.views import ScoreEpochRow

END = 20_000 * DAY
NOW = END + 3_600
OURS, FOREIGN = b"\1" * 32, b"\2" * 32


def made(number: int, end: int = END) -> ScoreEpoch:
    return ScoreEpoch(id=number, epoch=number, ended_at=moment(end), manifest_hash=OURS)


def row(number: int, manifest: bytes = OURS, *, active_at: int = 0, vetoed: bool = False) -> ScoreEpochRow:
    return ScoreEpochRow(
        epoch=number, root=bytes(32), leaf_count=1, manifest_hash=manifest, uri="", anchored_at=0, active_at=active_at,
        vetoed=vetoed,
    )  # fmt: skip


def intent(state: str, at: int = 0) -> Intent:
    return Intent(state=state, updated_at=moment(at))


NOTHING = Standing(end=END, final_number=10, newest=None, seen=[], final=[], tries=[])
COMPUTED = replace(NOTHING, newest=made(1))
ANCHORED = replace(COMPUTED, seen=[row(1)], final=[row(1)], tries=[intent("final")])


def test_each_day_is_computed_once() -> None:
    assert next_step(NOTHING, NOW) is Step.COMPUTE
    assert next_step(COMPUTED, NOW) is Step.SEND
    assert next_step(ANCHORED, NOW) is Step.WAIT
    assert next_step(replace(ANCHORED, end=END + DAY), NOW + DAY) is Step.COMPUTE


def test_what_may_still_come_to_the_chain_is_waited_for() -> None:
    later = END + DAY
    for state in ("queued", "sent", "mined", "final"):
        assert next_step(replace(COMPUTED, tries=[intent(state)], end=later), NOW + DAY) is Step.WAIT, state
    assert next_step(replace(ANCHORED, final=[], end=later), NOW + DAY) is Step.WAIT
    assert next_step(replace(COMPUTED, tries=[intent("failed"), intent("final")], end=later), NOW + DAY) is Step.WAIT


def test_what_failed_is_sent_again_after_a_pause_and_replaced_after_a_day() -> None:
    failed = replace(COMPUTED, tries=[intent("failed", NOW)])
    assert next_step(failed, NOW) is Step.WAIT
    assert next_step(failed, NOW + 600) is Step.SEND
    assert next_step(replace(failed, end=END + DAY), NOW + DAY) is Step.COMPUTE


def test_a_pending_epoch_is_waited_for_and_a_vetoed_one_is_not() -> None:
    for vetoed, step in ((False, Step.WAIT), (True, Step.SEND)):
        before = [row(1, FOREIGN, active_at=NOW + 60, vetoed=vetoed)]
        assert next_step(replace(NOTHING, newest=made(2), seen=before, final=before), NOW) is step


def test_a_vetoed_epoch_is_not_computed_again_for_its_day() -> None:
    vetoed = [row(1, vetoed=True)]
    standing = replace(ANCHORED, seen=vetoed, final=vetoed)
    assert next_step(standing, NOW) is Step.WAIT
    assert next_step(replace(standing, end=END + DAY), NOW + DAY) is Step.COMPUTE


def test_a_number_that_somebody_else_took_is_given_up() -> None:
    taken = [row(1, FOREIGN)]
    assert next_step(replace(COMPUTED, seen=taken, final=taken), NOW) is Step.COMPUTE
    assert next_step(replace(COMPUTED, seen=taken), NOW) is Step.WAIT
