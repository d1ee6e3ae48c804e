"""What buyer, agent and verifier sign when they disagree, divide, release by several, and rate each other.

Before each signature the escrow id is recomputed from the terms, the evidence's hash from what is said, and the parts
of a split from what is left. A bond is never worth more than the caller allowed. Signatures that one call carries out
are valid for minutes; those that wait for another party's for a day, at most a week.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from aicp.abi.typed_data import Dispute, EscrowTerms, Rating, Release, Response, Split
from aicp.client import models
from aicp.client.errors import BondAboveLimit, ClientError, Mismatch, NotDue
from aicp.client.market import Market, new_salt
from aicp.client.verify import check_deliverable, require
from aicp.client.verify_dispute import (
    MAX_OFFER_SECONDS,
    check_offer,
    escrow_of,
    joinable,
    number_of,
    require_status,
)
from aicp.rules.documents import comment_hash, evidence_document, evidence_hash
from aicp.rules.ids import appeal_nonce, bond_nonce
from aicp.rules.primitives import ZERO_ADDRESS, format_usdc, hex0x

OFFER_SECONDS: Final = 86_400
_DIVISIBLE: Final = ("funded", "accepted", "submitted", "challenged", "disputed")


class DisputeActions:
    """The steps beside the usual course of an escrow, for whichever side the wallet is."""

    def __init__(self, market: Market) -> None:
        self.market = market

    # dispute and answer -----------------------------------------------------------------------------------------------

    async def dispute(
        self,
        deal: models.Deal,
        claim: str,
        files: Sequence[Path] = (),
        *,
        bond_limit_units: int,
        from_balance: bool = False,
    ) -> models.Deal:
        """Dispute a submitted result as its buyer, saying why, and put up the arbiter's fee as a bond.

        The bond is signed for exactly the present fee and paid from the wallet; with `from_balance` the contract takes
        its fee from what escrows have released to us. Raises BondAboveLimit, NotEnough, NotDue (nothing submitted, or
        too late), Mismatch.
        """
        chain = await self.market.chain()
        terms, escrow = escrow_of(deal, chain)
        require(terms.client == self.market.address, "Only the buyer disputes, and he is another.")
        # what is disputed is the escrow: an agent who shows no files, or others, must not escape by that
        require_status(escrow, "Only a submitted result can be disputed.", "submitted")
        valid_until = await self._until(escrow.challenge_ends_at, "The time to dispute is over.")
        bond = await self._bond(terms, escrow, bond_limit_units, valid_until, from_balance=from_balance)
        evidence, digest = await self._evidence(escrow.escrow_id, claim, files)
        message = Dispute(escrow_id=escrow.escrow_id, evidence_hash=digest, valid_until=valid_until)
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "evidence": evidence,
            "evidence_hash": hex0x(digest),
            "valid_until": valid_until,
            "signature": self.market.sign(message, chain.escrow),
            "bond": bond,
        }
        return await self.market.take_step(deal, "dispute", body)

    async def respond(
        self,
        deal: models.Deal,
        claim: str = "",
        files: Sequence[Path] = (),
        *,
        bond_limit_units: int,
        from_balance: bool = False,
    ) -> models.Deal:
        """Answer a dispute as its agent and pay the arbiter. Without a claim the answer says nothing. Raises as above.

        What the loser put up pays for both; who does not answer in time loses.
        """
        chain = await self.market.chain()
        terms, escrow = escrow_of(deal, chain)
        require(terms.provider == self.market.address, "Only the agent answers, and it is another.")
        require_status(escrow, "There is no dispute to answer.", "challenged")
        if escrow.dispute is None:
            raise Mismatch("The service shows no dispute of a disputed escrow. Nothing was signed.")
        valid_until = await self._until(escrow.dispute.respond_by, "The time to answer is over.")
        bond = await self._bond(terms, escrow, bond_limit_units, valid_until, from_balance=from_balance)
        evidence = (await self._evidence(escrow.escrow_id, claim, files))[0] if claim else None
        message = Response(escrow_id=escrow.escrow_id, valid_until=valid_until)
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "evidence": evidence,
            "valid_until": valid_until,
            "signature": self.market.sign(message, chain.escrow),
            "bond": bond,
        }
        return await self.market.take_step(deal, "response", body)

    async def fund_appeal(
        self, deal: models.Deal, units: int | None = None, *, limit_units: int, salt: bytes | None = None
    ) -> models.Deal:
        """Pay for our own side of the open appeal, without gas: all that it is short of, or `units` of it.

        Bound to dispute, round and side, and taken once for a `salt`, which is random by default; the arbiter takes no
        more than is missing. Raises NotDue, BondAboveLimit, NotEnough, Mismatch.
        """
        chain, us = await self.market.chain(), self.market.address
        number, (terms, escrow) = number_of(deal, chain), escrow_of(deal, chain)
        require(us in {terms.client, terms.provider}, "Only buyer and agent pay for a side without gas.")
        side, name = (1, "buyer") if us == terms.client else (2, "agent")
        appeal = None if escrow.dispute is None else escrow.dispute.appeal
        ours = None if appeal is None else next((one for one in appeal.sides if one.role == name), None)
        if appeal is None or ours is None or ours.payable_until is None:
            raise NotDue("Nothing can be paid for your side of an appeal now. Nothing was signed.")
        valid_before = await self._until(ours.payable_until, "The time to pay for your side is over.")
        amount = ours.missing_units if units is None else min(units, ours.missing_units)
        if amount <= 0:
            raise ClientError("Pay more than zero. Nothing was signed.")
        if amount > limit_units:
            raise BondAboveLimit(
                f"This side of the appeal needs {format_usdc(amount)} USDC, and at most {format_usdc(limit_units)} are "
                "allowed. Nothing was signed."
            )
        await self.market.require_usdc(amount)
        salt = salt or new_salt()
        nonce = appeal_nonce(number, appeal.round, side, salt)
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "round": appeal.round,
            "amount_units": str(amount),
            "valid_before": valid_before,
            "salt": hex0x(salt),
            "signature": await self.market.authorize(terms.arbiter, amount, nonce, valid_before),
        }
        return await self.market.take_step(deal, "appeal", body)

    async def _until(self, clock: int | None, sentence: str) -> int:
        """Return until when a step that has to be in before `clock` is signed for. Raises NotDue after it."""
        chain = await self.market.chain()
        now = chain.now()
        if clock is not None and clock <= now:
            raise NotDue(f"{sentence} Nothing was signed.")
        lasts = now + chain.constants.authorization_lifetime_seconds
        return lasts if clock is None else min(lasts, clock)

    async def _bond(
        self, terms: EscrowTerms, escrow: models.EscrowSide, limit: int, valid_before: int, *, from_balance: bool
    ) -> dict[str, Any] | None:
        """Return our signed bond of exactly the arbiter's fee, None where it comes from our balance."""
        if terms.arbiter == ZERO_ADDRESS:
            raise NotDue("The terms name no arbiter. Nothing was signed.")
        fee = escrow.dispute_fee_units
        if fee is None:
            raise ClientError("The service does not know the arbiter's fee now; try again. Nothing was signed.")
        if fee > limit:
            raise BondAboveLimit(
                f"The arbiter asks for {format_usdc(fee)} USDC, and at most {format_usdc(limit)} are allowed. "
                "Nothing was signed."
            )
        if from_balance:
            # the contract takes whatever the fee is then from the balance; only a signed bond fixes it
            return None
        await self.market.require_usdc(fee)
        chain = await self.market.chain()
        nonce = bond_nonce(escrow.escrow_id, self.market.address)
        signature = await self.market.authorize(chain.contracts.escrow, fee, nonce, valid_before)
        return {"value_units": str(fee), "valid_before": valid_before, "signature": signature}

    async def _evidence(self, escrow_id: bytes, claim: str, files: Sequence[Path]) -> tuple[dict[str, Any], bytes]:
        """Store the files and return the evidence with the hash we compute of it."""
        stored = [
            await self.market.upload(file, mimetypes.guess_type(file.name)[0] or "application/octet-stream")
            for file in files
        ]
        salt = new_salt()
        try:
            document = evidence_document(
                escrow=escrow_id,
                party=self.market.address,
                claim=claim,
                files=[file.entry() for file in stored],
                salt=salt,
            )
        except ValueError as error:
            raise ClientError(f"This is no evidence: {error}. Nothing was signed.") from error
        said = {"claim": document["claim"], "files": document["files"], "salt": document["salt"]}
        return said, evidence_hash(document)

    # dividing ---------------------------------------------------------------------------------------------------------

    async def offer_split(
        self, deal: models.Deal, to_agent_units: int, *, valid_seconds: int = OFFER_SECONDS
    ) -> models.Deal:
        """Offer to divide what is left: `to_agent_units` to the agent, the rest to the buyer.

        Whoever holds the offer can carry it out until it ends. Raises NotDue, Mismatch, or ClientError for a part above
        what is left.
        """
        chain = await self.market.chain()
        terms, escrow = escrow_of(deal, chain)
        require(self.market.address in {terms.client, terms.provider}, "Only buyer and agent divide.")
        require_status(escrow, "There is nothing to divide.", *_DIVISIBLE)
        left = escrow.left_units
        if not 0 <= to_agent_units <= left:
            raise ClientError(f"Only {format_usdc(left)} USDC are left to divide. Nothing was signed.")
        message = Split(
            escrow_id=escrow.escrow_id,
            to_provider=to_agent_units,
            to_client=left - to_agent_units,
            valid_until=chain.now() + _bounded(valid_seconds),
        )
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "to_provider_units": str(message.to_provider),
            "to_client_units": str(message.to_client),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "split-offers", body)

    async def accept_split(self, deal: models.Deal, offer: models.SplitOffer) -> models.Deal:
        """Sign the other side's offer, which is then carried out. Raises NotDue, Mismatch."""
        chain = await self.market.chain()
        _, escrow = escrow_of(deal, chain)
        require_status(escrow, "There is nothing to divide.", *_DIVISIBLE)
        message = check_offer(offer, deal, self.market.address, chain)
        body = {"signature": self.market.sign(message, chain.escrow)}
        return await self.market.take_step(deal, f"split-offers/{offer.id}/acceptance", body)

    # release by several, rating ---------------------------------------------------------------------------------------

    async def sign_release(
        self, deal: models.Deal, cumulative_units: int | None = None, *, valid_seconds: int = OFFER_SECONDS
    ) -> models.Deal:
        """Sign a release as agent or verifier, up to a total, by default everything; joins the other's signature.

        The verifier signs once there is a result, and only where it is the one the agent has submitted. Raises
        NotDue, Mismatch.
        """
        chain = await self.market.chain()
        terms, escrow = escrow_of(deal, chain)
        us = self.market.address
        require(us in {terms.provider, terms.verifier} - {ZERO_ADDRESS}, "Only agent and verifier sign so.")
        if terms.verifier == ZERO_ADDRESS or terms.quorum == 0:
            raise NotDue("The terms name no verifier. Nothing was signed.")
        require_status(escrow, "A release by several needs an escrow at work.", "accepted", "submitted")
        if us == terms.verifier:
            require_status(escrow, "There is no result to check yet.", "submitted")
            check_deliverable(deal, chain)
        top = terms.amount - escrow.refunded_units
        cumulative = top if cumulative_units is None else cumulative_units
        if not escrow.released_units < cumulative <= top:
            raise ClientError(f"A release is above what was released and at most {format_usdc(top)} USDC in all.")
        joined = joinable(escrow, terms, us, cumulative, chain)
        message = Release(
            escrow_id=escrow.escrow_id,
            cumulative_released=cumulative,
            valid_until=chain.now() + _bounded(valid_seconds) if joined is None else joined.valid_until,
        )
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "cumulative_released_units": str(cumulative),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "release-signatures", body)

    async def rate(self, deal: models.Deal, score: int, comment: str = "") -> models.Deal:
        """Rate the other side of a deal that is over, 0 to 100, once. Raises NotDue, Mismatch."""
        chain = await self.market.chain()
        terms, escrow = escrow_of(deal, chain)
        require(self.market.address in {terms.client, terms.provider}, "Only buyer and agent rate each other.")
        require_status(escrow, "Only the parties of a deal that is over rate each other.", "closed")
        if any(rating.rater == self.market.address for rating in escrow.ratings):
            raise NotDue("You have rated this deal; a rating stands. Nothing was signed.")
        if not 0 <= score <= 100:
            raise ClientError("A rating is 0 to 100. Nothing was signed.")
        try:
            digest = comment_hash(comment)
        except ValueError as error:
            raise ClientError("The comment has no UTF-8 form. Nothing was signed.") from error
        message = Rating(
            escrow_id=escrow.escrow_id,
            score=score,
            comment_hash=digest,
            valid_until=await self._until(None, ""),
        )
        body = {
            "escrow_id": hex0x(escrow.escrow_id),
            "score": score,
            "comment": comment,
            "comment_hash": hex0x(digest),
            "valid_until": message.valid_until,
            "signature": self.market.sign(message, chain.escrow),
        }
        return await self.market.take_step(deal, "rating", body)


def _bounded(seconds: int) -> int:
    if not 0 < seconds <= MAX_OFFER_SECONDS:
        raise ClientError("Such a signature is valid for a week at most. Nothing was signed.")
    return seconds
