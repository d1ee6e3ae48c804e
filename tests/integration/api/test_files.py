"""Files: stored once by content, within limits, readable by those a task concerns, and never run by a browser."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aicp.rules.primitives import hex0x
from backend.db.engine import SyncDatabase, make_sync_engine
from backend.errors import Problem
from backend.files import service as files
from backend.files.schemas import ManifestFile
from tests.fixtures.apihost import Host, Wallet, code_of

MIB = 1 << 20


def stored(host: Host) -> list[str]:
    """Return the names of all files on disk, half-written ones included."""
    return sorted(path.name for path in host.files.rglob("*") if path.is_file())


def unchanged(host: Host) -> tuple[int, list[str]]:
    return host.count("app.upload"), stored(host)


def test_the_same_content_is_stored_once_under_its_hash(host: Host) -> None:
    data = b"a,b\n1,2\n"
    first, second = host.wallet(), host.wallet()
    digest = hashlib.sha256(data).hexdigest()
    expected = {"sha256": "0x" + digest, "name": "data.csv", "size": len(data), "media_type": "text/csv"}
    assert first.upload(data).json() == expected
    assert first.upload(data).json() == expected
    assert second.upload(data, "../../other name.txt").json()["name"] == "other name.txt"
    assert stored(host).count(digest) == 1
    assert host.sql("SELECT count(*) FROM app.upload WHERE sha256 = :h", h=bytes.fromhex(digest))[0][0] == 2


def test_a_file_is_read_by_owner_and_parties_and_hidden_from_others(host: Host) -> None:
    buyer, winner, loser = host.wallet(), host.wallet(), host.wallet()
    file = buyer.upload(b"id,price\n1,10\n", "prices.csv").json()
    task = buyer.post_task(input_files=[file["sha256"]])
    assert [entry["name"] for entry in host.client().get(f"/tasks/{task['id']}").json()["input_summary"]] == [
        "prices.csv"
    ]
    path = f"/files/{file['sha256']}"
    bid, _ = winner.bid(task), loser.bid(task)
    assert buyer.http.get(path).content == b"id,price\n1,10\n"
    for reader in (winner, loser):
        assert code_of(reader.http.get(path)) == (404, "not_found")
    assert code_of(host.client().get(path)) == (401, "unauthenticated")
    assert buyer.award(task, bid).status_code == 200
    assert winner.http.get(path).content == b"id,price\n1,10\n"
    assert code_of(loser.http.get(path)) == (404, "not_found")
    assert code_of(buyer.http.get("/files/" + "00" * 32)) == (404, "not_found")


def test_who_wins_by_bidding_within_an_order_reads_the_inputs_once_he_is_paid(host: Host) -> None:
    """Else anybody reads a stranger's files for one signature: nobody has looked at who he is."""
    buyer, agent = host.wallet(), host.wallet()
    file = buyer.upload(b"id,price\n3,30\n", "private.csv").json()
    task = buyer.post_task(input_files=[file["sha256"]], buy_now_units="2000000")
    assert buyer.order(task, 2_000_000).status_code == 200
    agent.bid(task, amount_units="2000000")
    deal = host.client().get(f"/tasks/{task['id']}").json()["deal_id"]
    path = f"/files/{file['sha256']}"
    assert deal is not None
    assert code_of(agent.http.get(path)) == (404, "not_found")
    host.sql(
        "INSERT INTO app.task_transition (task_id, deal_id, source, target, reason, evidence)"
        " VALUES (:t, :d, 'awaiting_payment', 'assigned', 'paid', '{}')",
        t=task["id"],
        d=deal,
    )
    assert agent.http.get(path).content == b"id,price\n3,30\n"


def deal_of(host: Host, buyer: Wallet, agent: Wallet) -> tuple[bytes, bytes]:
    """Return task id and deal id of a fresh award."""
    task = buyer.post_task()
    award = buyer.award(task, agent.bid(task)).json()
    return task["id"], award["deal_id"]


@pytest.fixture
def db(host: Host) -> Iterator[SyncDatabase]:
    """The boundary the workers use, on the API's database."""
    database = SyncDatabase(make_sync_engine(host.database_url))
    yield database
    database.close()


def test_results_belong_to_the_agent_who_uploaded_them_and_to_the_buyer(host: Host, db: SyncDatabase) -> None:
    buyer, agent, stranger = host.wallet(), host.wallet(), host.wallet()
    task_id, deal_id = deal_of(host, buyer, agent)
    data = b"# Report\n"
    entry = agent.upload(data, "report.md").json()
    manifest = [ManifestFile(name="report.md", sha256=entry["sha256"], size=len(data), media_type="text/markdown")]

    def attach(owner: Wallet, wanted: list[ManifestFile]) -> None:
        db.write(lambda s: files.attach_results(s, host.ctx, owner.address, task_id, deal_id, wanted))

    with pytest.raises(Problem) as refusal:
        attach(stranger, manifest)
    assert refusal.value.code == "unknown_file"
    with pytest.raises(Problem) as refusal:
        attach(agent, [manifest[0].model_copy(update={"size": 1})])
    assert refusal.value.code == "terms_mismatch"
    path = f"/files/{entry['sha256']}"
    assert code_of(buyer.http.get(path)) == (404, "not_found")
    attach(agent, manifest)
    attach(agent, manifest)
    assert buyer.http.get(path).content == data
    assert code_of(stranger.http.get(path)) == (404, "not_found")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("page.html", b"<!doctype html><script>alert(document.domain)</script>"),
        ("data.csv", b"<script>alert(1)</script>"),
        ("image.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'),
        ("code.js", b"alert(1)"),
        ("sheet.xml", b'<?xml version="1.0"?><a xmlns="http://www.w3.org/1999/xhtml"><script/></a>'),
    ],
)
def test_a_file_that_could_run_is_served_as_an_inert_attachment(host: Host, name: str, data: bytes) -> None:
    owner = host.wallet()
    file = owner.upload(data, name).json()
    answer = owner.http.get(f"/files/{file['sha256']}")
    assert answer.content == data
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"


def test_a_header_cannot_be_smuggled_in_through_a_name(host: Host) -> None:
    owner = host.wallet()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\\"; evil=\\"1.txt"\r\n\r\nhello\r\n--x--\r\n'
    )
    answer = owner.http.post("/files", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 200
    shown = owner.http.get(f"/files/{answer.json()['sha256']}").headers["content-disposition"]
    assert '"' not in shown
    assert shown.count(";") == 1


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tool", b"\x7fELF\x02\x01\x01" + bytes(64)),
        ("tool.csv", b"MZ\x90\x00" + bytes(64)),
        ("photo.png", b"<html>not a photo</html>"),
        ("paper.pdf", b"plain words"),
    ],
)
def test_programs_and_false_names_are_refused(host: Host, name: str, data: bytes) -> None:
    owner, before = host.wallet(), unchanged(host)
    assert code_of(owner.upload(data, name)) == (415, "unsupported_file")
    assert unchanged(host) == before


def test_an_upload_above_the_limit_leaves_nothing(host: Host) -> None:
    owner, before = host.wallet(), unchanged(host)
    assert code_of(owner.upload(bytes(26 * MIB))) == (413, "too_large")

    def chunks() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
        for _ in range(27):
            yield b"x" * MIB
        yield b"\r\n--x--\r\n"

    answer = owner.http.post("/files", content=chunks(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert code_of(answer) == (413, "too_large")
    assert unchanged(host) == before


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\ncut',
        ),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\n1\r\n--x--\r\n',
        ),
        ("multipart/form-data; boundary=x", b"nonsense"),
        ("multipart/form-data", b""),
        ("application/json", b"{}"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename=".."\r\n\r\n1\r\n--x--\r\n',
        ),
    ],
)
def test_a_broken_upload_is_malformed_and_leaves_nothing(host: Host, content_type: str, body: bytes) -> None:
    owner, before = host.wallet(), unchanged(host)
    answer = owner.http.post("/files", content=body, headers={"content-type": content_type})
    assert code_of(answer) == (422, "invalid_input")
    assert unchanged(host) == before


def test_an_address_has_only_so_much_room(host: Host) -> None:
    owner = host.wallet()
    host.sql(
        "INSERT INTO app.upload (id, owner, sha256, name, size, media_type) VALUES "
        "(gen_random_uuid(), :owner, sha256('full'), 'full', :size, 'text/plain')",
        owner=owner.address,
        size=host.ctx.settings.max_bytes_per_address - 10,
    )
    before = unchanged(host)
    assert code_of(owner.upload(b"eleven bytes")) == (413, "quota_exceeded")
    assert unchanged(host) == before
    assert owner.upload(b"ten bytes!").status_code == 200


def test_a_task_names_only_files_of_its_buyer(host: Host) -> None:
    buyer, other = host.wallet(), host.wallet()
    file = other.upload(b"theirs", "theirs.txt").json()
    body = {"title": "Three words", "description": "x", "capability": "text", "budget_units": "20000"}
    answer = buyer.http.post("/tasks/submit", json=body | {"input_files": [file["sha256"]]})
    assert code_of(answer) == (400, "unknown_file")
    same = buyer.upload(b"mine", "mine.txt").json()["sha256"]
    answer = buyer.http.post("/tasks/submit", json=body | {"input_files": [same, same]})
    assert code_of(answer) == (422, "invalid_input")


def test_an_input_has_the_name_its_buyer_gives_it(host: Host) -> None:
    """The name is in the document the buyer signs; the bytes may be there under another one as well."""
    buyer = host.wallet()
    digest = buyer.upload(b"a,b", "sales.csv").json()["sha256"]
    assert buyer.upload(b"a,b", "small.csv").json()["sha256"] == digest
    body = {"title": "Three words", "description": "x", "capability": "text", "budget_units": "20000"}

    def posted(names: list[str] | None, hashes: list[str]) -> Any:
        return buyer.http.post("/tasks/submit", json=body | {"input_files": hashes, "input_names": names})

    def named(names: list[str] | None, hashes: list[str]) -> list[str]:
        return [file["name"] for file in posted(names, hashes).json()["document"]["input_files"]]

    assert named(["sales.csv"], [digest]) == ["sales.csv"]
    assert named(["small.csv"], [digest]) == ["small.csv"]
    assert named(None, [digest]) == ["small.csv"]
    assert named(["small.csv", "sales.csv"], [digest, digest]) == ["sales.csv", "small.csv"]
    assert code_of(posted(["other.csv"], [digest])) == (400, "unknown_file")
    for names in ([], ["sales.csv", "small.csv"]):
        assert code_of(posted(names, [digest])) == (422, "invalid_input")
    assert code_of(posted(["sales.csv", "sales.csv"], [digest, digest])) == (422, "invalid_input")


def test_two_inputs_of_one_name_are_refused(host: Host) -> None:
    buyer = host.wallet()
    hashes = [buyer.upload(data, "same.txt").json()["sha256"] for data in (b"one", b"two")]
    body = {"title": "Three words", "description": "x", "capability": "text", "budget_units": "20000"}
    before = host.count("app.task")
    answer = buyer.http.post("/tasks/submit", json=body | {"input_files": hashes})
    assert code_of(answer) == (422, "invalid_input")
    assert host.count("app.task") == before


def test_a_deleted_file_is_gone_but_its_hash_stays(host: Host) -> None:
    owner = host.wallet()
    file = owner.upload(b"to be deleted", "gone.txt").json()
    digest = file["sha256"][2:]
    (Path(host.files) / digest[:2] / digest[2:4] / digest).unlink()
    answer = owner.http.get(f"/files/{file['sha256']}")
    assert code_of(answer) == (404, "not_found")
    assert answer.json()["sha256"] == hex0x(bytes.fromhex(digest))
