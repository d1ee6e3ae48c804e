"""Whether a quote follows from what it names: the operator's signature, the formula, and the record on chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from aicp.abi.typed_data import Quote
from aicp.client.chain import Chain
from aicp.client.errors import Mismatch
from aicp.client.wire import Address, Model, Signature, Units
from aicp.rules.pricing import QuoteError, Tier, check_quote, multiplier_of


class SignedQuote(Model):
    """A quote as the service answers it and as it is kept in a file. Amounts are base units, times unix seconds."""

    chain_id: int
    escrow: Address
    agent: Address
    base_units: Units
    successes: int
    decided: int
    complexity: int
    urgency_bps: int
    price_units: Units
    formula: int
    as_of_block: int
    valid_until: int
    operator: Address
    signature: Signature

    @classmethod
    def found_in(cls, answer: Mapping[str, Any]) -> Self:
        """Return the quote of an estimate, or the one that is given itself. Raises Mismatch where there is none."""
        return cls.read(answer.get("quote", answer))

    def message(self) -> Quote:
        """Return what the operator has signed."""
        return Quote(
            agent=self.agent,
            base=self.base_units,
            successes=self.successes,
            decided=self.decided,
            complexity=self.complexity,
            urgency_bps=self.urgency_bps,
            price=self.price_units,
            formula=self.formula,
            as_of_block=self.as_of_block,
            valid_until=self.valid_until,
        )


def verify_quote(quote: SignedQuote, chain: Chain, *, now: int) -> tuple[Tier, int]:
    """Return tier and multiplier, in basis points, of a quote that an operator signed and that holds at `now`.

    Raises Mismatch where it is of another deployment, of no operator of this one, over, or computed wrongly. Whether
    the record on chain is the one it names is for the caller to read.
    """
    if (quote.chain_id, quote.escrow) != (chain.chain_id, chain.contracts.escrow):
        raise Mismatch("The quote belongs to another deployment.")
    if quote.operator not in chain.operators:
        raise Mismatch(f"The quote names {chain.stranger(quote.operator)}.")
    try:
        check_quote(quote.message(), quote.signature, chain.marketplace, operator=quote.operator, now=now)
    except QuoteError as error:
        raise Mismatch(str(error)) from error
    except ValueError as error:
        raise Mismatch(f"This is no quote: {error}.") from error
    return multiplier_of(quote.successes, quote.decided)
