"""Routes of deals: reading one, and every signed step of its two parties."""

from __future__ import annotations

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query

from aicp.rules.primitives import Finality, parse_address
from backend.api.deps import Ctx, CurrentSession, DeliverSession, Read, Write
from backend.api.paging import Cursor, Limit
from backend.api.types import Page
from backend.deals import agreements, appeals, disputes, escrow_steps, listing, quotes, service, terms, timeline
from backend.deals.dispute_schemas import (
    AppealPaymentIn,
    DisputeIn,
    RatingIn,
    ReleaseSignatureIn,
    ResponseIn,
    SplitAcceptanceIn,
    SplitOfferIn,
)
from backend.deals.schemas import (
    AcceptanceIn,
    AuthorizationIn,
    CancellationIn,
    DealOut,
    DealSummary,
    DeliveryIn,
    OrderIn,
    RefundIn,
    ReleaseIn,
    ReturnIn,
    SubmissionIn,
    TimelineItem,
    VerdictIn,
)
from backend.deals.view import deal_out
from backend.errors import InvalidInput
from backend.payments import orders


async def _quote(ctx: Ctx) -> None:
    """Know what the arbiter asks for, if a node says so in time; every deal shows it."""
    await quotes.refresh(ctx, ctx.deployment.arbiter)


router = APIRouter(prefix="/deals", tags=["deals"])
priced = APIRouter(dependencies=[Depends(_quote)])
"""Routes that show or need the arbiter's fee."""


def _address(text: str) -> bytes:
    try:
        return parse_address(text)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


@router.get("")
async def list_deals(  # noqa: PLR0917
    read: Read,
    caller: CurrentSession,
    role: Literal["buyer", "agent", "verifier"] | None = None,
    live: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Page[DealSummary]:
    """The caller's deals, newest first."""
    return await read(lambda s: listing.deals_of(s, caller.address, role=role, live=live, cursor=cursor, limit=limit))


@priced.get("/{deal_id}")
async def read_deal(  # noqa: PLR0917
    deal_id: uuid.UUID,
    read: Read,
    write: Write,
    ctx: Ctx,
    caller: CurrentSession,
    min_finality: Finality = Finality.SEEN,
    session_key: Annotated[str | None, Query()] = None,
) -> DealOut:
    """One deal as its parties see it. When its buyer is back after the terms lapsed, new terms are composed.

    With `session_key` the channel side is that of its own pool: each session key of a buyer has a pool of its own.
    """
    key = None if session_key is None else _address(session_key)
    if await read(lambda s: terms.wants_new_terms(s, ctx, deal_id, caller.address)):
        await write(lambda s: terms.renew_for_buyer(s, ctx, deal_id, caller.address))
    return await read(lambda s: service.read_deal(s, ctx, deal_id, caller.address, min_finality, key))


@router.get("/{deal_id}/timeline")
async def read_timeline(deal_id: uuid.UUID, read: Read, caller: CurrentSession) -> list[TimelineItem]:
    """What happened, in order, in the service and on chain."""
    return await read(lambda s: timeline.of_deal(s, deal_id, caller.address))


@router.post("/{deal_id}/acceptance")
async def accept(deal_id: uuid.UUID, body: AcceptanceIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent signs the terms."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.accept(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/authorization")
async def authorize(
    deal_id: uuid.UUID, body: AuthorizationIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> DealOut:
    """The buyer signs the payment; one transaction funds the escrow and accepts it."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.authorize(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/start")
async def start(deal_id: uuid.UUID, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent says that it works."""
    return await write(lambda s: deal_out(s, ctx, service.start(s, ctx, deal_id, caller.address)))


@router.post("/{deal_id}/submission")
async def submit(deal_id: uuid.UUID, body: SubmissionIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent hands in its result."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.submit(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/release")
async def release(deal_id: uuid.UUID, body: ReleaseIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """The buyer pays out, in whole or in part."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.release(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/refund")
async def refund(deal_id: uuid.UUID, body: RefundIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent gives money back."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.refund(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/cancellation")
async def cancel(deal_id: uuid.UUID, body: CancellationIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """The buyer takes back money nobody has accepted."""
    return await write(lambda s: deal_out(s, ctx, escrow_steps.cancel(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/order")
async def order(deal_id: uuid.UUID, body: OrderIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """The buyer's session key orders and, where needed, raises its voucher."""
    return await write(lambda s: deal_out(s, ctx, orders.place(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/delivery")
async def deliver(deal_id: uuid.UUID, body: DeliveryIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent hands in the result of an order."""
    return await write(lambda s: deal_out(s, ctx, orders.deliver(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/verdict")
async def verdict(deal_id: uuid.UUID, body: VerdictIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """The buyer's session key accepts or rejects the result."""
    return await write(lambda s: deal_out(s, ctx, orders.judge(s, ctx, deal_id, caller.address, body)))


@router.post("/{deal_id}/return")
async def give_back(deal_id: uuid.UUID, body: ReturnIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent gives an order back."""
    return await write(lambda s: deal_out(s, ctx, orders.give_back(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/dispute")
async def dispute(deal_id: uuid.UUID, body: DisputeIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """The buyer disputes the result and puts up a bond."""
    return await write(lambda s: deal_out(s, ctx, disputes.dispute(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/response")
async def respond(deal_id: uuid.UUID, body: ResponseIn, write: Write, ctx: Ctx, caller: DeliverSession) -> DealOut:
    """The agent answers a dispute and pays the arbiter."""
    return await write(lambda s: deal_out(s, ctx, disputes.respond(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/appeal")
async def pay_appeal(
    deal_id: uuid.UUID, body: AppealPaymentIn, write: Write, ctx: Ctx, caller: DeliverSession
) -> DealOut:
    """A party pays for its side of the appeal that is open."""
    return await write(lambda s: deal_out(s, ctx, appeals.pay(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/split-offers")
async def offer_split(
    deal_id: uuid.UUID, body: SplitOfferIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> DealOut:
    """A party offers to divide what is left."""
    return await write(lambda s: deal_out(s, ctx, agreements.offer_split(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/split-offers/{offer_id}/acceptance")
async def accept_split(  # noqa: PLR0917
    deal_id: uuid.UUID, offer_id: uuid.UUID, body: SplitAcceptanceIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> DealOut:
    """The other party signs the same split, which is then carried out."""
    return await write(
        lambda s: deal_out(s, ctx, agreements.accept_split(s, ctx, deal_id, offer_id, caller.address, body))
    )


@priced.post("/{deal_id}/release-signatures")
async def sign_release(
    deal_id: uuid.UUID, body: ReleaseSignatureIn, write: Write, ctx: Ctx, caller: CurrentSession
) -> DealOut:
    """Agent or verifier sign a release; enough of them pay out without the buyer."""
    return await write(lambda s: deal_out(s, ctx, agreements.sign_release(s, ctx, deal_id, caller.address, body)))


@priced.post("/{deal_id}/rating")
async def rate(deal_id: uuid.UUID, body: RatingIn, write: Write, ctx: Ctx, caller: CurrentSession) -> DealOut:
    """A party rates the other side of a deal that is over."""
    return await write(lambda s: deal_out(s, ctx, agreements.rate(s, ctx, deal_id, caller.address, body)))


router.include_router(priced)
