"""What each guard of the transaction manager is for: a story that ends well with it and badly without it.

A guard is taken away by replacing names, or by editing the source of a function: what is edited must be there.
The fault table is in `docs/Simulation.md`.
"""

from __future__ import annotations

import importlib
import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from backend.txm.classify import SendOutcome
from tests.integration.money import txm_faults as faults
from tests.integration.money.txm_faults import Story

Removal = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard: the row of the fault table it answers, what it is, how to take it away."""

    row: str
    name: str
    story: Story
    remove: Removal

    def __str__(self) -> str:
        return f"{self.row}: {self.name}"


def _owner(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for step in outer:
        owner = getattr(owner, step)
    return owner, name


def away(place: str, instead: Any) -> Removal:
    """Return a removal that puts `instead` in this place ("module:name" or "module:Class.name")."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(*_owner(place), instead)

    return remove


def edited(place: str, old: str, new: str) -> Removal:
    """Return a removal that puts a function in its place whose source has `new` instead of `old`."""

    def remove(patch: pytest.MonkeyPatch) -> None:
        owner, name = _owner(place)
        function = getattr(owner, name)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(old) == 1, f"{old!r} is there {source.count(old)} times"
        made: dict[str, Any] = {}
        exec(compile(source.replace(old, new), place, "exec"), function.__globals__, made)
        patch.setattr(owner, name, made[name])

    return remove


def _all_succeed(patch: pytest.MonkeyPatch) -> None:
    reading = importlib.import_module("backend.txm.reading")
    real = reading.receipt

    def receipt(tx_hash: bytes, answer: Any) -> Any:
        found = real(tx_hash, answer)
        return None if found is None else replace(found, succeeded=True)

    patch.setattr(reading, "receipt", receipt)


def _full_is_rejected(patch: pytest.MonkeyPatch) -> None:
    broadcast = importlib.import_module("backend.txm.broadcast")
    real = broadcast.classify
    patch.setattr(broadcast, "classify", lambda error: SendOutcome.REJECTED if "full" in str(error) else real(error))


def _each_statement_by_itself(patch: pytest.MonkeyPatch) -> None:
    runtime = importlib.import_module("backend.worker.runtime")
    real = runtime.make_sync_engine
    patch.setattr(
        runtime, "make_sync_engine", lambda *args, **more: real(*args, **more).execution_options(
            isolation_level="AUTOCOMMIT"
        ),
    )  # fmt: skip


GUARDS: Final = (
    Guard("T1", "nonces, rows and bytes are one commit", faults.killed("txm.nonces_taken"), _each_statement_by_itself),
    Guard(
        "T1",
        "what is stored is sent by whoever comes next",
        faults.killed("txm.stored"),
        edited("backend.txm.broadcast:_claim", "sent_at is None or not", "sent_at is not None and not"),
    ),
    Guard(
        "T1",
        "what was perhaps sent is sent again",
        faults.killed("txm.sending"),
        edited("backend.txm.broadcast:_claim", "sent_at is None or not lately < sent_at <= now", "sent_at is None"),
    ),
    Guard(
        "T1",
        "receipts are looked for whatever was written down of the sending",
        faults.killed("txm.sent"),
        away("backend.txm.confirm:confirm_unmined", lambda machine: 0),
    ),
    Guard(
        "T1",
        "what the chain says is one commit",
        faults.killed("txm.confirming"),
        away("backend.txm.confirm:_is_news", lambda *_, **__: False),
    ),
    Guard(
        "T2",
        "a lost answer is no verdict",
        faults.reached_the_node_without_an_answer,
        edited(
            "backend.txm.broadcast:classify",
            "return SendOutcome.UNKNOWN\n    if error.code",
            "return SendOutcome.REJECTED\n    if error.code",
        ),
    ),
    Guard(
        "T3",
        "the same bytes are sent again",
        faults.never_reached_the_node,
        away("backend.txm.broadcast:REBROADCAST_SECONDS", 10**8),
    ),
    Guard(
        "T4",
        "nonces are taken only if they are still the next",
        faults.another_worker_takes_the_nonces,
        edited("backend.txm.repo:take_nonces", "RelayAccount.next_nonce == first,", ""),
    ),
    Guard(
        "T6",
        "both fees rise by an eighth",
        faults.base_fee_rises,
        away("backend.txm.fees:_bumped", lambda value: value * 21 // 20),
    ),
    Guard(
        "T6",
        "fees rise to the market",
        faults.base_fee_rises,
        edited(
            "backend.txm.replace:bump", "max(_bumped(old.max_fee_wei), now.max_fee_wei)", "_bumped(old.max_fee_wei)"
        ),
    ),
    Guard(
        "T7",
        "what a node had taken is sent again too",
        faults.pool_forgets,
        edited("backend.txm.repo:unmined", "Transaction.state.in_(IN_FLIGHT)", "Transaction.state == 'signed'"),
    ),
    Guard(
        "T9",
        "receipts of every attempt are asked for",
        faults.replaced_and_the_old_one_is_mined,
        edited(
            "backend.txm.repo_sends:attempt_hashes",
            ".where(Attempt.tx_id.in_(tx_ids))",
            ".where(Attempt.tx_id.in_(tx_ids), Attempt.seq > 0)",
        ),
    ),
    Guard(
        "T10",
        "no nonce for a key that cannot pay",
        faults.out_of_funds,
        away("backend.txm.rpc:Rpc.balances", lambda _, accounts: dict.fromkeys(accounts, 10**30)),
    ),
    Guard("T11", "a receipt says whether the call succeeded", faults.reverts_on_chain, _all_succeed),
    Guard(
        "T17",
        "nothing is signed for, nothing is taken",
        faults.signer_is_silent,
        edited(
            "backend.txm.prepare:_sign",
            'silent[key.address] = f"Nothing is signed with the key: {error}."',
            "str(error)",
        ),
    ),
    Guard(
        "T18",
        "sixteen of a key are in flight",
        faults.the_seventeenth_waits,
        away("backend.txm.prepare:MAX_IN_FLIGHT", 1000),
    ),
    Guard("T18", "a full pool is no verdict", faults.a_full_pool_loses_nothing, _full_is_rejected),
    Guard(
        "T19",
        "a stamp from the future is long ago",
        faults.clock_goes_back,
        edited("backend.txm.broadcast:_claim", "not lately < sent_at <= now", "sent_at <= lately"),
    ),
)
