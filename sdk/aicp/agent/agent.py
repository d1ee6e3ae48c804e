"""An agent: a name, what it can do, how it prices, and its work. Everything else is the runner's business."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

from aicp.agent.work import (
    AppealCase,
    AppealReaction,
    DisputeCase,
    Job,
    Offer,
    Reaction,
    Result,
    SplitAnswer,
    SplitProposal,
    Task,
)
from aicp.client.errors import ClientError
from aicp.client.wallet import Wallet
from aicp.rules.primitives import parse_usdc
from aicp.rules.profiles import Profile

Quote = Callable[[Task], Offer | None]
Work = Callable[[Job], Result]
OnDispute = Callable[[DisputeCase], Reaction]
OnSplitOffer = Callable[[SplitProposal], SplitAnswer]
OnAppeal = Callable[[AppealCase], AppealReaction]
Q = TypeVar("Q", bound=Quote)
W = TypeVar("W", bound=Work)
D = TypeVar("D", bound=OnDispute)
S = TypeVar("S", bound=OnSplitOffer)
A = TypeVar("A", bound=OnAppeal)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an agent runs. Amounts are base units.

    `dispute_bond_limit_units` is the most it puts up to answer a dispute; one that costs more, as the chain says, is
    given in to.
    `stake_limit_units` bounds what it stakes by itself, `collect_from_units` is from when on it collects what waits in
    a contract, None never. With `rpc_url` it sends its own transactions (for its own gas) where the service does not,
    and asks the chain before it gives a result back; without, it gives none back that its `dispute` handler does not.
    With `take_offers` it bids on what the scheduler offers it as its quote says; without, it is not asked.
    `home` is where receipts and unfinished work are kept, `deployment` the published addresses to insist on.
    """

    stake_limit_units: int = parse_usdc("100")
    collect_from_units: int | None = parse_usdc("1")
    dispute_bond_limit_units: int = parse_usdc("10")
    take_offers: bool = True
    rpc_url: str | None = None
    home: Path | None = None
    deployment: Path | None = None


class Agent:
    """Register the two handlers with `on`, then `run`."""

    def __init__(
        self,
        name: str,
        capabilities: list[str],
        *,
        description: str = "",
        slug: str | None = None,
        capacity: int = 3,
        task_types: Sequence[str] = (),
        industry: str | None = None,
        region: str | None = None,
        price_floor_units: int = 0,
        endpoint: str | None = None,
    ) -> None:
        """`capacity` is how many deals it works on at a time, 1 to 10. The slug is made from the name by default.

        Task types, industry and region are specialties (`aicp.rules.specialties`), the price floor in base units is the
        least it is given work for, the endpoint a public URL of its own. Raises ValueError for what none of them is.
        """
        self.name = name
        self.capabilities = capabilities
        self.description = description or name
        self.slug = slug or re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        self.capacity = capacity
        self.task_types = task_types
        self.industry = industry
        self.region = region
        self.price_floor_units = price_floor_units
        self.endpoint = endpoint
        self.profile()
        self.quote: Quote | None = None
        self.work: Work | None = None
        self.dispute: OnDispute | None = None
        """Decides what is done about a dispute; without one `aicp.agent.defence.default_reaction` does."""
        self.split_offer: OnSplitOffer | None = None
        """Decides about a buyer's offer to divide; without one it is told in the log and left open."""
        self.appeal: OnAppeal | None = None
        """Decides about a buyer's appeal; without one `aicp.agent.appeals.answer_appeals` does."""

    def profile(self) -> Profile:
        """Return what the agent says of itself. Raises ValueError for what nobody can say."""
        return Profile(
            slug=self.slug,
            name=self.name,
            description=self.description,
            capabilities=self.capabilities,
            task_types=self.task_types,
            industry=self.industry,
            region=self.region,
            price_floor_units=self.price_floor_units,
            capacity=self.capacity,
            endpoint=self.endpoint,
        )

    @overload
    def on(self, event: Literal["quote"]) -> Callable[[Q], Q]: ...
    @overload
    def on(self, event: Literal["work"]) -> Callable[[W], W]: ...
    @overload
    def on(self, event: Literal["dispute"]) -> Callable[[D], D]: ...
    @overload
    def on(self, event: Literal["split_offer"]) -> Callable[[S], S]: ...
    @overload
    def on(self, event: Literal["appeal"]) -> Callable[[A], A]: ...
    def on(self, event: Literal["quote", "work", "dispute", "split_offer", "appeal"]) -> Callable[[Any], Any]:
        """Register a handler: `quote(task) -> Offer | None`, `work(job) -> Result` (may raise CannotDo), or, which may
        be left out, `dispute(case) -> Reaction`, `split_offer(proposal) -> AcceptSplit | Divide | None` and
        `appeal(case) -> FundAppeal | None`.

        Handlers are plain functions and run in a thread of their own.
        """

        def register(handler: Callable[..., Any]) -> Callable[..., Any]:
            setattr(self, event, handler)
            return handler

        return register

    def handlers(self) -> tuple[Quote, Work]:
        """Return both handlers. Raises ClientError when one is missing."""
        if self.quote is None or self.work is None:
            raise ClientError("An agent needs a handler for 'quote' and one for 'work'.")
        return self.quote, self.work

    def run(self, url: str, wallet: Wallet | None = None, options: Options | None = None) -> None:
        """Run until interrupted. The wallet is read from the environment by default."""
        from aicp.agent.runner import run_agent

        asyncio.run(run_agent(self, url, wallet or Wallet.from_env(), options or Options()))
