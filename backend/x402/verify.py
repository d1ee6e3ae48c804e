"""Is a payment what it says: ids recomputed from their parts, signatures recovered, times and amounts compared."""

from __future__ import annotations

from typing import Final

from aicp.abi.runtime import Domain, EncodeError, TypedMessage
from aicp.abi.signing import SignatureError, recover
from aicp.abi.typed_data import ChannelConfig, ReceiveWithAuthorization, TransferWithAuthorization, Voucher
from aicp.rules.ids import channel_id
from aicp.rules.primitives import ZERO_ADDRESS, keccak, parse_address
from backend.context import Context
from backend.payments.charges import signer_of
from backend.x402 import wire
from backend.x402.reasons import Reason, Refused
from backend.x402.schemas import Config, DepositFields, Erc3009, ExactPayload, Requirements, VoucherFields

MIN_DELAY: Final = 900
MAX_DELAY: Final = 2_592_000
LEAST_SECONDS: Final = 6
"""A token authorization with less time left than this cannot be mined in time."""


def check_requirements(ctx: Context, accepted: Requirements, wanted: Requirements) -> None:
    """Check that a payment is meant for these requirements, of our chain and token. Raises Refused."""
    if accepted.scheme != wanted.scheme or wanted.scheme not in {wire.CHANNEL_SCHEME, wire.EXACT_SCHEME}:
        raise Refused(Reason.SCHEME)
    network = f"eip155:{ctx.deployment.chain_id}"
    if wanted.network != network or accepted.network != network:
        raise Refused(Reason.NETWORK, f"Only {network} is served here.")
    if wanted.asset != ctx.deployment.usdc:
        raise Refused(Reason.TOKEN, "Only this network's USDC is taken.")
    same = (accepted.amount, accepted.asset, accepted.pay_to) == (wanted.amount, wanted.asset, wanted.pay_to)
    if not same:
        raise Refused(Reason.REQUIREMENTS, "The payment was made for other requirements.")


def signed_by(message: TypedMessage, domain: Domain, signature: bytes, signer: bytes) -> bool:
    """Return whether a plain key has signed a message; ids and amounts out of range count as not signed."""
    try:
        return recover(message.digest(domain), signature) == signer
    except (SignatureError, EncodeError):
        return False


def check_channel(ctx: Context, given: Config, voucher: VoucherFields, wanted: Requirements) -> ChannelConfig:
    """Return the channel's config after checking it against id and requirements, and the voucher's signature.

    Raises Refused.
    """
    config, payer = wire.config_of(given), given.payer
    if channel_id(config, ctx.domains.channel) != voucher.channel_id:
        raise Refused(Reason.CHANNEL_ID, payer=payer)
    if config.receiver != wanted.pay_to:
        raise Refused(Reason.RECEIVER, payer=payer)
    if config.receiver_authorizer == ZERO_ADDRESS or config.receiver_authorizer != _authorizer(wanted):
        raise Refused(Reason.AUTHORIZER, payer=payer)
    if config.token != wanted.asset:
        raise Refused(Reason.TOKEN, payer=payer)
    delay = wanted.extra.get("withdrawDelay")
    if delay is not None and delay != config.withdraw_delay:
        raise Refused(Reason.DELAY, payer=payer)
    if not MIN_DELAY <= config.withdraw_delay <= MAX_DELAY:
        raise Refused(Reason.DELAY_RANGE, payer=payer)
    message = Voucher(channel_id=voucher.channel_id, max_claimable_amount=voucher.max_claimable_amount)
    if not signed_by(message, ctx.domains.channel, voucher.signature, signer_of(config)):
        raise Refused(Reason.VOUCHER_SIGNATURE, payer=payer)
    return config


def _authorizer(wanted: Requirements) -> bytes | None:
    text = wanted.extra.get("receiverAuthorizer")
    try:
        return parse_address(text.lower()) if isinstance(text, str) else None
    except ValueError:
        return None


def deposit_nonce(channel: bytes, salt: bytes) -> bytes:
    """Return the ERC-3009 nonce of a channel deposit: keccak256(abi.encode(channelId, salt))."""
    return keccak(channel + salt)


def check_deposit(ctx: Context, config: ChannelConfig, channel: bytes, deposit: DepositFields) -> Erc3009:
    """Return the authorization of a deposit after checking its times and signature. Raises Refused."""
    given = deposit.authorization.erc3009_authorization
    if given is None:
        raise Refused(Reason.DEPOSIT_METHOD, "Deposits are taken by ERC-3009.", payer=config.payer)
    if deposit.amount == 0:
        raise Refused(Reason.DEPOSIT, "A deposit is more than nothing.", payer=config.payer)
    check_times(ctx, given.valid_after, given.valid_before, config.payer)
    message = ReceiveWithAuthorization(
        from_=config.payer, to=ctx.deployment.erc3009_collector, value=deposit.amount, valid_after=given.valid_after,
        valid_before=given.valid_before, nonce=deposit_nonce(channel, given.salt),
    )  # fmt: skip
    if not signed_by(message, ctx.domains.token, given.signature, config.payer):
        raise Refused(Reason.DEPOSIT_SIGNATURE, payer=config.payer)
    return given


def check_times(ctx: Context, valid_after: int, valid_before: int, payer: bytes) -> None:
    """Check that a token authorization can be used now and for a moment yet. Raises Refused."""
    now = ctx.now()
    if valid_before < now + LEAST_SECONDS:
        raise Refused(Reason.VALID_BEFORE, "The authorization's time is over.", payer=payer)
    if valid_after > now:
        raise Refused(Reason.VALID_AFTER, "The authorization's time has not come.", payer=payer)


def check_exact(ctx: Context, payment: ExactPayload, wanted: Requirements) -> None:
    """Check a signed transfer against the requirements. Raises Refused."""
    given = payment.authorization
    if given.to != wanted.pay_to:
        raise Refused(Reason.RECIPIENT, payer=given.from_)
    if given.value != wanted.amount:
        raise Refused(Reason.VALUE, payer=given.from_)
    check_times(ctx, given.valid_after, given.valid_before, given.from_)
    message = TransferWithAuthorization(
        from_=given.from_, to=given.to, value=given.value, valid_after=given.valid_after,
        valid_before=given.valid_before, nonce=given.nonce,
    )  # fmt: skip
    if not signed_by(message, ctx.domains.token, payment.signature, given.from_):
        raise Refused(Reason.SIGNATURE, payer=given.from_)
