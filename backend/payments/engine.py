"""Takes vouchers that pay by themselves: a voucher pays exactly what it raises its channel's ceiling by.

Goals: every voucher is answered once, with what is stored or with the one reason why nothing is; the buyer's signature
covers the whole payment, so nobody who passes a voucher on can change it; the same voucher again gets the same answer
and moves nothing.
Invariants: cheap refusals come before the signature, the signature before the database, the COMMIT before the answer.
What waits is bounded: beyond it the answer is `overloaded` at once.
A crash loses what was not answered; the client sends it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from aicp.rules.primitives import hex0x, parse_address
from backend.context import Context
from backend.domain.micro import claim_is_safe
from backend.payments import hot_repo
from backend.payments.batch import Batch
from backend.payments.channels import Lane, lane
from backend.payments.known import Known, KnownChannel
from backend.payments.lookup import LOST, Crowded, Lookup
from backend.payments.outcomes import Accepted, Code, Outcome, Refused
from backend.payments.planning import Item
from backend.payments.recovering import Recoverer, Signer, shape_problem
from backend.payments.writer import Writer, lower_outcome

LOG = structlog.get_logger(__name__)
MOST_WAITING: Final = 4_000
SLICE: Final = 16
"""Signatures checked between two looks at everything else, about a millisecond."""
TURNS: Final = 2
"""Batches whose signatures are checked at the same time; more would only all be ready later."""
_MOST_DIGITS: Final = 39
_SIGNATURE_TEXT: Final = 132
_CHANNEL_TEXT: Final = 66

MALFORMED: Final = Refused(Code.MALFORMED)
OVERLOADED: Final = Refused(Code.OVERLOADED)
UNAVAILABLE: Final = Refused(Code.UNAVAILABLE)
Done = Callable[[Outcome], None]


class PartiesIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is at both ends of a marketplace channel; needed once, with its first voucher."""

    payer: str
    payer_authorizer: str
    receiver: str
    operator: str


class VoucherIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`Voucher(channelId,maxClaimableAmount)` as it is sent."""

    channel_id: str
    max_claimable_units: str
    signature: str
    channel: PartiesIn | None = None


@dataclass(frozen=True, slots=True)
class _Moment:
    """What holds for all vouchers of a second: who serves, and why the chain is too far behind for any of them."""

    now: int
    final_time: int
    serving: frozenset[bytes]
    behind: Refused | None


class Engine:
    """The engine of one process. `own` tells the pools whose vouchers only this process is sent."""

    def __init__(self, ctx: Context, *, own: Callable[[bytes], bool] = lambda _: False) -> None:
        url = ctx.settings.database_url
        self._ctx = ctx
        self._known = Known()
        self._lookup = Lookup(url, self._known)
        cap = ctx.settings.session_key_units_per_day
        self._writer = Writer(url, self._lookup, own=own, now=ctx.now, cap_units=cap)
        self._recoverer = Recoverer(ctx.domains.channel)
        self._last: _Moment | None = None
        self._looking: set[asyncio.Task[None]] = set()
        self._opening: dict[str, asyncio.Event] = {}
        self._single = self._batched = 0
        self._turns = asyncio.Semaphore(TURNS)
        self._stopping = False
        self.accepted = self.refused = 0

    async def start(self) -> None:
        """Connect where the database answers; otherwise go on trying while vouchers are refused as `unavailable`."""
        await self._lookup.start()
        await self._writer.start()

    async def stop(self) -> None:
        """Take nothing more, finish what was taken, and close."""
        self._stopping = True
        if self._looking:
            await asyncio.wait(self._looking)
        await self._writer.stop()
        await self._lookup.stop()

    def figures(self) -> dict[str, int | bool]:
        """Return what a health check shows."""
        return {
            "accepted": self.accepted,
            "refused": self.refused,
            "waiting": self._writer.waiting,
            "groups": self._writer.groups,
            "ready": self._writer.ready and self._lookup.fresh,
        }

    # -- one voucher, or several -------------------------------------------------------------------------------------

    def offer(self, given: VoucherIn, done: Done) -> None:
        """Take one voucher; `done` is called exactly once, at once or after its COMMIT."""
        if self._stopping or self._single >= MOST_WAITING:
            self._count(OVERLOADED)
            done(OVERLOADED)
            return
        self._single += 1
        told = partial(self._told, done)
        if not self._writer.ready:
            told(UNAVAILABLE)
            return
        known = self._known.channels.get(given.channel_id)
        if known is None:
            self._later(self._first(given, told))
            return
        self._take(known, given, told)

    def _take(self, known: KnownChannel, given: VoucherIn, done: Done) -> None:
        if (item := self._checked(known, given, self._moment(), done)) is not None:
            self._writer.put(item)

    async def accept(self, vouchers: list[VoucherIn]) -> list[Outcome]:
        """Take several vouchers in their order and return what became of each, after their COMMIT.

        Raises Crowded, with nothing taken, where too many wait already.
        """
        if self._stopping or self._batched + len(vouchers) > MOST_WAITING:
            raise Crowded
        batch = Batch(len(vouchers), self._count)
        if not self._writer.ready:
            for index in range(len(vouchers)):
                batch.told(index, UNAVAILABLE)
            return await batch.whole()
        self._batched += len(vouchers)
        try:
            met = await self._meet_all(vouchers)
            async with self._turns:
                items = await self._check_all(vouchers, met, batch)
            # together, so that one group writes each of their channels once
            self._writer.put(*items)
            return await batch.whole()
        finally:
            self._batched -= len(vouchers)

    async def _check_all(
        self, vouchers: list[VoucherIn], met: list[KnownChannel | Refused], batch: Batch
    ) -> list[Item]:
        """Return those to write; the others are answered. Everything else on the loop gets its turn in between."""
        items: list[Item] = []
        for first in range(0, len(vouchers), SLICE):
            if first:
                await asyncio.sleep(0)
            moment = self._moment()
            for index in range(first, min(first + SLICE, len(vouchers))):
                known = met[index]
                if isinstance(known, Refused):
                    batch.told(index, known)
                    continue
                item = self._checked(known, vouchers[index], moment, partial(batch.told, index))
                if item is not None:
                    items.append(item)
        return items

    async def state(self, text: str) -> dict[str, Any] | None:
        """Return the corrective answer of a channel, None where it has no row.

        Raises ValueError where the text is no channel's id, one of `LOST`, or Crowded.
        """
        text = text.lower()
        if not _is_hash(text):
            raise ValueError("not the id of a channel")
        known = await self._lookup.channel(text)
        return None if known is None else known.corrective()

    def _count(self, outcome: Outcome) -> None:
        if type(outcome) is Accepted:
            self.accepted += 1
        else:
            self.refused += 1

    def _told(self, done: Done, outcome: Outcome) -> None:
        self._single -= 1
        self._count(outcome)
        done(outcome)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._looking.add(task)
        task.add_done_callback(self._looking.discard)

    # -- checks ------------------------------------------------------------------------------------------------------

    def _checked(self, known: KnownChannel, given: VoucherIn, moment: _Moment, done: Done) -> Item | None:
        """Refuse what can be refused cheaply, then look at the signature; return what is to be written."""
        amount, text = given.max_claimable_units, given.signature
        if len(text) != _SIGNATURE_TEXT or not text.startswith("0x") or not _is_ceiling(amount):
            done(MALFORMED)
            return None
        try:
            signature = bytes.fromhex(text[2:])
        except ValueError:
            done(MALFORMED)
            return None
        problem = shape_problem(signature)
        if problem is not None:
            done(Refused(problem))
            return None
        ceiling = int(amount)
        if ceiling <= known.ceiling_units:
            self._known_ceiling(known, ceiling, signature, done)
            return None
        refused = self._refusal(known, ceiling, moment)
        if refused is None and (problem := self._recoverer.problem(known.signer, ceiling, signature)) is not None:
            refused = Refused(problem)
        if refused is not None:
            done(refused)
            return None
        return Item(known, ceiling, signature, done)

    def _known_ceiling(self, known: KnownChannel, ceiling: int, signature: bytes, done: Done) -> None:
        if ceiling == known.ceiling_units:
            if signature == known.signature:
                done(Accepted(known.text, ceiling, known.price_units, repeated=True))
            else:
                done(Refused(Code.DIFFERS, known.corrective()))
            return
        self._later(self._lower(Item(known, ceiling, signature, done)))

    async def _lower(self, item: Item) -> None:
        key = (item.channel.channel_id, item.ceiling_units)
        try:
            stored = await self._lookup.lower([key])
        except Exception:  # whatever it is, the sender waits for an answer
            LOG.exception("voucher_not_read")
            item.done(UNAVAILABLE)
            return
        item.done(lower_outcome(item, stored.get(key)))

    @staticmethod
    def _refusal(known: KnownChannel, ceiling: int, moment: _Moment) -> Refused | None:
        pool = known.pool
        if known.kind != "market":
            return Refused(Code.NOT_BARE)
        if pool.operator not in moment.serving:
            return Refused(Code.OPERATOR_RETIRED)
        if not pool.on_chain:
            return Refused(Code.POOL_UNKNOWN)
        if pool.closing:
            return Refused(Code.POOL_CLOSING)
        if ceiling > hot_repo.MOST_UNITS:
            return Refused(Code.ABOVE_POOL, {"available_units": str(max(0, pool.room()))})
        if pool.refused is not None:
            until, increment, refused = pool.refused
            if time.monotonic() > until:
                pool.refused = None
            elif ceiling - known.ceiling_units >= increment:
                return refused
        return moment.behind

    def _moment(self) -> _Moment:
        """Return what holds for every voucher of this second, as long as the newest final block is the same."""
        now, final_time = self._ctx.now(), self._lookup.final_time
        found = self._last
        if found is None or found.now != now or found.final_time != final_time:
            serving = frozenset(epoch.address for epoch in self._ctx.serving())
            found = self._last = _Moment(now, final_time, serving, self._behind(now, final_time))
        return found

    def _behind(self, now: int, final_time: int) -> Refused | None:
        if claim_is_safe(evaluate_by=now, finalized_time=final_time, now=now, constants=self._ctx.constants):
            return None
        return Refused(Code.CHAIN_BEHIND, {"finalized_age_seconds": now - final_time})

    # -- first use ---------------------------------------------------------------------------------------------------

    async def _first(self, given: VoucherIn, done: Done) -> None:
        met = await self._meet(given)
        if isinstance(met, Refused):
            done(met)
        else:
            self._take(met, given, done)

    async def _meet_all(self, vouchers: list[VoucherIn]) -> list[KnownChannel | Refused]:
        channels = self._known.channels
        known = [channels.get(given.channel_id) for given in vouchers]
        if None not in known:
            return known  # type: ignore[return-value]  # the line above says so
        await self._read_unknown(vouchers)
        # one after the other, so that vouchers of a new channel keep their order
        return [channels.get(given.channel_id) or await self._meet(given) for given in vouchers]

    async def _read_unknown(self, vouchers: list[VoucherIn]) -> None:
        """Read the rows of all channels a batch is the first to name, in one go; failing is found out later again."""
        unknown = {given.channel_id.lower() for given in vouchers if given.channel_id not in self._known.channels}
        with contextlib.suppress(Crowded, *LOST):
            await asyncio.gather(*(self._lookup.channel(text) for text in unknown if _is_hash(text)))

    async def _meet(self, given: VoucherIn) -> KnownChannel | Refused:
        """Read the row of a channel, or make it for a voucher that is good."""
        text = given.channel_id.lower()
        if not _is_hash(text):
            return MALFORMED
        try:
            while (known := await self._lookup.channel(text)) is None:
                if given.channel is None:
                    return Refused(Code.CHANNEL_UNKNOWN)
                if (busy := self._opening.get(text)) is not None:
                    await busy.wait()
                    continue
                busy = self._opening[text] = asyncio.Event()
                try:
                    refused = await self._open(text, given, given.channel)
                finally:
                    del self._opening[text]
                    busy.set()
                if refused is not None:
                    return refused
        except Crowded:
            return OVERLOADED
        except LOST as error:
            LOG.warning("channel_not_read", error=repr(error))
            return UNAVAILABLE
        except Exception:  # whatever it is, the sender waits for an answer
            LOG.exception("channel_not_read")
            return UNAVAILABLE
        return known

    async def _open(self, text: str, given: VoucherIn, parties: PartiesIn) -> Refused | None:
        """Make the rows of a channel whose parties are named and whose signer has signed. Raises one of `LOST`."""
        way = self._lane(parties)
        if way is None or hex0x(way.channel_id) != text:
            return Refused(Code.MALFORMED, {"detail": "The parties named are not those of this channel."})
        config = way.config
        if config.receiver_authorizer not in self._moment().serving:
            return Refused(Code.OPERATOR_RETIRED)
        try:
            signature = bytes.fromhex(given.signature[2:])
        except ValueError:
            return MALFORMED
        problem = shape_problem(signature)
        if problem is None and not _is_ceiling(given.max_claimable_units):
            problem = Code.MALFORMED
        if problem is None:
            signer = Signer(way.channel_id, way.voucher_signer)
            problem = self._recoverer.problem(signer, int(given.max_claimable_units), signature)
        if problem is not None:
            return Refused(problem)
        async with self._lookup.use() as connection:
            seen = await connection.fetchrow(hot_repo.HEADROOMS, [way.pool_id])
            if seen["pending_units"] is None:
                return Refused(Code.POOL_UNKNOWN)
            async with connection.transaction():
                await connection.execute(
                    hot_repo.NEW_POOL, way.pool_id, config.payer, config.payer_authorizer, config.receiver_authorizer
                )
                await connection.execute(hot_repo.NEW_CHANNEL, way.channel_id, way.pool_id, config.receiver)
        return None

    def _lane(self, parties: PartiesIn) -> Lane | None:
        try:
            return lane(
                self._ctx,
                payer=parse_address(parties.payer),
                payer_authorizer=parse_address(parties.payer_authorizer),
                receiver=parse_address(parties.receiver),
                operator=parse_address(parties.operator),
            )
        except ValueError:
            return None


def _is_ceiling(text: str) -> bool:
    """Whether a text is an amount above zero that a voucher can hold: digits only, no sign, no leading zero."""
    if not (text.isascii() and text.isdigit()) or text[0] == "0" or len(text) > _MOST_DIGITS:
        return False
    return len(text) < _MOST_DIGITS or int(text) < 1 << 128


def _is_hash(text: str) -> bool:
    if len(text) != _CHANNEL_TEXT or not text.startswith("0x"):
        return False
    try:
        return len(bytes.fromhex(text[2:])) == 32
    except ValueError:
        return False
