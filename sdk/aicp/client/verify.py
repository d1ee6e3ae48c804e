"""Recompute everything a deal claims, before anything is signed for it.

Pure: what the service answered goes in, and either the checked facts come out or Mismatch or TermsRefused is raised. A
number that no message can hold raises EncodeError, which is a ValueError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aicp.abi.signing import recover
from aicp.abi.typed_data import (
    Acceptance,
    Award,
    Bid,
    BidCommit,
    BidReceipt,
    BidWithdrawal,
    ChannelConfig,
    ClaimBatch,
    ClaimEntry,
    EscrowTerms,
    MicroDelivery,
    MicroOrder,
    Vouch,
    Voucher,
)
from aicp.client import models
from aicp.client.chain import Chain
from aicp.client.errors import ClientError, Mismatch, TermsRefused
from aicp.rules.documents import deliverable_hash, job_hash, manifest, named_verifier, task_hash
from aicp.rules.ids import channel_id, escrow_id, marketplace_config, pool_id, pool_key
from aicp.rules.primitives import ZERO_ADDRESS, checksum
from aicp.rules.terms import Agreed, check_terms


def require(condition: bool, sentence: str) -> None:
    """Raise Mismatch with the sentence unless the condition holds."""
    if not condition:
        raise Mismatch(f"{sentence} Nothing was signed.")


def signed_by(digest: bytes, signature: bytes, signer: bytes) -> bool:
    """Return whether a plain account signed the digest."""
    try:
        return recover(digest, signature) == signer
    except ValueError:
        return False


def check_document(document: Mapping[str, Any], *, buyer: bytes, task: bytes, task_id: object, chain: Chain) -> None:
    """Check that a task document is the one its hash commits to, of this buyer, on this deployment. Raises Mismatch."""
    require(task_hash(document) == task, "The task document does not match its hash.")
    require(document.get("id") == str(task_id), "The task document belongs to another task.")
    require(document.get("buyer") == checksum(buyer), "The task document names another buyer.")
    require(
        document.get("chain_id") == chain.chain_id and document.get("escrow") == checksum(chain.contracts.escrow),
        "The task document belongs to another deployment.",
    )


def check_bid(bid: models.Bid, task: bytes, chain: Chain) -> None:
    """Check a listed bid: its hash, the agent's signature, the operator's receipt for it, and its withdrawal if any.

    A bid that was sealed must be the one its agent has committed to, with the operator's receipt for showing it. Raises
    Mismatch.
    """
    message = Bid(
        task_hash=task,
        agent=bid.agent,
        amount=bid.amount_units,
        eta_seconds=bid.eta_seconds,
        escrow_only=bid.escrow_only,
        valid_until=bid.valid_until,
        salt=bid.salt,
    )
    digest = message.digest(chain.marketplace)
    committed = bid.bid_hash if bid.sealed is None else bid.sealed.commitment
    require(digest == committed, "The bid does not match its hash.")
    require(signed_by(digest, bid.signature, bid.agent), "The bid is not signed by its agent.")
    if bid.sealed is not None:
        _check_sealed(task, digest, bid.bid_hash, bid.valid_until, bid.sealed.signature, bid.agent, chain)
        _check_shown(digest, bid.seq, bid.sealed, chain)
    _check_receipt(bid, chain)
    _check_withdrawal(bid, chain)


def check_vouch(found: models.SignedVouch, agent: bytes, chain: Chain) -> None:
    """Check a listed vouch: that it is for this agent, and signed by whom it binds. Raises Mismatch."""
    message = Vouch(
        voucher=found.voucher,
        agent=agent,
        at_risk=found.at_risk_units,
        valid_from=found.valid_from,
        valid_until=found.valid_until,
        salt=found.salt,
    )
    if message.struct_hash() != found.vouch_hash:
        raise Mismatch("The vouch does not match its hash.")
    if not signed_by(message.digest(chain.marketplace), found.signature, found.voucher):
        raise Mismatch("The vouch is not signed by its voucher.")


def _check_shown(digest: bytes, seq: int, sealed: models.Sealed, chain: Chain) -> None:
    receipt, signature = BidReceipt(bid_hash=digest, seq=seq).digest(chain.marketplace), sealed.reveal_receipt_signature
    named = chain.operators | chain.unpublished_operators
    signer = next((one for one in named if signed_by(receipt, signature, one)), None)
    if signer is None:
        raise Mismatch("The receipt for showing the bid is not the operator's. Nothing was signed.")
    _require_operator(signer, "The receipt for showing the bid", chain)


def _require_operator(operator: bytes, named_by: str, chain: Chain) -> None:
    require(operator in chain.operators, f"{named_by} names {chain.stranger(operator)}.")


def _check_receipt(bid: models.Bid | models.Commit, chain: Chain) -> None:
    receipt = BidReceipt(bid_hash=bid.bid_hash, seq=bid.seq).digest(chain.marketplace)
    _require_operator(bid.operator, "The bid's receipt", chain)
    require(signed_by(receipt, bid.receipt_signature, bid.operator), "The bid's receipt is not the operator's.")


def _check_withdrawal(bid: models.Bid | models.Commit, chain: Chain) -> None:
    if bid.withdrawn:
        digest = BidWithdrawal(bid_hash=bid.bid_hash).digest(chain.marketplace)
        signature = bid.withdrawal_signature
        require(
            signature is not None and signed_by(digest, signature, bid.agent),
            "The bid is said to be withdrawn, and its agent has not signed that.",
        )


def _check_sealed(  # noqa: PLR0917  # the parts of one message, and who signed it
    task: bytes, commitment: bytes, bid_hash: bytes, valid_until: int, signature: bytes, agent: bytes, chain: Chain
) -> None:
    message = BidCommit(task_hash=task, commitment=commitment, valid_until=valid_until)
    require(message.digest(chain.marketplace) == bid_hash, "The sealed bid does not match its hash.")
    require(signed_by(bid_hash, signature, agent), "The sealed bid is not signed by its agent.")


def check_commit(commit: models.Commit, task: bytes, chain: Chain) -> None:
    """Check a listed sealed bid: its hash, the agent's signature, the receipt, and the withdrawal if there is one.

    Raises Mismatch.
    """
    _check_sealed(
        task, commit.commitment, commit.bid_hash, commit.valid_until, commit.signature, commit.agent, chain
    )  # fmt: skip
    _check_receipt(commit, chain)
    _check_withdrawal(commit, chain)


def check_award(award: models.Award, chain: Chain) -> None:
    """Check the operator's signature of an award. Raises Mismatch."""
    message = Award(
        task_hash=award.task_hash, bid_hash=award.bid_hash, bids_root=award.bids_root, bid_count=award.bid_count
    )
    _require_operator(award.operator, "The award", chain)
    require(
        signed_by(message.digest(chain.marketplace), award.signature, award.operator),
        "The award is not the operator's.",
    )


def check_deal(deal: models.Deal, chain: Chain) -> None:
    """Check document, bid and award of a deal, and that price and parties are those of the bid. Raises Mismatch."""
    check_document(deal.document, buyer=deal.buyer, task=deal.task_hash, task_id=deal.task_id, chain=chain)
    check_bid(deal.bid, deal.task_hash, chain)
    check_award(deal.award, chain)
    require(deal.award.task_hash == deal.task_hash, "The award belongs to another task.")
    require(deal.award.bid_hash == deal.bid.bid_hash, "The award names another bid.")
    require(deal.agent == deal.bid.agent, "The deal names another agent than its bid.")
    require(deal.price_units == deal.bid.amount_units, "The deal's price is not the bid's.")
    require(
        [file.entry().to_json() for file in deal.input_files] == deal.document.get("input_files"),
        "The input files are not those of the task document.",
    )


def terms_message(terms: models.Terms) -> EscrowTerms:
    """Return the EIP-712 message of listed terms."""
    return EscrowTerms(
        client=terms.client,
        provider=terms.provider,
        verifier=terms.verifier,
        arbiter=terms.arbiter,
        amount=terms.amount_units,
        fee_bps=terms.fee_bps,
        quorum=terms.quorum,
        accept_by=terms.accept_by,
        deliver_by=terms.deliver_by,
        challenge_period=terms.challenge_period,
        dispute_timeout=terms.dispute_timeout,
        job_hash=terms.job_hash,
        salt=int.from_bytes(terms.salt),
    )


def check_escrow(deal: models.Deal, chain: Chain) -> EscrowTerms:
    """Return the terms of an escrow deal whose id is right; the time windows may have passed.

    Raises ClientError for a deal paid from a pool, Mismatch where there are no terms yet or they are not the deal's.
    """
    check_deal(deal, chain)
    if deal.escrow is None:
        if deal.path == "channel":
            raise ClientError("This deal is paid from a pool, not by escrow: its buyer accepts or rejects the result.")
        raise Mismatch("The deal has no escrow terms yet. Nothing was signed.")
    terms = terms_message(deal.escrow.terms)
    require(escrow_id(terms, chain.escrow) == deal.escrow.escrow_id, "The escrow id does not match the terms.")
    require(
        terms.job_hash == job_hash(deal.task_hash, deal.bid.bid_hash, deal.award.bids_root),
        "The terms commit to another job.",
    )
    require(
        (terms.client, terms.provider, terms.amount) == (deal.buyer, deal.agent, deal.price_units),
        "The terms name other parties or another price.",
    )
    return terms


def agreed_terms(deal: models.Deal, chain: Chain, *, now: int) -> EscrowTerms:
    """Return terms that may be agreed to at `now`, unix seconds.

    Raises TermsRefused with every departure from the bid and the rules, otherwise as `check_escrow`.
    """
    terms = check_escrow(deal, chain)
    agreed = Agreed(
        client=deal.buyer,
        provider=deal.agent,
        verifier=named_verifier(deal.document),
        amount_units=deal.bid.amount_units,
        eta_seconds=deal.bid.eta_seconds,
        deliver_within_seconds=int(deal.document["deliver_within_seconds"]),
        job_hash=job_hash(deal.task_hash, deal.bid.bid_hash, deal.award.bids_root),
        arbiters=chain.arbiters,
        now=now,
    )
    if problems := check_terms(terms, agreed, chain.constants):
        raise TermsRefused(problems)
    return terms


def check_acceptance(deal: models.Deal, terms: EscrowTerms, chain: Chain) -> int:
    """Return until when the agent's acceptance of these terms counts. Raises Mismatch when there is none of his."""
    escrow = deal.escrow
    if escrow is None or escrow.acceptance_signature is None or escrow.acceptance_valid_until is None:
        raise Mismatch("The agent has not accepted these terms yet. Nothing was signed.")
    digest = Acceptance(escrow_id=escrow.escrow_id, valid_until=escrow.acceptance_valid_until).digest(chain.escrow)
    require(signed_by(digest, escrow.acceptance_signature, terms.provider), "The acceptance is not the agent's.")
    return escrow.acceptance_valid_until


def order_message(order: models.Order) -> MicroOrder:
    """Return the EIP-712 message of a listed order."""
    return MicroOrder(
        channel_id=order.channel_id,
        bid_hash=order.bid_hash,
        price=order.price_units,
        deliver_by=order.deliver_by,
        evaluate_by=order.evaluate_by,
    )


def check_order(deal: models.Deal, chain: Chain) -> MicroOrder:
    """Return the order of a channel deal, checked as the agent must before he works for it.

    The channel it names must be the marketplace channel from the buyer to us under the award's operator, the session
    key must have signed it for the price of the bid, its clocks must be in order. Raises Mismatch, also without one.
    """
    check_deal(deal, chain)
    order = deal.channel.order if deal.channel else None
    if order is None:
        raise Mismatch("The deal has no order yet. Nothing was signed.")
    config = marketplace_config(
        deal.buyer, order.payer_authorizer, deal.agent, deal.award.operator, chain.contracts.usdc, chain.constants
    )
    require(channel_id(config, chain.channel) == order.channel_id, "The order names another channel.")
    message = order_message(order)
    digest = message.digest(chain.marketplace)
    require(digest == order.order_hash, "The order does not match its hash.")
    require(signed_by(digest, order.signature, order.payer_authorizer), "The order is not the session key's.")
    require(
        (order.bid_hash, order.price_units) == (deal.bid.bid_hash, deal.price_units), "The order is for another bid."
    )
    require(order.evaluate_by >= order.deliver_by, "The order's clocks are in the wrong order.")
    return message


def check_deliverable(deal: models.Deal, chain: Chain) -> bytes:
    """Return the deliverable's hash, recomputed from its manifest, for the buyer.

    It must be the one the agent has signed for: by its delivery below $10, else by its submission on chain. Raises
    Mismatch, also where nothing was delivered, and ValueError for a manifest that names no file or one twice.
    """
    found, on_chain = deal.deliverable, deal.escrow.deliverable_hash if deal.escrow else None
    if found is None:
        require(on_chain is None, "The agent submitted a result on chain whose files the service does not have.")
        raise Mismatch("Nothing was delivered yet. Nothing was signed.")
    entries = [file.entry() for file in found.manifest.files]
    digest = deliverable_hash(manifest(entries, found.manifest.salt))
    require(digest == found.deliverable_hash, "The manifest does not match the deliverable's hash.")
    if deal.path == "escrow":
        require(on_chain == digest, "The result is not the one the agent has submitted on chain.")
    if deal.path == "channel":
        order = check_order(deal, chain)
        message = MicroDelivery(order_hash=order.digest(chain.marketplace), deliverable_hash=digest)
        require(
            signed_by(message.digest(chain.marketplace), found.signature, deal.agent),
            "The delivery is not the agent's.",
        )
    return digest


def check_receipt(receipt: models.Receipt, receiver: bytes, chain: Chain) -> None:
    """Check that a receipt can be claimed by its receiver with nobody's help. Raises Mismatch."""
    config = receipt.config
    built = ChannelConfig(
        payer=config.payer,
        payer_authorizer=config.payer_authorizer,
        receiver=config.receiver,
        receiver_authorizer=config.receiver_authorizer,
        token=config.token,
        withdraw_delay=config.withdraw_delay,
        salt=config.salt,
    )
    require(channel_id(built, chain.channel) == receipt.channel_id, "The receipt's channel does not match its config.")
    require(config.receiver == receiver and config.token == chain.contracts.usdc, "The receipt pays somebody else.")
    _require_operator(config.receiver_authorizer, "The receipt", chain)
    require(receipt.total_claimed_units <= receipt.max_claimable_units, "The receipt exceeds its voucher.")
    voucher = Voucher(channel_id=receipt.channel_id, max_claimable_amount=receipt.max_claimable_units)
    signer = config.payer if config.payer_authorizer == ZERO_ADDRESS else config.payer_authorizer
    require(
        signed_by(voucher.digest(chain.channel), receipt.voucher_signature, signer),
        "The receipt's voucher is not signed by the buyer's session key.",
    )
    entry = ClaimEntry(
        channel_id=receipt.channel_id,
        max_claimable_amount=receipt.max_claimable_units,
        total_claimed=receipt.total_claimed_units,
    )
    digest = ClaimBatch(claims=(entry,)).digest(chain.channel)
    require(
        signed_by(digest, receipt.operator_signature, config.receiver_authorizer), "The receipt is not the operator's."
    )


def own_pool_id(payer: bytes, session_key: bytes, operator: bytes, chain: Chain) -> bytes:
    """Return the id of the payer's pool for this session key and operator."""
    return pool_id(pool_key(payer, session_key, operator), chain.channel)
