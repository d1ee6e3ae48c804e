"""Drives one deal from its award to its end, one step at a time, each decided from the service's current answer.

What a crash does: before the acceptance is sent, the deal goes to the next bid; before the result is on disk, the work
is done again; after it, the same files are handed in. A hand-in the relayer lost is signed anew over the same hash.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aicp.abi.enums import Status
from aicp.agent.agent import Agent, Options
from aicp.agent.appeals import AppealAnswers
from aicp.agent.defence import Defence
from aicp.agent.division import Division
from aicp.agent.work import CannotDo, Job, JobFile, Result
from aicp.agent.workspace import Finished, Workspace, media_type, safe_name
from aicp.client import (
    AgentActions,
    ClientError,
    DisputeActions,
    Mismatch,
    NotDue,
    ProblemError,
    TermsRefused,
    Unreachable,
)
from aicp.client.models import Deal, StoredFile
from aicp.client.verify import check_escrow, check_order

POLL_SECONDS: Final = 10.0
_IN_ESCROW: Final = frozenset({"running", "delivered", "disputed"})
_DEAD_INTENT: Final = frozenset({"failed", "expired", "cancelled"})
_log = logging.getLogger("aicp.agent")


def left_unpaid(deal: Deal, now: int, wait_seconds: int) -> bool:
    """Return whether a deal's buyer has let the time to pay pass: its terms have lapsed, or no order came in time.

    He may still pay a little later; then the deal takes its slot again.
    """
    if deal.state != "awaiting_payment":
        return False
    if deal.escrow is not None:
        return deal.escrow.payable_until is None
    return now >= deal.created_at.timestamp() + wait_seconds


class Driver:
    """The life of one deal."""

    def __init__(
        self,
        deal_id: uuid.UUID,
        *,
        agent: Agent,
        actions: AgentActions,
        options: Options,
        folder: Path,
        slots: asyncio.Semaphore,
        kept: Deal | None = None,
    ) -> None:
        """`kept` is the deal as it was on disk when the agent started; the service may not show it any more."""
        self.deal_id = deal_id
        self._agent = agent
        self._actions = actions
        self._options = options
        self._slots = slots
        self._defence = Defence(agent, actions, options)
        self._division = Division(agent, DisputeActions(actions.market))
        self._appeals = AppealAnswers(agent, actions.market, options)
        self._space = Workspace(folder / str(deal_id))
        self._wake = asyncio.Event()
        self._refused: str | None = None
        self._kept = self._seen = kept
        self.keeps_slot = kept is None
        """Whether the deal takes one of the agent's slots: one that stays unpaid soon takes none, nor does one that the
        service has not shown."""

    def wake(self) -> None:
        """Look at the deal again now."""
        self._wake.set()

    async def run(self) -> None:
        """Drive until the deal is over. Refusals and broken connections are tried again from the new state."""
        while True:
            self._wake.clear()
            try:
                if await self.step():
                    return
            except (Mismatch, NotDue, TermsRefused) as error:
                self._say_once(f"deal {self.deal_id} is not signed: {error}")
            except Unreachable as error:
                _log.warning("deal %s: %s", self.deal_id, error)
                await self._without_service()
            except ProblemError as error:
                self._say_once(f"deal {self.deal_id}: {error}")
                await self._without_service()
                if error.status == HTTPStatus.NOT_FOUND and await self._closed_on_chain():
                    await self._forget()
                    return
            except (ClientError, OSError) as error:
                _log.warning("deal %s: %s", self.deal_id, error)
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _without_service(self) -> None:
        """Do by ourselves, over our own RPC, what cannot wait until the service is back."""
        try:
            if self._seen is not None and self._seen.state == "running":
                await self._submit_directly_if_late(self._seen)
            elif self._seen is not None and self._seen.state in {"delivered", "disputed"}:
                await self._defence.answer_directly_if_late(self._seen)
                await self._appeals.answer_directly_if_late(self._seen)
        except (ClientError, OSError) as error:
            _log.warning("deal %s: %s", self.deal_id, error)

    async def _closed_on_chain(self) -> bool:
        """Return whether our own RPC shows that nothing of the deal is left to be done."""
        try:
            own = await self._actions.market.own_chain()
            if own is None or self._seen is None or self._seen.escrow is None:
                return False
            return (await own.state_of(self._seen.escrow.escrow_id)).status in {Status.NONE, Status.CLOSED}
        except ClientError:
            return False

    async def _keep(self, deal: Deal) -> None:
        """Have on disk what an agent that starts when the service is gone needs to answer for an escrow.

        Only a chain of our own can be asked then. What was kept first is not replaced by another escrow.
        """
        market, kept = self._actions.market, self._kept
        if deal.escrow is None or deal.state not in _IN_ESCROW or await market.own_chain() is None or deal == kept:
            return
        if kept is not None and kept.escrow is not None and kept.escrow.escrow_id != deal.escrow.escrow_id:
            return
        (await market.store()).keep_deal(deal)
        self._kept = deal

    async def _forget(self) -> None:
        (await self._actions.market.store()).forget_deal(self.deal_id)
        self._space.remove()

    def _say_once(self, sentence: str) -> None:
        if sentence != self._refused:
            self._refused = sentence
            _log.warning("%s", sentence)

    async def step(self) -> bool:
        """Do what is due. Returns whether the deal is over."""
        self._seen = deal = await self._actions.own_deal(self.deal_id)
        if not deal.live:
            if await self._defence.open_on_chain(deal):
                await self._appeals.answer_directly_if_late(deal)
                return False
            await self._forget()
            _log.info("deal '%s' is over: %s", deal.title, deal.public_state)
            return True
        await self._keep(deal)
        chain = await self._actions.market.chain()
        self.keeps_slot = not left_unpaid(deal, chain.now(), chain.constants.accept_window_seconds)
        if await self._division.step(deal):
            return False
        if deal.state == "awaiting_acceptance":
            await self._accept(deal)
        elif deal.state in {"assigned", "running"}:
            await self._work(deal)
        elif deal.state in {"delivered", "disputed"}:
            await self._defence.step(deal)
            await self._appeals.step(deal)
        return False

    async def _accept(self, deal: Deal) -> None:
        chain = await self._actions.market.chain()
        escrow = deal.escrow
        if escrow is None or escrow.acceptance_signature is not None or chain.now() > escrow.acceptance_due:
            return
        limit = self._options.stake_limit_units
        if not await self._actions.ensure_stake(deal.price_units, limit_units=limit):
            self._say_once(f"deal {deal.id} is not accepted: it needs more stake than the limit")
            return
        try:
            await self._actions.accept(deal)
        except ProblemError as refused:
            if refused.code != "stake_short":
                raise
            # our other accepted deals count on the stake that is free now; this one needs its own
            if not await self._actions.add_stake(_missing_stake(refused), limit_units=limit):
                self._say_once(f"deal {deal.id} is not accepted: it needs more stake than the limit")
                return
            await self._actions.accept(deal)
        _log.info("accepted '%s'", deal.title)

    async def _deadline(self, deal: Deal) -> int:
        chain = await self._actions.market.chain()
        if deal.path == "escrow":
            return check_escrow(deal, chain).deliver_by
        return check_order(deal, chain).deliver_by

    async def _work(self, deal: Deal) -> None:
        """Do the work when there is a slot for it, and hand it in; what is owed to the chain waits for no slot."""
        deadline = await self._deadline(deal)  # refuses an order or terms that are not ours before any work is done
        lost = deal.last_intent is not None and deal.last_intent.state in _DEAD_INTENT
        handed_in = deal.state == "running" and deal.deliverable is not None
        if handed_in and (await self._submit_directly_if_late(deal) or not lost):
            return
        finished = self._space.finished()
        if finished is None and await self._time_left(deadline) > 0:
            if not await self._take_slot():
                self.wake()  # to wait on, after a look at what has become of the deal
                return
            try:
                deal = await self._started(await self._actions.own_deal(self.deal_id))
                if deal.state != "running":
                    return
                finished = await self._produce(deal)
            finally:
                self._slots.release()
        elif finished is None:
            _log.warning("'%s' can no longer be delivered in time", deal.title)
        if finished is None:
            await self._actions.give_back(deal)
            return
        deal = await self._started(deal)
        if deal.state != "running":
            return
        files = [await self._actions.market.upload(path, media_type(path)) for path in finished.files]
        await self._actions.deliver(deal, files, finished.salt)
        _log.info("delivered '%s': %s", deal.title, ", ".join(path.name for path in finished.files))

    async def _take_slot(self) -> bool:
        """Take a slot for work; return False where there is none for a while."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._slots.acquire()
        except TimeoutError:
            return False
        return True

    async def _started(self, deal: Deal) -> Deal:
        await self._deadline(deal)
        return await self._actions.start(deal) if deal.state == "assigned" else deal

    async def _time_left(self, deadline: int) -> int:
        """Return the seconds in which the work can still be done and handed in."""
        chain = await self._actions.market.chain()
        return deadline - chain.now() - chain.constants.keeper_margin_seconds

    async def _produce(self, deal: Deal) -> Finished | None:
        """Return the result on disk, or None when the work has to be given back."""
        deadline = await self._deadline(deal)
        self._space.prepare()
        job = await self._job(deal, deadline)
        _, work = self._agent.handlers()
        try:
            async with asyncio.timeout(await self._time_left(deadline)):
                result: Result = await asyncio.to_thread(work, job)
            return await asyncio.to_thread(self._space.finish, result.files)
        except CannotDo as reason:
            _log.warning("'%s' is given back: %s", deal.title, reason)
        except TimeoutError:
            _log.warning("'%s' is given back: the work took too long", deal.title)
        except Exception:  # noqa: BLE001  # an error in the agent's own code must not cost its stake
            _log.exception("'%s' is given back: the work failed", deal.title)
        return None

    async def _job(self, deal: Deal, deadline: int) -> Job:
        files = [await self._fetch(file, index) for index, file in enumerate(deal.input_files)]
        return Job(
            deal_id=deal.id,
            title=deal.title,
            description=deal.description,
            capability=str(deal.document.get("capability", "")),
            price_units=deal.price_units,
            deadline=deadline,
            files=tuple(files),
            directory=self._space.scratch,
        )

    async def _fetch(self, file: StoredFile, index: int) -> JobFile:
        path = self._space.inputs / safe_name(file.name, index)
        if not path.exists():
            await self._actions.market.download(file, path)
        return JobFile(name=file.name, media_type=file.media_type, size=file.size, path=path)

    async def _submit_directly_if_late(self, deal: Deal) -> bool:
        """Send the submission ourselves when the relayer has not mined it close to the deadline; return whether so."""
        own, chain = await self._actions.market.own_chain(), await self._actions.market.chain()
        if own is None or deal.path != "escrow" or deal.deliverable is None or deal.escrow is None:
            return False
        terms = check_escrow(deal, chain)
        if deal.escrow.chain_status != "accepted":
            return False
        if terms.deliver_by - chain.now() > chain.constants.submit_directly_before_seconds:
            return False
        await own.submit(terms, deal.deliverable.deliverable_hash)
        _log.warning("'%s' was submitted directly", deal.title)
        return True


def _missing_stake(refused: ProblemError) -> int:
    """Return how much stake a `stake_short` refusal asks for."""
    return int(refused.document["need_units"]) - int(refused.document["free_units"])
