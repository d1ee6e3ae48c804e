"""One account whose name servers say nothing holds up its own calls, and nobody else's."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from backend.notifications import sending
from backend.x402 import upstream
from backend.x402.names import Names

BUSY, OTHER = b"busy", b"other"
HERE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let names that begin with `slow` be looked up in vain, until the event is set."""
    over = threading.Event()

    def lookup(host: str, *_: Any, **__: Any) -> Any:
        if host.startswith("slow"):
            over.wait(30)
            raise socket.gaierror("no answer")
        if host.startswith("bad"):
            raise UnicodeError("not a name")
        return HERE

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    yield over
    over.set()


async def found(names: Names, host: str, account: bytes, seconds: float = 5) -> list[str] | type[Exception]:
    try:
        async with asyncio.timeout(seconds):
            return await names.addresses(host, 80, account)
    except Exception as error:  # noqa: BLE001  # what it came to
        return type(error)


def test_an_account_waits_behind_its_own_silent_names_alone(silence: threading.Event) -> None:
    names = Names(in_all=4, each=2)

    async def act() -> None:
        slow = [asyncio.create_task(found(names, f"slow{n}", BUSY)) for n in range(8)]
        await asyncio.sleep(0)
        assert await found(names, "good", OTHER) == ["127.0.0.1"]
        assert await found(names, "good", BUSY, 0.1) is TimeoutError, "its turn has not come"
        silence.set()
        assert await asyncio.gather(*slow) == [socket.gaierror] * 8
        assert await found(names, "good", BUSY) == ["127.0.0.1"]
        assert await found(names, "bad", BUSY) is UnicodeError

    asyncio.run(act())


def test_a_lookup_counts_until_it_ends_whether_anybody_waits_or_not(silence: threading.Event) -> None:
    names = Names(in_all=3, each=2)
    before = set(threading.enumerate())

    async def give_up() -> list[Any]:
        return await asyncio.gather(*(found(names, f"slow{n}", BUSY, 0.1) for n in range(5)))

    assert asyncio.run(give_up()) == [TimeoutError] * 5, "the loop ends though the threads do not"
    begun = [one for one in threading.enumerate() if one.name == "names" and one not in before]
    assert len(begun) == 2, "those whose turn never came are not begun"
    assert asyncio.run(found(names, "good", BUSY, 0.1)) is TimeoutError
    assert asyncio.run(found(names, "slow", OTHER, 0.1)) is TimeoutError
    assert asyncio.run(found(names, "good", b"third", 0.1)) is TimeoutError, "all are taken"
    silence.set()
    assert asyncio.run(found(names, "good", BUSY)) == ["127.0.0.1"]


def test_where_there_is_no_thread_left_a_name_is_not_found(
    monkeypatch: pytest.MonkeyPatch, silence: threading.Event
) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    names = Names(in_all=1, each=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        assert asyncio.run(found(names, "good", OTHER)) is OSError
    assert asyncio.run(found(names, "good", OTHER)) == ["127.0.0.1"]


def _job(number: int, host: str, account: bytes) -> Any:
    subscription = SimpleNamespace(channel="webhook", target=f"https://{host}.example/x", account=account)
    return SimpleNamespace(dispatch=SimpleNamespace(id=number), subscription=subscription, notification=None)


def test_webhooks_on_silent_name_servers_hold_up_no_others(
    monkeypatch: pytest.MonkeyPatch, silence: threading.Event
) -> None:
    message: Callable[..., Any] = lambda *_: SimpleNamespace(body=b"{}", headers={})  # noqa: E731  # a stand-in
    monkeypatch.setattr(sending, "message_of", message)
    monkeypatch.setattr(sending, "WEBHOOK_SECONDS", 1.0)
    monkeypatch.setattr(upstream, "NAMES", Names(in_all=64, each=4))
    ctx: Any = SimpleNamespace(now=lambda: 0, settings=SimpleNamespace(gateway_local_upstreams=False))
    jobs = [_job(n, f"slow{n}", BUSY) for n in range(10)] + [_job(10 + n, f"good{n}", OTHER) for n in range(5)]
    results = asyncio.run(sending._send_all(ctx, jobs))
    assert [result.problem for result in results] == ["too_slow"] * 10 + ["address_refused"] * 5
