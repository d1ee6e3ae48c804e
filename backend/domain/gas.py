"""How much gas a relayed call may need, and how much of it counts against whom it is for. Pure; in gas units.

A contract wallet decides itself how much gas its answer to `isValidSignature` takes, and the relayer pays for it. So a
call that carries signatures has a budget, past which it is not signed, and what it has used in the end is counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WALLET_GAS: Final = 250_000
"""What one contract wallet may take to check a signature; a wallet of several owners takes about 100k."""
REPORT_GAS: Final = 225_000
"""What Escrow wants left when it closes, to report to Reputation; most of it is not used."""
ENGINE_GAS: Final = 10_000_000
"""Room of a call that nobody's wallet answers in: clocks and drawings of our own contracts. Batches bring their own
limit, which follows from their size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed:
    """The gas of one kind of call that people sign for."""

    reserved: int
    """What the call takes with plain keys, with room to spare; counted when it is asked for."""
    wallets: int = 1
    """How many signatures in it may be a contract wallet's."""
    left: int = 0
    """What has to be left at the end, beyond what is used."""
    ahead: int = 0
    """Counted with it for a later call that nobody signs."""
    asked: bool = True
    """Whether a request asks for it; otherwise only what it has used is counted."""


RELAYED: Final[dict[str, Relayed]] = {
    "fund": Relayed(reserved=350_000, wallets=2),
    "accept": Relayed(reserved=150_000, asked=False),
    "submit": Relayed(reserved=100_000),
    "release": Relayed(reserved=200_000, left=REPORT_GAS),
    "refund": Relayed(reserved=250_000, left=REPORT_GAS),
    "cancel": Relayed(reserved=120_000, left=REPORT_GAS),
    "dispute": Relayed(reserved=250_000, wallets=2),
    "respond": Relayed(reserved=450_000, wallets=2),
    # the last unit of both sides also starts the next round
    "appeal": Relayed(reserved=300_000),
    "split": Relayed(reserved=300_000, wallets=2, left=REPORT_GAS),
    "release_quorum": Relayed(reserved=250_000, wallets=3, left=REPORT_GAS),
    "rate": Relayed(reserved=100_000),
    "pool_deposit": Relayed(reserved=180_000),
    # the withdrawal is released and finalised for the buyer as well
    "pool_withdraw": Relayed(reserved=90_000, ahead=200_000),
    "pool_withdraw_cancel": Relayed(reserved=90_000),
    "withdraw": Relayed(reserved=110_000),
    "stake": Relayed(reserved=160_000),
    "x402_deposit": Relayed(reserved=220_000),
    "x402_exact": Relayed(reserved=110_000),
    # rows bring signatures of plain keys or of one contract wallet each; what they use in the end is counted
    "x402_claim": Relayed(reserved=200_000, wallets=20),
    "x402_settle": Relayed(reserved=120_000, wallets=0),
    "x402_refund": Relayed(reserved=250_000, wallets=2),
    "faucet": Relayed(reserved=80_000, wallets=0),
}


def most_gas(kind: str) -> int:
    """Return the gas limit a call of this kind is signed with at most, unless its own follows from its size."""
    call = RELAYED.get(kind)
    return ENGINE_GAS if call is None else call.reserved + call.wallets * WALLET_GAS + call.left


def counted_gas(kind: str, used: int | None) -> int:
    """Return what counts against whom a call is for: `used` once it is mined, None before. 0 for the engine's own."""
    call = RELAYED.get(kind)
    if call is None:
        return 0
    reserved = call.reserved if call.asked else 0
    return call.ahead + max(reserved, used or 0)
