"""WebSockets without a ticket are bounded: for one IP, and in all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from websockets.exceptions import ConnectionClosed

from backend.outbox.guests import Guests
from tests.fixtures.apihost import Host
from tests.integration.api.test_events import listening, receive, ticket


def test_one_ip_and_all_together_have_a_bound() -> None:
    guests = Guests(in_all=3, each=2)
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
