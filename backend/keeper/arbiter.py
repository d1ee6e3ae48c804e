"""Takes the arbiter's steps that anybody may take and nobody is paid for, for disputes about our own deals.

From evidence to ruling a dispute needs calls between the votes: to write down that a period is over, to open a
session of drawings and give it its random number, to draw, to hand the ruling over, to give every juror his stake and
reward, and a party that paid for an appeal what it gets back. While an appeal can be paid for or answered, the
contract refuses to hand a ruling over; the last unit of both sides starts the next round by itself, which is then
drawn like the first. Which of them is due only the contract knows for certain, so each candidate is tried on the
pending block first, outside of every transaction, and asked for only where it passes. Strangers' disputes are never
looked at; a session they share with ours is only moved on while one of ours waits in it.

Where the seeder of the arbiter's randomness is one of our relayers, it commits to a seed before it lets a session ask
for its number, and opens it afterwards. Seeds follow from the seeder's key and the number of the request, so none is
stored; whoever loses the key, or is late, is replaced by the hash of a later block. A crash loses nothing: the next
round finds the same disputes and the same keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from eth_abi.abi import encode
from sqlalchemy.orm import Session

from aicp.abi import arbiter as abi
from aicp.abi import escrow as escrow_abi
from aicp.abi.enums import DisputePeriod, SessionPhase
from aicp.rules.primitives import ZERO_ADDRESS, ZERO_HASH, Finality, hex0x, keccak
from backend.context import Context
from backend.deals import repo as deals_repo
from backend.deals.appeal_view import config_of
from backend.keeper.service import AT_ONCE, DueCall, Place, terms_of
from backend.txm import service as txm
from backend.txm.classify import is_revert
from backend.txm.machine import Machine
from backend.txm.rpc import NodeError
from backend.txm.states import NOT_CARRIED_OUT, IntentState
from indexer import views

MAX_SEATS: Final = 15
SEED_TRIES: Final = 2
"""After so many commitments that failed a session asks for its number without one."""
DRAWING: Final = DisputePeriod.DRAWING.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A call that may be due. Of those with one `subject` only the first that passes is asked for."""

    subject: str
    call: DueCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Randomness:
    """The arbiter's default source: its address, requests so far, and the commitments of this and the next one."""

    address: bytes
    requests: int
    commitment: bytes
    next_commitment: bytes


def due_steps(session: Session, ctx: Context, after: Place | None) -> list[views.OpenDispute]:
    """Return the next page of our disputes at the arbiter that are not carried out in full."""
    if ctx.deployment.arbiter == ZERO_ADDRESS:
        return []
    return views.open_disputes(
        session, ctx.deployment.escrow, among=deals_repo.escrow_ids(), after=after, limit=AT_ONCE
    )  # fmt: skip


def place_of(row: views.OpenDispute) -> Place:
    """Return where a page that ends with this row continues."""
    return row.dispute.created_at, row.dispute.dispute_id


def candidates(session: Session, ctx: Context, row: views.OpenDispute) -> list[Candidate]:
    """Return what may be due in one dispute, most wanted first."""
    dispute = row.dispute
    assert dispute.reference is not None
    escrow = views.escrow(session, dispute.reference, Finality.SEEN)
    if escrow is None:
        return []
    deals = dict(session.execute(deals_repo.deals_of_escrows([escrow.escrow_id])).tuples().all())
    made = _Maker(ctx, row, escrow, str(deals[escrow.escrow_id]))
    number = int.from_bytes(dispute.dispute_id)
    found: list[Candidate] = []
    if dispute.ruling is None:
        state = f"{dispute.round_number}:{dispute.period}"
        if dispute.period == DRAWING and dispute.extra_data is not None:
            data = abi.encode_draw(number, dispute.extra_data, MAX_SEATS)
            found.append(made.step("arbiter_draw", state, data))
        else:
            found.append(made.step("arbiter_execute_ruling", "", abi.encode_execute_ruling(number)))
            found.append(made.step("arbiter_advance", state, abi.encode_advance(number)))
        return found
    if row.undelivered:
        found.append(made.execute())
    found += [made.claim(number, *ballot) for ballot in row.unsettled]
    found += [made.sweep(number, round_number) for round_number in row.unswept]
    found += [made.give_back(number, *paid) for paid in row.unreturned]
    return found


@dataclass(frozen=True, slots=True)
class _Maker:
    """Puts calls about one dispute together."""

    ctx: Context
    row: views.OpenDispute
    escrow: views.EscrowRow
    deal_id: str

    def _call(self, kind: str, detail: str, data: bytes, **changes: Any) -> DueCall:
        named = self.row.dispute.dispute_id.hex()
        call = DueCall(
            place=place_of(self.row), key=f"keep:{kind}:{named}:{detail}", kind=kind,
            to=self.ctx.deployment.arbiter, data=data, beneficiary=self.escrow.client,
            reference={"deal_id": self.deal_id, "escrow_id": hex0x(self.escrow.escrow_id)},
        )  # fmt: skip
        return replace(call, **changes)

    def step(self, kind: str, detail: str, data: bytes) -> Candidate:
        """A step of the dispute itself: one at a time."""
        return Candidate(subject=self.row.dispute.dispute_id.hex(), call=self._call(kind, detail, data))

    def execute(self) -> Candidate:
        """Carry out a ruling the arbiter could not deliver."""
        data = escrow_abi.encode_execute(terms_of(self.escrow))
        call = self._call("execute", "", data, to=self.ctx.deployment.escrow)
        return Candidate(subject=call.key, call=call)

    def claim(self, number: int, round_number: int, juror: bytes) -> Candidate:
        """Give a juror back what his seats put at risk, with his reward or less his penalty."""
        data = abi.encode_claim(number, round_number, juror)
        detail = f"{round_number}:{juror.hex()}"
        reference = {"dispute_id": hex0x(self.row.dispute.dispute_id), "round": round_number}
        call = self._call("juror_claim", detail, data, beneficiary=juror, reference=reference)
        return Candidate(subject=call.key, call=call)

    def sweep(self, number: int, round_number: int) -> Candidate:
        """Pass on what nobody earned in a round."""
        reference = {"dispute_id": hex0x(self.row.dispute.dispute_id), "round": round_number}
        call = self._call("arbiter_sweep", str(round_number), abi.encode_sweep(number, round_number))
        return Candidate(subject=call.key, call=replace(call, reference=reference))

    def give_back(self, number: int, round_number: int, account: bytes) -> Candidate:
        """Credit an account with what it is due of its contribution to an appeal."""
        data = abi.encode_claim_contribution(number, round_number, account)
        reference = {"dispute_id": hex0x(self.row.dispute.dispute_id), "round": round_number}
        detail = f"{round_number}:{account.hex()}"
        call = self._call("appeal_return", detail, data, beneficiary=account, reference=reference)
        return Candidate(subject=call.key, call=call)


def wait_for_a_session(rows: Sequence[views.OpenDispute]) -> bool:
    """Return whether one of these disputes waits for its jurors."""
    return any(row.dispute.ruling is None and row.dispute.period == DRAWING for row in rows)


_COMMIT_SEED: Final = keccak(b"commitSeed(bytes32)")[:4]
_REVEAL: Final = keccak(b"reveal(bytes32)")[:4]
_POKE: Final = keccak(b"poke()")[:4]
_VIEWS: Final = tuple(keccak(name)[:4] for name in (b"requests()", b"commitment()", b"nextCommitment()"))


def session_steps(machine: Machine) -> list[Candidate]:
    """Return what may be due in the session of drawings all disputes share. Raises NodeUnreachable."""
    ctx, arbiter = machine.ctx, machine.ctx.deployment.arbiter
    answers = _read(machine, [(arbiter, abi.encode_session()), (arbiter, abi.encode_randomness())])
    if answers[0] is None or answers[1] is None:
        return []
    state = abi.decode_session_result(answers[0])
    source = _source(machine, abi.decode_randomness_result(answers[1]))
    phase = SessionPhase(state.phase)
    advance = _shared(ctx, "arbiter_session", f"{state.number}:{phase.name.lower()}:{state.since}", arbiter,
                      abi.encode_advance_session())  # fmt: skip
    if source is None or phase is SessionPhase.DRAWING:
        return [advance]
    if phase is SessionPhase.STAKING:
        wanted = _commit(machine, source)
        return [advance] if wanted is None else [wanted]
    opened = _reveal(machine, source)
    poke = _shared(ctx, "randomness_poke", f"{source.requests}", source.address, _POKE)
    return [advance, poke] if opened is None else [advance, opened, poke]


def _shared(ctx: Context, kind: str, detail: str, to: bytes, data: bytes) -> Candidate:
    arbiter = ctx.deployment.arbiter
    call = DueCall(
        place=(0, b""), key=f"keep:{kind}:{arbiter.hex()}:{detail}", kind=kind, to=to, data=data,
        beneficiary=arbiter, reference={"arbiter": hex0x(arbiter)},
    )  # fmt: skip
    return Candidate(subject="session", call=call)


def _source(machine: Machine, address: bytes) -> Randomness | None:
    """Return the state of the default source; None for any other, which delivers by itself."""
    answers = _read(machine, [(address, selector) for selector in _VIEWS])
    words = [answer for answer in answers if answer is not None and len(answer) == 32]
    if len(words) != len(_VIEWS):
        return None
    return Randomness(
        address=address, requests=int.from_bytes(words[0]), commitment=words[1], next_commitment=words[2]
    )  # fmt: skip


def _seeder(machine: Machine) -> bytes | None:
    """Return the account that commits to seeds, if it is one of ours."""
    config = config_of(machine.ctx)
    return config.seeder if config is not None and config.seeder in machine.keys.addresses else None


def seed_of(machine: Machine, seeder: bytes, request: int) -> bytes:
    """Return the seed of a request: it follows from the seeder's key, and nobody else can know it before."""
    purpose = b"AICP seed" + machine.ctx.deployment.chain_id.to_bytes(32) + machine.ctx.deployment.arbiter
    return machine.keys.derive(seeder, purpose + request.to_bytes(32))


def _commit(machine: Machine, source: Randomness) -> Candidate | None:
    """Return the commitment that has to come before the session asks for its number, None if there is none."""
    seeder = _seeder(machine)
    if seeder is None or source.next_commitment != ZERO_HASH:
        return None
    request = source.requests + 1
    commitment = keccak(encode(["bytes32"], [seed_of(machine, seeder, request)]))
    wanted = _shared(machine.ctx, "randomness_commit", f"{request}", source.address, _COMMIT_SEED + commitment)
    tries = machine.db.read(lambda s: txm.history(s, f"{wanted.call.key}:"))
    if len(tries) >= SEED_TRIES and all(IntentState(one.state) in NOT_CARRIED_OUT for one in tries):
        return None
    return replace(wanted, call=replace(wanted.call, account=seeder))


def _reveal(machine: Machine, source: Randomness) -> Candidate | None:
    """Return the opening of our own commitment, None where the request runs without."""
    seeder = _seeder(machine)
    if seeder is None or source.commitment == ZERO_HASH:
        return None
    seed = seed_of(machine, seeder, source.requests)
    if keccak(encode(["bytes32"], [seed])) != source.commitment:
        return None
    return _shared(machine.ctx, "randomness_reveal", f"{source.requests}", source.address, _REVEAL + seed)


def _read(machine: Machine, calls: Sequence[tuple[bytes, bytes]], tag: str = "latest") -> list[bytes | None]:
    """Return the answer of each view, None where it reverts. Raises NodeUnreachable."""
    batch = [("eth_call", ({"to": hex0x(to), "data": hex0x(data)}, tag)) for to, data in calls]
    return [None if isinstance(a, NodeError) else bytes.fromhex(a[2:]) for a in machine.rpc.batch(batch)]


def passing(machine: Machine, found: Sequence[Candidate]) -> list[DueCall]:
    """Return the calls that would pass in the next block, of each subject the first. Raises NodeUnreachable."""
    chosen: dict[str, DueCall] = {}
    for candidate, passes in zip(found, _tried(machine, [one.call for one in found]), strict=True):
        if passes:
            chosen.setdefault(candidate.subject, candidate.call)
    return list(chosen.values())


def _tried(machine: Machine, calls: Sequence[DueCall]) -> list[bool]:
    outcomes = [False] * len(calls)
    # a node that knows no pending block is asked about the newest one
    left = list(range(len(calls)))
    for tag in ("pending", "latest"):
        batch = [("eth_call", (_request(machine, calls[at]), tag)) for at in left]
        answers = dict(zip(left, machine.rpc.batch(batch), strict=True))
        for at, answer in answers.items():
            outcomes[at] = not isinstance(answer, NodeError)
        left = [at for at, answer in answers.items() if isinstance(answer, NodeError) and not is_revert(answer)]
    return outcomes


def _request(machine: Machine, call: DueCall) -> dict[str, str]:
    sender = call.account or machine.keys.addresses[0]
    return {"from": hex0x(sender), "to": hex0x(call.to), "data": hex0x(call.data)}
