"""A dispute and its answer sent from the command line straight to the chain, when the service does not send them."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import click

from aicp.abi.typed_data import EscrowTerms
from aicp.client import ClientError, Market
from aicp.client.market import new_salt
from aicp.client.models import Deal
from aicp.client.verify import require
from aicp.client.verify_dispute import escrow_of
from aicp.rules.canonical import canonical_json
from aicp.rules.documents import FileEntry, evidence_document, evidence_hash


async def dispute_directly(
    market: Market, rpc_url: str, deal: Deal, claim: str, files: Sequence[Path], *, bond_limit_units: int
) -> bytes:
    """Dispute a result as its buyer; return the transaction's hash once it is mined.

    What is said is kept beside, in a file of the current folder, before its hash is sent: without it nobody can show
    what the hash commits to. Raises BondAboveLimit, NotEnough, Mismatch, ClientError.
    """
    chain, terms = await market.chain(), await _terms(market, deal)
    require(terms.client == market.address, "Only the buyer disputes, and he is another.")
    escrow_id = terms.digest(chain.escrow)
    kept = Path(f"dispute-{escrow_id.hex()[:16]}.json")
    digest = await asyncio.to_thread(_keep_evidence, kept, escrow_id, market.address, claim, files)
    click.echo(f"What you say is in {kept}; keep it and the files.")
    from aicp.client.direct import DirectChain  # web3 is slow to load

    own = DirectChain(rpc_url, market.wallet, chain)
    return await own.dispute(terms, digest, bond_limit_units=bond_limit_units)


async def respond_directly(market: Market, rpc_url: str, deal: Deal, *, bond_limit_units: int) -> bytes:
    """Answer a dispute as its agent; return the transaction's hash once it is mined. Raises as above."""
    chain, terms = await market.chain(), await _terms(market, deal)
    require(terms.provider == market.address, "Only the agent answers, and it is another.")
    from aicp.client.direct import DirectChain

    return await DirectChain(rpc_url, market.wallet, chain).respond(terms, bond_limit_units=bond_limit_units)


async def _terms(market: Market, deal: Deal) -> EscrowTerms:
    terms, _ = escrow_of(deal, await market.chain())
    return terms


def _keep_evidence(kept: Path, escrow_id: bytes, party: bytes, claim: str, files: Sequence[Path]) -> bytes:
    entries = [_entry(path) for path in files]
    try:
        document = evidence_document(escrow=escrow_id, party=party, claim=claim, files=entries, salt=new_salt())
    except ValueError as error:
        raise ClientError(f"This is no evidence: {error}. Nothing was signed.") from error
    try:
        with kept.open("xb") as out:  # an earlier dispute of this escrow may be on its way with what is in there
            out.write(canonical_json(document))
    except FileExistsError as error:
        raise ClientError(f"{kept} is there already; move it away to say something else.") from error
    return evidence_hash(document)


def _entry(path: Path) -> FileEntry:
    content = path.read_bytes()
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return FileEntry(name=path.name, sha256=hashlib.sha256(content).digest(), size=len(content), media_type=media_type)
