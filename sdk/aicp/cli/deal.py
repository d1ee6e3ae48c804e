"""`aicp deal list|show|cancel|dispute|respond|appeal|split|sign-release|rate`.

A deal is named by its own id or its task's.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

import click
from rich.table import Table

from aicp.cli.appeal import RULINGS, appeal
from aicp.cli.direct import dispute_directly, respond_directly
from aicp.cli.lookup import deal_argument, find, print_rows, state_words, when
from aicp.cli.options import USDC, console, signing, wallet_options
from aicp.client import BuyerActions, DisputeActions, Market, Mismatch
from aicp.client.chain import Chain
from aicp.client.errors import ClientError
from aicp.client.models import Deal, EscrowSide, SplitOffer
from aicp.client.verify_dispute import MAX_OFFER_SECONDS, check_evidence
from aicp.rules.primitives import checksum, format_usdc, hex0x

_WEEK_HOURS: Final = MAX_OFFER_SECONDS // 3600

bond_options = click.option(
    "--bond-limit", type=USDC, default="10", show_default=True, help="Put up no more than this, in USDC."
)
balance_option = click.option(
    "--from-balance", is_flag=True, help="Take the bond from what escrows released to you, not from the wallet."
)
direct_option = click.option(
    "--rpc", help="Send it to this RPC yourself, for your own gas, not through the service: nobody can hold it back."
)
evidence_argument = click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def deal() -> None:
    """See a deal; take back what is not accepted, dispute, answer, appeal, divide, release together, rate.

    DEAL is the id of a deal or of its task.
    """


deal.add_command(appeal)


def _escrow(found: Deal) -> EscrowSide:
    if found.escrow is None:
        raise ClientError("This deal is paid from a pool; there is no escrow to dispute, divide or rate.")
    return found.escrow


async def _follow(market: Market, after: Deal, kind: str, sentence: str) -> None:
    """Say what was signed and wait until the call it needs is mined."""
    click.echo(sentence)
    last = after.last_intent
    if last is None or last.kind != kind:
        return
    click.echo("Waiting for the chain ...")
    mined = await market.wait_landed(last.id)
    click.echo(f"Mined in block {mined.block_number}: {hex0x(mined.tx_hash) if mined.tx_hash else 'no hash'}")


def _say_sent(sent: bytes, done: str) -> None:
    click.echo(f"{done}, in transaction {hex0x(sent)}.")


@deal.command("list")
@click.option("--role", type=click.Choice(["buyer", "agent", "verifier"]), help="Only deals in this role.")
@click.option("--live", is_flag=True, help="Only deals that are not over.")
@wallet_options
@signing
async def list_deals(market: Market, role: str | None, live: bool) -> None:
    """List your deals, newest first."""
    table = Table("deal", "title", "you are", "price", "state", box=None)
    async for row in market.deals(role, live=live or None):  # type: ignore[arg-type]  # click has checked it
        sides = {row.buyer: "buyer", row.agent: "agent"}
        table.add_row(
            str(row.id),
            row.title,
            sides.get(market.address, "verifier"),
            f"{format_usdc(row.price_units)} USDC",
            state_words(row),
        )
    if table.row_count:
        console.print(table)
    else:
        click.echo("You have no such deal.")


@deal.command()
@deal_argument
@wallet_options
@signing
async def show(market: Market, deal_id: uuid.UUID) -> None:
    """Show a deal, its dispute, offers, signatures and ratings, and what you can do now."""
    found = await find(market, deal_id)
    console.print(f"[bold]{found.title}[/bold]", highlight=False)
    rows = [
        ("deal", str(found.id)),
        ("task", str(found.task_id)),
        ("state", state_words(found)),
        ("buyer", checksum(found.buyer)),
        ("agent", f"{checksum(found.agent)} {found.agent_name or ''}".rstrip()),
    ]
    if found.verifier is not None:
        rows.append(("verifier", checksum(found.verifier)))
    paid = "by escrow" if found.path == "escrow" else "from a pool"
    rows.append(("price", f"{format_usdc(found.price_units)} USDC, paid {paid}"))
    if found.escrow is not None:
        rows += _escrow_rows(found.escrow)
    print_rows(rows)
    if found.escrow is not None:
        _show_dispute(found, await market.chain())
        _show_agreements(found.escrow)
    sides = {found.buyer: "buyer", found.agent: "agent"}
    ours = sides.get(market.address, "verifier")
    for action in found.actions:
        if action.who == ours and action.allowed:
            due = "" if action.due is None else f" Until {when(int(action.due.timestamp()))}."
            how = " (`aicp wallet collect`)" if action.name == "collect" else ""
            click.echo(f"  you can       {action.name}: {action.reason}{how}{due}")


@deal.command()
@deal_argument
@wallet_options
@signing
async def cancel(market: Market, deal_id: uuid.UUID) -> None:
    """Take back the money of a deal you pay whose escrow the agent has not accepted yet."""
    found = await find(market, deal_id)
    after = await BuyerActions(market).cancel_escrow(found)
    await _follow(market, after, "cancel", f"Cancelled: {format_usdc(found.price_units)} USDC come back to you.")


def _escrow_rows(escrow: EscrowSide) -> list[tuple[str, str]]:
    rows = [
        ("escrow", hex0x(escrow.escrow_id)),
        ("on chain", escrow.chain_status + (f", {escrow.outcome}" if escrow.outcome not in {None, "none"} else "")),
        ("released", f"{format_usdc(escrow.released_units)} USDC"),
        ("refunded", f"{format_usdc(escrow.refunded_units)} USDC"),
    ]
    if escrow.challenge_ends_at is not None and escrow.chain_status == "submitted":
        rows.append(("disputable", f"until {when(escrow.challenge_ends_at)}"))
    if escrow.dispute_fee_units is not None and escrow.chain_status in {"submitted", "challenged"}:
        can = "" if escrow.arbiter_can_rule else " (it has too few jurors now)"
        rows.append(("arbiter asks", f"{format_usdc(escrow.dispute_fee_units)} USDC{can}"))
    return rows


def _challenged(found: Deal) -> bool:
    return _escrow(found).chain_status == "challenged"


def _show_dispute(found: Deal, chain: Chain) -> None:
    dispute = _escrow(found).dispute
    if dispute is None:
        return
    rows = [
        ("disputed", f"{when(dispute.raised_at)}, bond {format_usdc(dispute.bond_units)} USDC"),
        ("answered", f"no, the agent {'has' if _challenged(found) else 'had'} until {when(dispute.respond_by)}")
        if dispute.responded_at is None
        else ("answered", f"{when(dispute.responded_at)}, fee {format_usdc(dispute.arbiter_fee_units)} USDC"),
    ]
    said_by_agent = any(said.role == "agent" for said in dispute.evidence)
    if dispute.responded_at is None and said_by_agent and _challenged(found):
        rows[1] = ("answered", f"not on chain yet, the agent has until {when(dispute.respond_by)}")
    if dispute.dispute_id is not None:
        period = f", {dispute.arbiter_period} of round {dispute.arbiter_round}" if dispute.arbiter_period else ""
        rows.append(("arbiter", f"{checksum(dispute.arbiter)}, dispute {dispute.dispute_id}{period}"))
    if dispute.ruling is not None:
        rows.append(("ruling", RULINGS[dispute.ruling]))
    elif dispute.decide_by is not None:
        rows.append(("decided by", when(dispute.decide_by)))
        if dispute.verdict is not None:
            rows.append(("votes so far", RULINGS[dispute.verdict]))
    if dispute.appeal is not None:
        rows.append(("appeal", f"open until {when(dispute.appeal.ends_at)}; see `aicp deal appeal {found.id}`"))
    print_rows(rows)
    for said in dispute.evidence:
        try:
            check_evidence(said, found, chain)
            proof = "its hash fits"
        except Mismatch as error:
            proof = f"NOT TO BE TRUSTED: {error}"
        # what a party says is text of a stranger: control characters would write over the terminal
        claim = "".join(sign if sign.isprintable() else " " for sign in said.claim)
        count = "1 file" if len(said.files) == 1 else f"{len(said.files)} files"
        print_rows([(f"{said.role} says", claim), ("", f"{count}; {proof}")])


def _show_agreements(escrow: EscrowSide) -> None:
    for offer in escrow.split_offers:
        print_rows([(f"{offer.role} offers", f"{_parts(offer)}; {offer.state}, valid until {when(offer.valid_until)}")])
    for signed in escrow.release_signatures:
        total, until = format_usdc(signed.cumulative_released_units), when(signed.valid_until)
        print_rows([(f"{signed.role} signed", f"release up to {total} USDC, valid until {until}")])
    for rating in escrow.ratings:
        comment = "".join(sign if sign.isprintable() else " " for sign in rating.comment or "")
        print_rows([(f"{rating.role} rates", f"{rating.score} of 100{f': {comment}' if comment else ''}")])


def _parts(offer: SplitOffer) -> str:
    agent, buyer = format_usdc(offer.to_provider_units), format_usdc(offer.to_client_units)
    return f"{agent} USDC to the agent, {buyer} USDC to the buyer"


@deal.command()
@deal_argument
@click.argument("claim")
@evidence_argument
@bond_options
@balance_option
@direct_option
@wallet_options
@signing
async def dispute(
    market: Market,
    *,
    deal_id: uuid.UUID,
    claim: str,
    files: tuple[Path, ...],
    bond_limit: int,
    from_balance: bool,
    rpc: str | None,
) -> None:
    """Dispute the result of a deal you pay: say what is wrong (CLAIM) and add FILES.

    The arbiter's fee is put up as a bond; the winner gets it. If the agent does not answer in time, you win. Sent to an
    RPC (--rpc), what you say is written to a file here and only its hash sent.
    """
    found = await find(market, deal_id)
    if rpc is not None:
        _say_sent(await dispute_directly(market, rpc, found, claim, files, bond_limit_units=bond_limit), "Disputed")
        return
    after = await DisputeActions(market).dispute(
        found, claim, files, bond_limit_units=bond_limit, from_balance=from_balance
    )
    fee = format_usdc(_escrow(found).dispute_fee_units or 0)
    await _follow(market, after, "dispute", f"Disputed, with a bond of {fee} USDC.")


@deal.command()
@deal_argument
@click.argument("claim", default="")
@evidence_argument
@bond_options
@balance_option
@direct_option
@wallet_options
@signing
async def respond(
    market: Market,
    *,
    deal_id: uuid.UUID,
    claim: str,
    files: tuple[Path, ...],
    bond_limit: int,
    from_balance: bool,
    rpc: str | None,
) -> None:
    """Answer a dispute of a result of yours: say why it is right (CLAIM) and add FILES; this pays the arbiter.

    Sent to an RPC (--rpc) it is the bare answer, without CLAIM and FILES.
    """
    found = await find(market, deal_id)
    if rpc is not None:
        if claim or files:
            raise click.UsageError("An answer sent with --rpc says nothing; leave CLAIM and FILES out.")
        _say_sent(await respond_directly(market, rpc, found, bond_limit_units=bond_limit), "Answered")
        return
    after = await DisputeActions(market).respond(
        found, claim, files, bond_limit_units=bond_limit, from_balance=from_balance
    )
    fee = format_usdc(_escrow(found).dispute_fee_units or 0)
    await _follow(market, after, "respond", f"Answered; the arbiter gets {fee} USDC.")


@deal.command()
@deal_argument
@click.option("--to-agent", type=USDC, help="Offer this much of what is left to the agent, the rest to the buyer.")
@click.option("--accept", is_flag=True, help="Accept the other side's offer.")
@click.option("--at-least", type=USDC, help="With --accept: only if this much of it is yours.")
@click.option("--hours", type=click.IntRange(1, _WEEK_HOURS), default=24, show_default=True, help="How long it stands.")
@wallet_options
@signing
async def split(
    market: Market, *, deal_id: uuid.UUID, to_agent: int | None, accept: bool, at_least: int | None, hours: int
) -> None:
    """Offer to divide what is left of a deal, or accept the other side's offer. Both signatures carry it out."""
    if accept == (to_agent is not None):
        raise click.UsageError("Either name --to-agent, to offer, or --accept the other side's offer.")
    found = await find(market, deal_id)
    actions = DisputeActions(market)
    if to_agent is not None:
        await actions.offer_split(found, to_agent, valid_seconds=hours * 3600)
        rest = format_usdc(_escrow(found).left_units - to_agent)
        click.echo(f"Offered: {format_usdc(to_agent)} USDC to the agent, {rest} USDC to the buyer, for {hours} h.")
        return
    offers = [one for one in _escrow(found).split_offers if one.state == "open" and one.offered_by != market.address]
    if not offers:
        raise ClientError("The other side has no open offer.")
    ours = offers[0].to_client_units if market.address == found.buyer else offers[0].to_provider_units
    if at_least is not None and ours < at_least:
        raise ClientError(f"Only {format_usdc(ours)} USDC of the offer are yours. Nothing was signed.")
    after = await actions.accept_split(found, offers[0])
    await _follow(market, after, "split", f"Accepted: {_parts(offers[0])}.")


@deal.command("sign-release")
@deal_argument
@click.option("--up-to", type=USDC, help="Release up to this total, by default everything.")
@click.option("--hours", type=click.IntRange(1, _WEEK_HOURS), default=24, show_default=True, help="How long it stands.")
@wallet_options
@signing
async def sign_release(market: Market, *, deal_id: uuid.UUID, up_to: int | None, hours: int) -> None:
    """Sign the release as agent or verifier: the signatures of both pay the agent without the buyer."""
    found = await find(market, deal_id)
    after = await DisputeActions(market).sign_release(found, up_to, valid_seconds=hours * 3600)
    await _follow(market, after, "release_quorum", "Signed.")
    if after.last_intent is None or after.last_intent.kind != "release_quorum":
        other = "agent" if found.escrow and market.address == found.escrow.terms.verifier else "verifier"
        click.echo(f"It is carried out once the {other} has signed the same.")


@deal.command()
@deal_argument
@click.argument("score", type=click.IntRange(0, 100))
@click.option("--comment", default="", help="At most 1000 characters, public.")
@wallet_options
@signing
async def rate(market: Market, *, deal_id: uuid.UUID, score: int, comment: str) -> None:
    """Rate the other side of a deal that is over: SCORE is 0 to 100, once and for all."""
    found = await find(market, deal_id)
    after = await DisputeActions(market).rate(found, score, comment)
    await _follow(market, after, "rate", f"Rated {score} of 100.")
