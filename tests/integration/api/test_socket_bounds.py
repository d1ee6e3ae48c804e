"""WebSockets are bounded: for an account, and without a ticket for one IP and in all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from backend.outbox.sockets import Sockets
from tests.fixtures.apihost import Host
from tests.fixtures.services import wait_for
from tests.integration.api.test_events import listening, receive, ticket


def test_one_ip_and_all_together_have_a_bound() -> None:
    guests = Sockets(each=2, in_all=3)
    assert [guests.enter(ip) for ip in ("a", "a", "a", "b", "b", "c")] == [True, True, False, True, False, False]
    guests.leave("a")
    assert [guests.enter(ip) for ip in ("b", "a")] == [True, False], "all together"


def test_one_too_many_is_told_why_and_a_session_is_not_refused(host: Host) -> None:
    with ExitStack() as stack:
        for _ in range(host.ctx.settings.anonymous_sockets_per_ip):
            assert receive(stack.enter_context(listening(host)))["type"] == "hello"
        with listening(host) as refused:
            with pytest.raises(ConnectionClosed) as told:
                receive(refused)
            assert told.value.rcvd is not None
            assert (told.value.rcvd.code, told.value.rcvd.reason) == (1013, "too_many_connections")
        with listening(host, f"?ticket={ticket(host.wallet())}") as known:
            assert receive(known)["type"] == "hello"


def test_an_account_has_so_many_and_no_more_until_one_is_closed(host: Host) -> None:
    wallet = host.wallet()
    with ExitStack() as stack:
        opened = [
            stack.enter_context(listening(host, f"?ticket={ticket(wallet)}"))
            for _ in range(host.ctx.settings.sockets_per_account)
        ]
        assert [receive(one)["type"] for one in opened] == ["hello"] * len(opened)
        with listening(host, f"?ticket={ticket(wallet)}") as refused:
            with pytest.raises(ConnectionClosed) as told:
                receive(refused)
            assert told.value.rcvd is not None
            assert (told.value.rcvd.code, told.value.rcvd.reason) == (1013, "too_many_connections")
        for query in (f"?ticket={ticket(host.wallet())}", ""):
            with listening(host, query) as other:
                assert receive(other)["type"] == "hello"
        opened[0].close()

        def again() -> bool:
            with listening(host, f"?ticket={ticket(wallet)}") as one:
                try:
                    return bool(receive(one)["type"] == "hello")
                except ConnectionClosed:
                    return False

        wait_for(again, "a place of a closed connection")
