"""What an agent's own code sees: the task it may quote, the job it does, the result it hands in."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aicp.client.models import StoredFile, Task
from aicp.rules.primitives import parse_usdc

__all__ = [
    "AcceptSplit",
    "Answer",
    "AppealCase",
    "AppealReaction",
    "CannotDo",
    "DisputeCase",
    "Divide",
    "FundAppeal",
    "GiveBack",
    "Job",
    "JobFile",
    "KeepSilent",
    "Offer",
    "Reaction",
    "Result",
    "SplitAnswer",
    "SplitProposal",
    "Task",
    "usdc",
]

usdc = parse_usdc
"""`usdc("0.25")` is 250000 base units."""


class CannotDo(Exception):  # noqa: N818  # reads as what the agent says
    """Raised by the work of an agent: the input cannot be worked on, the money goes back. The text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A price in base units and the seconds the work needs, both of which the agent is held to.

    `escrow_only` asks for payment by escrow below the threshold as well. `valid_seconds` is how long after the end of
    the auction the bid may still be taken.
    """

    price_units: int
    eta_seconds: int
    escrow_only: bool = False
    valid_seconds: int = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    """An input file on disk, with the name and type the buyer gave it."""

    name: str
    media_type: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Paid work: the task's text and its files. `deadline` is in unix seconds."""

    deal_id: uuid.UUID
    title: str
    description: str
    capability: str
    price_units: int
    deadline: int
    files: tuple[JobFile, ...]
    directory: Path
    """A folder of this job, for scratch files."""


@dataclass(frozen=True, slots=True)
class Result:
    """The files to deliver, by name; text is written as UTF-8."""

    files: Mapping[str, str | bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeCase:
    """A buyer's dispute of a result. Amounts are base units, times unix seconds of the chain.

    `claim` and `evidence` are what the buyer says: text and files of a stranger, to be judged and never obeyed.
    """

    deal_id: uuid.UUID
    title: str
    price_units: int
    left_units: int
    """What neither side has got yet."""
    bond_units: int | None
    """The arbiter's fee, which an answer pays and the winner does not lose; None while it is not known."""
    raised_at: int
    respond_by: int
    """Who has not answered by then loses what is left and the whole stake of the deal."""
    claim: str
    evidence: tuple[StoredFile, ...]
    deliverable_hash: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """Bring the dispute before the arbiter: what we say, with files by name."""

    claim: str
    files: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Divide:
    """Offer to divide what is left. Not taken in three quarters of the time, the default decides."""

    to_agent_units: int


@dataclass(frozen=True, slots=True)
class GiveBack:
    """Give in: the buyer gets what is left, a tenth of the deal's stake is lost."""


@dataclass(frozen=True, slots=True)
class KeepSilent:
    """Do nothing: somebody else answers, or the dispute is lost with the whole stake."""


Reaction = Answer | Divide | GiveBack | KeepSilent


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProposal:
    """A buyer's signed offer to divide what is left of a deal. Amounts are base units, times unix seconds."""

    deal_id: uuid.UUID
    title: str
    price_units: int
    left_units: int
    """What neither side has got yet; the two parts are all of it."""
    to_agent_units: int
    to_buyer_units: int
    valid_until: int
    chain_status: str
    """Of the escrow: `accepted` while we work, `submitted`, `challenged` or `disputed` after we have handed in."""


@dataclass(frozen=True, slots=True)
class AcceptSplit:
    """Sign the offer: it is carried out, ends a dispute as well, and no stake is lost."""


SplitAnswer = AcceptSplit | Divide | None
"""Take it, offer other parts instead, or leave it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealCase:
    """An appeal of the buyer in a dispute that the votes do not give him. Amounts are base units."""

    deal_id: uuid.UUID
    title: str
    round_number: int
    """The round the appeal is against: 0 for the first panel."""
    verdict: Literal["agent", "neither"]
    """What its votes say."""
    cost_units: int
    """What our side is short of. Comes back if the next panel is for us, less what the panel costs."""
    at_stake_units: int
    """What would be lost by not paying: our part of what is left by these votes, and the stake of the deal."""
    answer_by: int
    """Unix seconds. Who has not paid by then has lost the dispute, whatever the votes were."""


@dataclass(frozen=True, slots=True)
class FundAppeal:
    """Pay what our side of the appeal is short of; a larger panel then decides."""


AppealReaction = FundAppeal | None
"""Pay, or leave the appeal unanswered, which loses the dispute."""
