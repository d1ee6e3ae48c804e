"""What each guard of the money engine is for: a scenario that ends well with it and badly without it.

`away` puts something else in the guard's place; `rewritten` changes a line of a function. Both fail where the name or
the line is not there, so no guard is gone without somebody noticing. The fault table is in `docs/Simulation.md`.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pytest

from backend.errors import Unavailable
from tests.sim.guards import Removal, away, nothing
from tests.sim.money import outside, paying, sending
from tests.sim.money.stage import Stage


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: the row of the fault table it answers, what it is, how to take it away, what then goes wrong."""

    row: str
    name: str
    scenario: Callable[[Stage], None]
    remove: Removal

    def __str__(self) -> str:
        return f"{self.row}: {self.name}"


def rewritten(place: str, *changes: tuple[str, str]) -> Removal:
    """Return a removal that changes the text of a function ("module:name" or "module:Class.name")."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        module_name, _, path = place.partition(":")
        module: Any = importlib.import_module(module_name)
        owner: Any = module
        *outer, name = path.split(".")
        for step in outer:
            owner = getattr(owner, step)
        source = textwrap.dedent(inspect.getsource(getattr(owner, name)))
        for old, new in changes:
            assert source.count(old) == 1, f"{place} holds {old!r} {source.count(old)} times"
            source = source.replace(old, new)
        made: dict[str, Any] = {}
        exec(compile("from __future__ import annotations\n" + source, f"<{place}>", "exec"), vars(module), made)
        patch.setattr(owner, name, made[name])

    return remove


def both(*removals: Removal) -> Removal:
    """Return a removal of several things that are one guard."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        for one in removals:
            one(patch)

    return remove


def _answer_before_commit(patch: pytest.MonkeyPatch) -> None:
    database = importlib.import_module("backend.db.engine").SyncDatabase
    real = database.write

    def write(self: Any, fn: Any) -> Any:
        found: list[Any] = []

        def kept(session: Any) -> Any:
            found.append(fn(session))
            return found[0]

        try:
            return real(self, kept)
        except Unavailable:
            if not found:
                raise
            return found[0]

    patch.setattr(database, "write", write)


def _newest_block_only(patch: pytest.MonkeyPatch) -> None:
    place = "indexer.views.channel:pool_headroom_expr"
    lesser = 'func.least(_asked.c.balance_units, _final_value(_asked, "balance_units"))'
    rewritten(place, (lesser, "_asked.c.balance_units"))(patch)
    view = importlib.import_module("indexer.views.channel").pool_headroom_expr
    patch.setattr("backend.payments.repo.pool_headroom_expr", view)


def _known_comes_first(patch: pytest.MonkeyPatch) -> None:
    words = importlib.import_module("backend.txm.classify")
    first = sorted(words._WORDINGS, key=lambda one: one[0] is not words.SendOutcome.KNOWN)
    patch.setattr(words, "_WORDINGS", tuple(first))


def _believe_every_node(patch: pytest.MonkeyPatch) -> None:
    def check(_self: Any, node: Any) -> None:
        node.trusted = True

    patch.setattr("backend.txm.rpc.Rpc._check_chain", check)


class _AnotherError(Exception):
    """Nobody raises it."""


_PREPARE: Final = "backend.txm.prepare"
_TAKEN: Final = "repo.take_nonces(chain_id, key.address, key.next_nonce, len(key.load))"
_ONCE: Final = both(
    rewritten("backend.txm.broadcast:_claim", ("sent_at is None or not lately < sent_at <= now", "sent_at is None")),
    away("backend.txm.replace:bump_stuck", instead=lambda _: 0),  # it would send it too, at a higher price
)
_LATE: Final = "and_(~_open_or_unseen(ClaimTry.intent_id), or_(~failed, over))"
_FINAL: Final = "session.execute(repo.finalized_number()).scalar_one_or_none()"
_NEWEST: Final = "session.connection().exec_driver_sql('SELECT number FROM chain.cursor').scalar_one()"
GUARDS: Final = (
    Guard(
        *("T1", "nonce, row and signed bytes are one commit", sending.dies_anywhere),
        rewritten(
            f"{_PREPARE}:allocate",
            (f"session.execute({_TAKEN}).first()", f"machine.db.write(lambda s: s.execute({_TAKEN}).first())"),
        ),
    ),
    Guard(
        *("T1", "an intent is looked at again under its lock", sending.same_intent_on_two_keys),
        rewritten(
            f"{_PREPARE}:_still_waits", ("return intent.state == IntentState.QUEUED.value and ", "return True or ")
        ),
    ),
    Guard(
        *("T2", "what a node may hold is never given up", sending.unknown_is_not_rejected),
        away("backend.txm.broadcast:refused_by_all", instead=lambda _: True),
    ),
    Guard(
        *("T3", "what was sent and has no receipt is sent again", sending.lost_before_the_node),
        _ONCE,
    ),
    Guard(
        *("T4", "nonces are taken only if they are still the next", sending.same_nonces_twice),
        rewritten("backend.txm.repo:take_nonces", ("RelayAccount.next_nonce == first,", "")),
    ),
    Guard(
        *("T5", "an idempotency key names one call", sending.asked_twice),
        rewritten("backend.txm.repo:new_intent", ('.on_conflict_do_nothing(index_elements=["idem_key"])', "")),
    ),
    Guard(
        *("T6", "fees rise by an eighth", sending.base_fee_rises),
        rewritten("backend.txm.fees:_bumped", ("value * 9 // 8", "value * 21 // 20")),
    ),
    Guard(
        *("T7", "what the pools forget is sent again", sending.mempool_dropped),
        _ONCE,
    ),
    Guard(
        *("T8", "a stranger's use of a nonce is found", sending.used_by_a_stranger),
        away("backend.txm.heal:find_foreign_use", instead=lambda _: 0),
    ),
    Guard(
        *("T8", "our own hashes are no stranger's", sending.ours_without_a_receipt),
        rewritten("backend.txm.heal:_supersede", ("        return 0  # our own", "        pass  # our own")),
    ),
    Guard(
        *("T9", "only what is under the finalised block is final", sending.reorged_out),
        away("backend.txm.confirm:_Heights.is_final", instead=lambda *_: True),
    ),
    Guard(
        *("T9", "what left the chain is sent again", sending.reorged_out),
        away("backend.txm.confirm:_may_be_gone", instead=lambda *_: False),
    ),
    Guard(
        *("T9", "receipts of every attempt are asked for", sending.mined_elsewhere),
        rewritten(
            "backend.txm.confirm:_look_up", ("for _, tx_hash, _ in attempts])", "for _, tx_hash, _ in attempts[-1:]])")
        ),
    ),
    Guard(
        *("T9", "the ledger posts final blocks only", paying.ledger_of_what_is_final),
        rewritten(
            "backend.reconciliation.service:follow",
            (_FINAL, _NEWEST),
        ),
    ),
    Guard(
        *("T10", "a key that cannot pay signs nothing", sending.out_of_funds),
        both(
            rewritten(
                f"{_PREPARE}:_prepare",
                ("key.short = key.balance_wei < NOOP_GAS * fees.max_fee_wei", "key.short = False"),
            ),
            rewritten(f"{_PREPARE}:_load", ("if key.balance_wei >= ready.most_wei]", "]")),
        ),
    ),
    Guard(
        *("T11", "a receipt says whether the call succeeded", sending.fails_on_chain),
        rewritten("backend.txm.reading:receipt", ('succeeded=number(answer["status"]) == 1', "succeeded=True")),
    ),
    Guard(
        *("T12", "a nonce no node ever takes is spent on nothing", sending.rejected_for_good),
        away("backend.txm.broadcast:replace_by_noop", instead=nothing),
    ),
    Guard(
        *("T13", "whatever a message rings for is on the clock too", outside.only_the_clock_rings),
        rewritten(
            "backend.worker.app:_schedule",
            ("for name, queue in QUEUES.items()", 'for name, queue in QUEUES.items() if name != "aicp.settle"'),
        ),
    ),
    Guard(
        *("T14", "a batch of claims is looked at again under the lock", outside.two_settle_at_once),
        rewritten("backend.settlement.service:_enqueue", ("if len(still) < len(rows):", "if False:")),
    ),
    Guard("T15", "the wrong node's words come first", sending.words_of_a_wrong_node, _known_comes_first),
    Guard(
        *("T16", "each receipt is simulated before it is in a batch", paying.bad_row),
        away("backend.settlement.service:_taken", instead=lambda _machine, _policy, found: found),
    ),
    Guard("T17", "a node is asked for its chain", sending.wrong_chain, _believe_every_node),
    Guard(
        *("T17", "a signer that is silent takes no nonce", sending.signer_is_silent),
        away(f"{_PREPARE}:SignerUnavailable", instead=_AnotherError),
    ),
    Guard("T18", "sixteen in flight", sending.seventeenth, away(f"{_PREPARE}:MAX_IN_FLIGHT", instead=64)),
    Guard(
        *("T19", "a stamp from the future is old", sending.clock_goes_back),
        rewritten("backend.txm.broadcast:_claim", ("not lately < sent_at <= now", "not lately < sent_at")),
    ),
    Guard(
        *("P1", "the pool's row decides what is promised", paying.more_than_the_pool),
        rewritten("backend.payments.repo:reserve", ("room >= promised, ", "")),
    ),
    Guard(
        *("P2", "vouchers are the session key's", paying.strangers_voucher),
        rewritten(
            "backend.payments.orders:_raise_ceiling",
            ("require_key(message, ctx.domains.channel, offered.signature, way.voucher_signer)", "assert message"),
        ),
    ),
    Guard(
        *("P3", "an order asked for again is the same order", paying.lost_answer),
        rewritten(
            "backend.payments.orders:place",
            ("if stored is not None and stored.signature == given.signature:", "if False:"),
        ),
    ),
    Guard("P4", "the answer follows the COMMIT", paying.lost_commit, _answer_before_commit),
    Guard(
        *("P5", "what nobody knows is not told as stored", outside.database_goes_away),
        rewritten(
            "backend.payments.writer:Writer._written",
            ("self._lose([*(item for item, _ in everybody), *plan.lower])\n        return False", "return True"),
        ),
    ),
    Guard("P6", "nothing is promised on what is not final", paying.deposit_reorged_out, _newest_block_only),
    Guard(
        *("P7", "threatened receipts are claimed at once", paying.withdrawal_with_receipts),
        rewritten("backend.settlement.repo:claimable", ("due = or_(endangered, and_(", "due = or_(false(), and_(")),
    ),
    Guard(
        *("P7", "a withdrawal with receipts raises an alarm", paying.alarm_of_a_withdrawal),
        rewritten(
            "backend.settlement.service:settle", ('_log.error("a withdrawal threatens receipts"', '_log.info("quiet"')
        ),
    ),
    Guard(
        *("P7", "a closing pool promises nothing", paying.closing_pool),
        rewritten(
            "backend.payments.orders:_check_pool",
            ("if pool.withdraw_units or pool.pending_withdraw_units:", "if False:"),
        ),
    ),
    Guard(
        *("P7", "nothing is promised for longer than a withdrawal waits", paying.withdrawal_nobody_sees),
        away("backend.payments.orders:claim_is_safe", instead=lambda **_: True),
    ),
    Guard(
        *("P8", "the threshold itself is paid by escrow", paying.exact_threshold),
        away("backend.tasks.view:choose_path", "backend.deals.service:choose_path", instead=lambda *_, **__: "channel"),
    ),
    Guard(
        *("P9", "whom a settlement did not pay is paid by another", paying.payout_lost),
        away("backend.settlement.service:pay_unpaid", instead=lambda _: 0),
    ),
    Guard(
        *("P9", "no claim before the mirror has read the one before", paying.claims_follow_the_mirror),
        rewritten("backend.settlement.repo:claimable", (_LATE, "or_(~failed, over)")),
    ),
    Guard(
        *("P11", "what waits is bounded", outside.more_than_it_takes),
        rewritten(
            "backend.payments.engine:Engine.offer",
            ("self._single >= MOST_WAITING", "False"),
        ),
    ),
)
