"""Test USDC for whoever asks, on the local chain only: its mock token gives to anyone, and we pay the gas."""

from __future__ import annotations

from functools import partial
from typing import Final

from sqlalchemy.orm import Session

from aicp.abi import usdc
from aicp.rules.primitives import checksum, format_usdc
from backend.context import Context
from backend.errors import IdempotencyMismatch, InvalidInput, LimitExceeded, NotFound
from backend.txm import service as txm
from backend.wallet.budget import charge
from backend.wallet.schemas import FaucetIn, IntentOut
from backend.wallet.view import intent_out

LOCAL_CHAIN_ID: Final = 31337
CAP_UNITS: Final = 10_000_000_000
"""What one call of the mock token gives at most."""
WINDOW_SECONDS: Final = 60


def give(session: Session, ctx: Context, account: bytes, given: FaucetIn) -> IntentOut:
    """Relay one call of the faucet a minute; the same amount again within it returns the same transaction.

    Raises NotFound where the token is not the mock one, InvalidInput for nothing or more than a call gives,
    LimitExceeded for another amount in the same minute or when the day's relayed gas is used up.
    """
    if ctx.network.chain_id != LOCAL_CHAIN_ID or ctx.network.usdc is not None:
        raise NotFound("There is a faucet on the local chain only; here USDC is real.")
    if not 0 < given.amount_units <= CAP_UNITS:
        raise InvalidInput(f"The faucet gives more than nothing and at most {format_usdc(CAP_UNITS)} USDC a call.")
    window = ctx.now() // WINDOW_SECONDS
    try:
        intent = txm.enqueue(
            session,
            ctx,
            idem_key=f"faucet:{account.hex()}:{window}",
            kind="faucet",
            on_behalf_of=account,
            to=ctx.deployment.usdc,
            data=usdc.encode_faucet(account, given.amount_units),
            expires_at=None,
            reference={"account": checksum(account), "amount_units": str(given.amount_units)},
            when_new=partial(charge, session, ctx, account, "faucet"),
        )
    except IdempotencyMismatch as error:
        raise LimitExceeded(
            "The faucet gives to an address once a minute.",
            what_to_do=f"Wait up to {WINDOW_SECONDS} seconds.",
            retry_after=WINDOW_SECONDS,
        ) from error
    return intent_out(session, intent)
