"""Webhooks and mailboxes: signed, at least once under one id, tried again and given up, and nowhere they may not go."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from aicp.rules.primitives import checksum
from aicp.rules.webhooks import HEADER, ID_HEADER, WebhookError, verify
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.domain.notices import MAX_TRIES, NoticeKind, pause_seconds
from backend.notifications import sending
from backend.notifications.repo import SENT_AT_ONCE_TO_ONE
from backend.notifications.service import Notice, tell
from scripts.devnet.ports import free_port
from tests.fixtures.apihost import Host, Wallet, code_of, start
from tests.fixtures.receivers import Hooks, Mailboxes, mail_server, web_server


@dataclass(frozen=True)
class Post:
    """The API, a worker's database beside it, and the two servers messages go to."""

    host: Host
    db: SyncDatabase
    hooks: Hooks
    boxes: Mailboxes

    def tell(self, wallet: Wallet, event: str, kind: NoticeKind = NoticeKind.SCORE_DROPPED) -> None:
        facts = {"before": "8000", "score": "7000", "epoch": "1", "title": "x", "agent": "0x" + "1" * 40}
        notice = Notice(account=wallet.address, event=event, kind=kind, facts=facts)
        self.db.write(lambda s: tell(s, [notice]))

    def send(self, later: int = 0) -> int:
        self.host.clock.added += later
        return sending.send_due(self.host.ctx, self.db)


@pytest.fixture(scope="module")
def post(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    with ExitStack() as stack:
        hooks, boxes = stack.enter_context(web_server()), stack.enter_context(mail_server())
        host, stop = start(
            pg_url, tmp_path_factory.mktemp("api"), gateway_local_upstreams=True, smtp_host="127.0.0.1",
            smtp_port=boxes.port, smtp_security="none", smtp_from="AICP <box@aicp.example>",
            bearer_seconds=10_000_000,
        )  # fmt: skip
        stack.callback(stop)
        db = SyncDatabase(make_sync_engine(pg_url, pool_size=2))
        stack.callback(db.close)
        yield Post(host, db, hooks, boxes)


@pytest.fixture(autouse=True)
def _empty(post: Post) -> None:
    post.hooks.got.clear()
    post.hooks.answers.clear()
    post.boxes.got.clear()


def hook_of(wallet: Wallet, url: str, **body: Any) -> dict[str, Any]:
    answer = wallet.http.post("/webhooks", json={"url": url} | body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def log_of(wallet: Wallet, hook: dict[str, Any]) -> list[dict[str, Any]]:
    return list(wallet.http.get(f"/webhooks/{hook['id']}/dispatches").json()["items"])


def test_a_message_is_signed_and_sent_once(post: Post) -> None:
    wallet, other = post.host.wallet(), post.host.wallet()
    hook = hook_of(wallet, post.hooks.url, kinds=["score_dropped"])
    assert wallet.http.get("/webhooks").json() == [{k: v for k, v in hook.items() if k != "secret"}]
    post.tell(wallet, "one")
    post.tell(wallet, "two", NoticeKind.BID_WITHDRAWN)
    post.tell(other, "one")
    assert (post.send(), post.send()) == (1, 0)
    [(headers, body)] = post.hooks.got
    assert verify(hook["secret"], headers[HEADER], body, post.host.clock()) <= post.host.clock()
    with pytest.raises(WebhookError):
        verify("whsec_other", headers[HEADER], body, post.host.clock())
    message = json.loads(body)
    [told] = [row for row in wallet.http.get("/notifications").json()["items"] if row["kind"] == "score_dropped"]
    assert (message["id"], message["webhook_id"]) == (headers[ID_HEADER], hook["id"])
    assert (message["account"], message["notification_id"]) == (checksum(wallet.address), told["id"])
    assert (message["sentence"], message["kind"]) == (told["sentence"], "score_dropped")
    [sent] = log_of(wallet, hook)
    assert (sent["id"], sent["state"], sent["next_try_at"]) == (message["id"], "sent", None)
    assert [(one["number"], one["status"], one["problem"]) for one in sent["tries"]] == [(1, 204, None)]


def test_what_fails_is_tried_again_under_its_id_then_given_up(post: Post) -> None:
    wallet = post.host.wallet()
    hook = hook_of(wallet, post.hooks.url)
    post.hooks.answers += [500, 302]
    post.tell(wallet, "one")
    assert post.send() == 0
    assert post.send(pause_seconds(1) - 2) == 0, "not before its time"
    assert post.send(3) == 0
    assert post.send(pause_seconds(2) + 1) == 1
    assert len({(headers[ID_HEADER], body) for headers, body in post.hooks.got}) == 1
    assert len(post.hooks.got) == 3
    [sent] = log_of(wallet, hook)
    assert [one["problem"] for one in sent["tries"]] == ["status", "status", None]

    post.hooks.answers += [500] * MAX_TRIES
    post.tell(wallet, "two")
    for _ in range(MAX_TRIES + 2):
        assert post.send(6 * 3600) == 0
    dead, _ = log_of(wallet, hook)
    assert (dead["state"], len(dead["tries"])) == ("dead", MAX_TRIES)
    again = f"/webhooks/{hook['id']}/dispatches/{dead['id']}/again"
    assert wallet.http.post(again).json()["state"] == "waiting"
    assert code_of(wallet.http.post(again)) == (409, "wrong_state")
    assert code_of(post.host.wallet().http.post(again))[0] == 404
    assert post.send() == 1
    assert post.hooks.got[-1][0][ID_HEADER] == dead["id"]
    assert len(log_of(wallet, hook)[0]["tries"]) == MAX_TRIES + 1


def test_a_long_queue_of_one_webhook_leaves_room_for_others(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    busy, quiet = post.host.wallet(), post.host.wallet()
    hook_of(busy, post.hooks.url)
    hook = hook_of(quiet, post.hooks.url)
    for number in range(8):
        post.tell(busy, f"busy-{number}")
    post.host.clock.added += 30
    post.tell(quiet, "one")
    post.host.sql(
        "UPDATE app.dispatch d SET not_before = d.not_before - interval '60 seconds' FROM app.subscription s"
        " WHERE s.id = d.subscription_id AND s.account = :a",
        a=busy.address,
    )
    monkeypatch.setattr(sending, "AT_ONCE", 2)
    taken = post.db.write(partial(sending.take, ctx=post.host.ctx))
    assert str(hook["id"]) in {str(job.subscription.id) for job in taken}
    post.host.sql("UPDATE app.dispatch SET state = 'dead' WHERE state = 'waiting'")


def test_a_worker_that_dies_after_sending_sends_again_and_comes_back_too_late(post: Post) -> None:
    wallet = post.host.wallet()
    hook = hook_of(wallet, post.hooks.url)
    post.tell(wallet, "one")
    taken = post.db.write(partial(sending.take, ctx=post.host.ctx))
    assert [job.dispatch.tries for job in taken] == [1]
    assert post.send() == 0, "another worker leaves it alone for a while"
    post.hooks.answers.append(500)
    assert post.send(sending.HELD_SECONDS + 1) == 0
    late = [(job, sending.Result(milliseconds=1, status=204)) for job in taken]
    post.db.write(partial(sending.record, ctx=post.host.ctx, done=late))
    [row] = log_of(wallet, hook)
    assert (row["state"], [one["number"] for one in row["tries"]]) == ("waiting", [1, 2])
    assert post.send(pause_seconds(2) + 1) == 1


def test_a_deleted_webhook_gets_nothing_more(post: Post) -> None:
    wallet = post.host.wallet()
    hook = hook_of(wallet, post.hooks.url)
    ping = wallet.http.post(f"/webhooks/{hook['id']}/ping").json()
    assert (ping["kind"], post.send()) == ("ping", 1)
    assert json.loads(post.hooks.got[0][1])["kind"] == "ping"
    post.tell(wallet, "one")
    path = f"/webhooks/{hook['id']}"
    assert code_of(post.host.wallet().http.delete(path))[0] == 404
    assert [wallet.http.delete(path).status_code for _ in range(2)] == [204, 204]
    post.tell(wallet, "two")
    assert post.send(60) == 0
    assert wallet.http.get("/webhooks").json() == []
    assert [row["state"] for row in log_of(wallet, hook)] == ["dead", "sent"], "its log stays"
    assert code_of(wallet.http.post(f"{path}/ping"))[0] == 409


def test_one_server_holds_up_no_other(post: Post) -> None:
    slow, quick = post.host.wallet(), post.host.wallet()
    hooks = [(slow, hook_of(slow, f"http://127.0.0.1:{free_port()}/nobody")), (quick, hook_of(quick, post.hooks.url))]
    for number in range(sending.AT_ONCE + 8):
        post.tell(slow, f"n{number}")
    post.tell(quick, "one")
    jobs = post.db.write(partial(sending.take, ctx=post.host.ctx))
    assert [job.subscription.account for job in jobs].count(quick.address) == 1
    assert len(jobs) == 1 + SENT_AT_ONCE_TO_ONE
    for wallet, hook in hooks:
        assert wallet.http.delete(f"/webhooks/{hook['id']}").status_code == 204


@pytest.mark.parametrize(
    "url",
    ["ftp://example.org/", "http://10.0.0.1/", "https://u:p@example.org/", "https://[::ffff:10.0.0.1]/", "x" * 2049],
)
def test_other_urls_are_refused(post: Post, url: str) -> None:
    wallet = post.host.wallet()
    status, code = code_of(wallet.http.post("/webhooks", json={"url": url}))
    assert (status, code) in {(400, "webhook_refused"), (422, "invalid_input")}
    assert wallet.http.get("/webhooks").json() == []


def test_ten_webhooks_are_the_most(post: Post) -> None:
    wallet = post.host.wallet()
    for number in range(10):
        hook_of(wallet, f"{post.hooks.url}/{number}")
    assert code_of(wallet.http.post("/webhooks", json={"url": post.hooks.url})) == (409, "too_many_webhooks")


def code_in(post: Post) -> str:
    """Return the code of the last letter."""
    found = re.search(r"^    ([A-Z2-7]{8})$", post.boxes.got[-1].get_content().replace("\r", ""), re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_mailbox_is_written_to_once_its_owner_has_confirmed_it(post: Post) -> None:
    wallet, path = post.host.wallet(), "/notifications/mailbox"
    assert wallet.http.get(path).json() == {"available": True, "address": None, "kinds": None, "confirmed": False}
    assert wallet.http.post(path, json={"address": "me@example.org"}).json()["confirmed"] is False
    post.tell(wallet, "before")
    assert post.send() == 1
    assert [letter["To"] for letter in post.boxes.got] == ["me@example.org"]
    assert code_of(wallet.http.post(f"{path}/confirm", json={"code": "AAAAAAAA"})) == (400, "code_wrong")
    assert wallet.http.post(f"{path}/confirm", json={"code": code_in(post)}).json()["confirmed"] is True
    post.tell(wallet, "after")
    assert (post.send(1), post.send()) == (1, 0)
    letter = post.boxes.got[-1]
    assert letter["Subject"] == "Your score fell from 80.00 to 70.00 in epoch 1."
    assert letter["From"] == "AICP <box@aicp.example>"
    assert f"{post.host.ctx.settings.public_url}/notifications" in letter.get_content()
    assert wallet.http.delete(path).status_code == 204
    post.tell(wallet, "gone")
    assert post.send(60) == 0


def test_a_refused_letter_waits_and_an_old_code_is_none(post: Post) -> None:
    wallet, path = post.host.wallet(), "/notifications/mailbox"
    post.boxes.refused.add("late@example.org")
    assert wallet.http.post(path, json={"address": "late@example.org"}).status_code == 200
    assert post.send() == 0
    post.boxes.refused.clear()
    assert post.send(pause_seconds(1) + 1) == 1
    post.host.clock.added += 3600
    assert code_of(wallet.http.post(f"{path}/confirm", json={"code": code_in(post)})) == (400, "code_wrong")
    for _ in range(4):
        assert wallet.http.post(path, json={"address": "late@example.org"}).status_code == 200
    assert code_of(wallet.http.post(path, json={"address": "late@example.org"})) == (429, "mail_limit")
    other = post.host.wallet()
    assert code_of(other.http.post(path, json={"address": "LATE@example.org"})) == (429, "mail_limit"), "nor by others"
    assert code_of(other.http.post(path, json={"address": "a@b.c\nBcc: d@e.f"}))[0] == 422
