"""Routes of vouchers that pay by themselves: the same engine as the shards', inside the API's process.

No session is asked for: a voucher is signed by the key that pays. Programs that send many use the shards, whose
addresses `GET /network` lists.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from pydantic import Field

from backend.api.deps import State
from backend.api.types import BytesText, HashText, Model, UnitsText
from backend.errors import NotFound, Problem, Unavailable
from backend.payments import engine
from backend.payments.lookup import LOST, Crowded
from backend.payments.outcomes import RETRYABLE, STATUS, TITLE, Accepted, Code, Outcome, Refused

router = APIRouter(tags=["payments"])


class PartiesIn(Model):
    """Who is at both ends of a marketplace channel."""

    payer: str
    payer_authorizer: str
    receiver: str
    operator: str


class BareVoucherIn(Model):
    """`Voucher(channelId,maxClaimableAmount)`; pays what it raises the channel's ceiling by."""

    channel_id: str
    max_claimable_units: str
    signature: str
    channel: PartiesIn | None = None
    """Needed with the first voucher of a channel only."""


class VoucherBatchIn(Model):
    """Vouchers in the order in which they are taken."""

    vouchers: Annotated[list[BareVoucherIn], Field(min_length=1, max_length=1_000)]


class BareVoucherOut(Model):
    """A stored voucher. `repeated` is true where it was stored before and nothing has moved now."""

    channel_id: HashText
    max_claimable_units: UnitsText
    price_units: UnitsText
    repeated: bool


class VoucherRefusedOut(Model):
    """Why a voucher of a batch is refused; what it takes to go on where the ceiling was too low."""

    code: str
    status: int
    title: str
    retryable: bool
    ceiling_units: str | None = None
    signature: str | None = None
    available_units: str | None = None


class VoucherBatchOut(Model):
    """What became of each voucher, in their order."""

    results: list[BareVoucherOut | VoucherRefusedOut]


class ChannelStateOut(Model):
    """The highest stored voucher of a channel: a client that has lost its own state goes on from here."""

    channel_id: HashText
    ceiling_units: UnitsText
    signature: BytesText | None
    earned_units: UnitsText
    in_flight_units: UnitsText


class VoucherProblem(Problem):
    """A refusal of the engine as the API tells it."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(**{"detail": TITLE[refused.code], **refused.extra})
        self.status = STATUS[refused.code]  # type: ignore[misc]  # one class for all of the engine's codes
        self.code = refused.code.value  # type: ignore[misc]
        self.title = TITLE[refused.code]  # type: ignore[misc]
        self.retryable = refused.code in RETRYABLE  # type: ignore[misc]


def _given(body: BareVoucherIn) -> engine.VoucherIn:
    parties = None if body.channel is None else engine.PartiesIn(**body.channel.model_dump())
    return engine.VoucherIn(body.channel_id, body.max_claimable_units, body.signature, parties)


def _accepted(outcome: Accepted) -> BareVoucherOut:
    return BareVoucherOut(
        channel_id=bytes.fromhex(outcome.channel_id[2:]),
        max_claimable_units=outcome.ceiling_units,
        price_units=outcome.price_units,
        repeated=outcome.repeated,
    )


def _refused(refused: Refused) -> VoucherRefusedOut:
    code = refused.code
    return VoucherRefusedOut(
        code=code.value, status=STATUS[code], title=TITLE[code], retryable=code in RETRYABLE,
        **{name: refused.extra.get(name) for name in ("ceiling_units", "signature", "available_units")},
    )  # fmt: skip


async def _taken(state: State, bodies: list[BareVoucherIn]) -> list[Outcome]:
    try:
        return await state.vouchers.accept([_given(body) for body in bodies])
    except Crowded as error:
        raise VoucherProblem(Refused(Code.OVERLOADED)) from error


@router.post("/payments/vouchers")
async def send_voucher(state: State, body: Annotated[BareVoucherIn, Body()]) -> BareVoucherOut:
    """Take a voucher that pays by itself; the same one again gets the same answer and moves nothing."""
    (outcome,) = await _taken(state, [body])
    if isinstance(outcome, Refused):
        raise VoucherProblem(outcome)
    return _accepted(outcome)


@router.post("/payments/vouchers/batch")
async def send_vouchers(state: State, body: Annotated[VoucherBatchIn, Body()]) -> VoucherBatchOut:
    """Take up to 1,000 vouchers in their order; each is answered by itself."""
    outcomes = await _taken(state, body.vouchers)
    return VoucherBatchOut(
        results=[_refused(outcome) if isinstance(outcome, Refused) else _accepted(outcome) for outcome in outcomes]
    )


@router.get("/payments/channels/{channel_id}")
async def read_channel_state(state: State, channel_id: str) -> ChannelStateOut:
    """The highest stored voucher of a channel."""
    try:
        found = await state.vouchers.state(channel_id)
    except (ValueError, Crowded, *LOST) as error:
        if isinstance(error, ValueError):
            raise VoucherProblem(Refused(Code.MALFORMED)) from error
        raise Unavailable from error
    if found is None:
        raise NotFound("This channel has had no payment yet.")
    return ChannelStateOut.model_validate(found)
