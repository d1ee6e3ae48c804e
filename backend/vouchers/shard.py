"""One shard: the routes over the engine, and the life of its process.

Goals: the answers of the API's own routes, at a tenth of the cost; on SIGTERM nothing new is taken, what was taken is
written and answered, then the process ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from functools import partial
from typing import Any, Final

import msgspec
import structlog

from backend.context import Context
from backend.payments.engine import OVERLOADED, UNAVAILABLE, Engine, VoucherIn
from backend.payments.lookup import LOST, Crowded
from backend.payments.outcomes import STATUS, Accepted, Code, Outcome, Refused
from backend.vouchers.wire import Connection, Slot

LOG = structlog.get_logger(__name__)
MOST_IN_BATCH: Final = 1_000
BACKLOG: Final = 1_024
SWEEP_SECONDS: Final = 1.0
GRACE_SECONDS: Final = 8.0
CLOSING_SECONDS: Final = 0.02
YOUNG_OBJECTS: Final = 50_000
"""New objects after which the garbage collector looks for cycles. A group of vouchers is thousands of objects that hold
none and are gone after its COMMIT; to look at them every 700 costs a twentieth of all that is done beside the curve."""
_CHANNELS: Final = b"/channels/"
_ENCODE: Final = msgspec.json.Encoder().encode


class BatchIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Vouchers in the order in which they are taken."""

    vouchers: list[VoucherIn]


_ONE: Final = msgspec.json.Decoder(VoucherIn)
_MANY: Final = msgspec.json.Decoder(BatchIn)


def problem(status: int, code: str, title: str) -> bytes:
    """Return a problem document."""
    document = {"type": f"/docs/problems#{code}", "title": title, "status": status, "code": code, "detail": title}
    return _ENCODE({**document, "retryable": status == 503})


def outcome_body(outcome: Outcome) -> bytes:
    """Return an outcome as the body of its own answer."""
    if type(outcome) is Accepted:
        repeated = b"true" if outcome.repeated else b"false"
        return b'{"channel_id":"%b","max_claimable_units":"%d","price_units":"%d","repeated":%b}' % (
            outcome.channel_id.encode(), outcome.ceiling_units, outcome.price_units, repeated,
        )  # fmt: skip
    assert isinstance(outcome, Refused)
    return _ENCODE(outcome.body())


class Service:
    """The routes. Implements what `wire.Connection` asks of a handler."""

    def __init__(self, engine: Engine, shard: int, shards: int) -> None:
        self._engine = engine
        self._shard = (shard, shards)
        self._tasks: set[asyncio.Task[None]] = set()
        self.stopping = False

    def refusal(self, status: int, code: str, title: str) -> bytes:
        """Return the document for a request that was never read."""
        return problem(status, code, title)

    def request(self, method: bytes, path: bytes, body: bytes, slot: Slot) -> None:
        """Take a request; the slot is answered now or later."""
        if path == b"/vouchers":
            if method != b"POST":
                slot.answer(405, problem(405, "method_not_allowed", "This address takes POST only."))
                return
            try:
                given = _ONE.decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                slot.answer(422, _malformed(error))
                return
            self._engine.offer(given, partial(_tell, slot))
        elif path == b"/vouchers/batch" and method == b"POST":
            self._batch(body, slot)
        elif path == b"/health" and method == b"GET":
            self._health(slot)
        elif path.startswith(_CHANNELS) and method == b"GET":
            self._later(self._channel(path[len(_CHANNELS) :].decode("latin-1"), slot))
        else:
            slot.answer(404, problem(404, "not_found", "There is nothing here for you."))

    async def finish(self) -> None:
        """Wait for the batches under way."""
        self.stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _batch(self, body: bytes, slot: Slot) -> None:
        try:
            vouchers = _MANY.decode(body).vouchers
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            slot.answer(422, _malformed(error))
            return
        if not 1 <= len(vouchers) <= MOST_IN_BATCH:
            slot.answer(422, problem(422, "invalid_input", f"A batch holds 1 to {MOST_IN_BATCH} vouchers."))
        else:
            self._later(self._accept(vouchers, slot))

    async def _accept(self, vouchers: list[VoucherIn], slot: Slot) -> None:
        try:
            outcomes = await self._engine.accept(vouchers)
        except Crowded:
            _tell(slot, OVERLOADED)
            return
        except Exception:  # whatever it is, the sender waits for an answer
            LOG.exception("batch_failed")
            _tell(slot, UNAVAILABLE)
            return
        slot.answer(200, b'{"results":[%b]}' % b",".join(map(outcome_body, outcomes)))

    async def _channel(self, text: str, slot: Slot) -> None:
        try:
            found = await self._engine.state(text)
        except (*LOST, Crowded, ValueError) as error:
            code = Code.MALFORMED if type(error) is ValueError else Code.UNAVAILABLE
            _tell(slot, Refused(code))
            return
        if found is None:
            _tell(slot, Refused(Code.CHANNEL_UNKNOWN))
        else:
            slot.answer(200, _ENCODE(found))

    def _health(self, slot: Slot) -> None:
        figures: dict[str, Any] = self._engine.figures()
        shard, shards = self._shard
        well = bool(figures["ready"]) and not self.stopping
        document = {"status": "ok" if well else "unavailable", "shard": shard, "shards": shards, **figures}
        slot.answer(200 if well else 503, _ENCODE(document))

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _tell(slot: Slot, outcome: Outcome) -> None:
    slot.answer(200 if type(outcome) is Accepted else STATUS[outcome.code], outcome_body(outcome))  # type: ignore[union-attr]


def _malformed(error: Exception) -> bytes:
    # the text of a decoder's error names a place and a type, never a value that was sent
    return problem(422, "invalid_input", f"The request is malformed: {error}")


async def serve(ctx: Context, shard: int, shards: int, port: int) -> None:
    """Serve until SIGTERM or SIGINT; end as well when the parent has ended."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    engine = Engine(ctx, own=lambda pool_id: pool_id[0] % shards == shard)
    await engine.start()
    service = Service(engine, shard, shards)
    connections: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(service, connections, loop.time),
        ctx.settings.host,
        port,
        backlog=BACKLOG,
        reuse_address=True,
    )
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS)
    LOG.info("ready", shard=shard, shards=shards, port=port)
    parent = os.getppid()
    while not stop.is_set() and os.getppid() == parent:
        try:
            async with asyncio.timeout(SWEEP_SECONDS):
                await stop.wait()
        except TimeoutError:
            now = loop.time()
            for connection in list(connections):
                connection.sweep(now)
    server.close()
    for connection in list(connections):
        connection.close()
    await service.finish()
    await engine.stop()
    for _ in range(int(GRACE_SECONDS / CLOSING_SECONDS)):
        if not connections:
            return
        await asyncio.sleep(CLOSING_SECONDS)
    LOG.warning("connections_cut", count=len(connections))
