"""A dispute on the terminal and on disk, as a juror reads it. What the parties wrote is text of strangers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from aicp.client import Market
from aicp.client.files import safe_name
from aicp.client.models import Case
from aicp.rules.canonical import canonical_json
from aicp.rules.primitives import checksum, format_usdc, hex0x


def plain(text: str) -> str:
    """Return a stranger's text without control characters, which would write over the terminal; lines stay."""
    return "".join(sign if sign.isprintable() or sign == "\n" else " " for sign in text)


def print_case(case: Case) -> None:
    """Print a checked case."""
    click.echo(plain(case.title))
    for label, value in (
        ("dispute", case.dispute_id),
        ("buyer", checksum(case.buyer)),
        ("agent", checksum(case.agent)),
        ("price", f"{format_usdc(case.terms.amount_units)} USDC"),
        ("now in", f"{case.dispute.arbiter_period} of round {case.dispute.arbiter_round}"),
    ):
        click.echo(f"  {label:14}{value}")
    click.echo("What was agreed:")
    _indent(str(case.document.get("description", "")))
    for said in case.dispute.evidence:
        click.echo(f"The {said.role} says:")
        _indent(said.claim)
    click.echo("Files:")
    for owner, file in case.files():
        click.echo(f"  {owner:8}{plain(file.name)} ({file.size} B) {hex0x(file.sha256)}")
    if case.deliverable is None:
        click.echo("  The service does not have the result.")


def _indent(text: str) -> None:
    for line in plain(text).split("\n"):
        click.echo(f"  {line}")


def _save_document(case: Case, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = folder / "task.json"
    document.write_bytes(canonical_json(case.document))
    return document


async def save_files(market: Market, case: Case, folder: Path) -> list[Path]:
    """Save the task document and every file of a case, each checked against its hash. Return where they are.

    Names are made safe and begin with a number and whose file it is. Raises Mismatch for other bytes.
    """
    saved = [await asyncio.to_thread(_save_document, case, folder)]
    for index, (owner, file) in enumerate(case.files()):
        target = folder / f"{index:02d}-{owner}-{safe_name(file.name)}"
        await market.download(file, target)
        saved.append(target)
    return saved
