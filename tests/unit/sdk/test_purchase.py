"""What a purchase does next, decided from the service's answers alone."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

import httpx
import pytest

from aicp.cli.task import take_result
from aicp.client import AgentActions, BuyerActions, ClientError, Mismatch, PoolActions, models
from aicp.client.errors import NotEnough
from aicp.client.purchase import Purchase, Wishes
from aicp.client.verify import own_pool_id
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import (
    AGENT,
    BUYER,
    FILE,
    OPERATOR,
    RESULT,
    chain,
    deal,
    deal_json,
    delivered_json,
)
from tests.unit.sdk.test_actions import STEP, Recorder, market, not_yet_ordered, still_clock
from tests.unit.sdk.test_verify_award import task_json

__all__ = ["still_clock"]


def pool_json(session: bytes, latest: int, final: int, block: int) -> dict[str, Any]:
    return {
        "pool_id": hex0x(own_pool_id(BUYER.address, session, OPERATOR.address, chain())),
        "payer": checksum(BUYER.address),
        "payer_authorizer": checksum(session),
        "operator": checksum(OPERATOR.address),
        "balance_latest_units": str(latest),
        "balance_final_units": str(final),
        "pending_withdraw_units": "0",
        "finalize_at": None,
        "nonce": 0,
        "reserved_units": "0",
        "earned_units": "0",
        "claimed_units": "0",
        "available_units": str(min(latest, final)),
        "channels": [],
        "chain": {"block_number": block},
    }


def intent_json(pool: dict[str, Any], state: str, block: int | None) -> dict[str, Any]:
    return {
        "id": "0197f3a0-0000-7000-8000-000000000009",
        "kind": "pool_deposit",
        "state": state,
        "on_behalf_of": checksum(BUYER.address),
        "tx_hash": None,
        "block_number": block,
        "error_code": None,
        "error_detail": None,
        "reference": {"pool_id": pool["pool_id"], "amount_units": "5000000"},
    }


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("latest", "final", "state", "mined_in", "waits"),
    [
        (0, 0, "queued", None, True),
        (0, 0, "mined", 8, True),
        (0, 0, "final", 8, True),
        (5_000_000, 0, "mined", 7, True),
        (0, 0, "expired", None, False),
        (0, 0, "final", 7, False),
    ],
)
async def test_no_second_deposit_while_one_is_underway(  # noqa: PLR0917  # one parameter for each fact
    tmp_path: Path, latest: int, final: int, state: str, mined_in: int | None, waits: bool
) -> None:
    recorder = Recorder()
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    pool = pool_json(session.address, latest, final, block=7)
    intent = intent_json(pool, state, mined_in)
    recorder.answers |= {
        "/pools": [pool],
        "/transactions": {"items": [intent], "next_cursor": None},
        "/pools/deposit": intent | {"state": "mined"},
        f"/transactions/{intent['id']}": intent | {"state": "mined"},
    }
    said: list[str] = []
    purchase = Purchase(own, Wishes(pool_units=5_000_000), said.append)
    await purchase._pay(deal("channel", 400_000))  # one step of `follow`
    assert [path for path, _ in recorder.posts] == ([] if waits else ["/pools/deposit"])
    assert said == ["Waiting until the deposit is final" if waits else "Depositing 5.00 USDC into the pool"]


@pytest.mark.asyncio
async def test_a_pool_takes_no_more_than_small_change(tmp_path: Path) -> None:
    recorder = Recorder()
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    recorder.answers["/pools"] = [pool_json(session.address, 45_000_000, 45_000_000, block=7)]
    recorder.answers["/transactions"] = {"items": [], "next_cursor": None}
    with pytest.raises(NotEnough, match=r"50\.00 USDC in all.* 5\.00 fit in now"):
        await PoolActions(own).deposit(5_000_001)
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_a_pool_that_is_withdrawn_from_is_neither_topped_up_nor_waited_for(tmp_path: Path) -> None:
    recorder = Recorder()
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    closing = pool_json(session.address, 5_000_000, 5_000_000, block=7) | {"pending_withdraw_units": "1000000"}
    recorder.answers["/pools"] = [closing | {"available_units": "0"}]
    with pytest.raises(NotEnough, match="takes no orders"):
        await Purchase(own, Wishes(pool_units=5_000_000), lambda _: None)._pay(deal("channel", 400_000))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_a_pool_that_covers_the_price_is_ordered_from(tmp_path: Path) -> None:
    made = deal("channel", 400_000)
    recorder = Recorder(**{STEP: not_yet_ordered(), f"{STEP}/order": deal_json("channel", 400_000)})
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    recorder.answers["/pools"] = [pool_json(session.address, 400_000, 400_000, block=7)]
    await Purchase(own, Wishes(), lambda _: None)._pay(made)
    assert [path for path, _ in recorder.posts] == [f"/deals/{made.id}/order"]


@pytest.mark.asyncio
async def test_an_award_shown_under_ever_new_deals_is_ordered_once(tmp_path: Path) -> None:
    """Orders, and so the ceilings that are signed, never grow beyond the price of the one award there is."""
    recorder = Recorder()
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    recorder.answers["/pools"] = [pool_json(session.address, 5_000_000, 5_000_000, block=7)]
    refused = 0
    for number in (1, 2, 3):
        made = deal_json("channel", 400_000, state="awaiting_payment") | {"id": str(uuid.UUID(int=number))}
        made["channel"] |= {"channel_id": None, "order": None, "need_units": str(400_000 * number)}
        recorder.answers |= {f"/deals/{made['id']}": made, f"/deals/{made['id']}/order": made}
        try:
            await Purchase(own, Wishes(), lambda _: None)._pay(models.Deal.read(made))
        except Mismatch:
            refused += 1
    [(_, body)] = recorder.posts
    assert (body["voucher"]["max_claimable_units"], refused) == ("400000", 2)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("waits_for", "held", "wished", "said"),
    [
        ("pool_short", 0, 5_000_000, "Depositing 5.00 USDC into the pool"),
        ("pool_short", 2_500_000, 5_000_000, "The scheduler waits until the buyer's pool covers the price beside what"),
        ("buyer_full", 0, 5_000_000, "The scheduler waits until the buyer has paid or cancelled"),
        ("left_unpaid", 0, 0, "The scheduler waits until the buyer has paid or cancelled an unpaid deal: he left"),
        ("pool_short", 0, 0, None),
        (None, 0, 5_000_000, "The scheduler looks for an agent, for at most 2.50 USDC"),
    ],
)
async def test_what_the_scheduler_waits_for_is_done_or_said(  # one parameter for each fact
    tmp_path: Path, waits_for: str | None, held: int, wished: int, said: str | None
) -> None:
    recorder = Recorder()
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    pool = pool_json(session.address, held, held, block=7)
    intent = intent_json(pool, "mined", 7)
    found = models.Task.read(
        task_json() | {"instant": True, "buy_now_units": "2500000", "waits_for": waits_for, "state": "open"}
    )
    recorder.answers |= {
        "/pools": [pool],
        "/transactions": {"items": [], "next_cursor": None},
        "/pools/deposit": intent,
        f"/transactions/{intent['id']}": intent,
        f"/tasks/{found.id}/offers": [],
    }
    told: list[str] = []
    purchase = Purchase(own, Wishes(pool_units=wished), told.append)
    if said is None:
        with pytest.raises(NotEnough, match="pool deposit"):
            await purchase._step(found)
        return
    assert await purchase._step(found) is False
    assert told[0].startswith(said)
    assert [path for path, _ in recorder.posts] == (["/pools/deposit"] if said.startswith("Depositing") else [])


class WithFiles(Recorder):
    """Serves the bytes of every file beside the answers of its table."""

    def __init__(self, content: bytes, **answers: Any) -> None:
        super().__init__(**answers)
        self.content = content

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET" and "/files/" in request.url.path:
            return httpx.Response(200, content=self.content)
        return super().__call__(request)


async def judge(recorder: Recorder, found: dict[str, Any], tmp_path: Path) -> list[str]:
    made = models.Deal.read(found)
    recorder.answers[f"/deals/{made.id}/release"] = found
    said: list[str] = []
    await Purchase(market(BUYER, recorder, tmp_path), Wishes(accept=True), said.append)._judge(made)
    return said


@pytest.mark.asyncio
async def test_a_result_is_released_when_its_bytes_are_those_submitted_on_chain(tmp_path: Path) -> None:
    recorder = WithFiles(RESULT)
    await judge(recorder, delivered_json(), tmp_path)
    assert [path.rsplit("/", 1)[1] for path, _ in recorder.posts] == ["release"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "found", "reason"),
    [
        (RESULT.replace(b"4", b"5"), delivered_json(), "bytes"),
        (RESULT, delivered_json(on_chain=b"\x07" * 32), "submitted on chain"),
        (RESULT, delivered_json() | {"deliverable": None}, "does not have"),
    ],
)
async def test_a_result_that_is_not_the_submitted_one_is_not_released(
    tmp_path: Path, content: bytes, found: dict[str, Any], reason: str
) -> None:
    recorder = WithFiles(content)
    with pytest.raises(Mismatch, match=reason):
        await judge(recorder, found, tmp_path)
    if reason != "bytes":
        with pytest.raises(Mismatch, match=reason):
            await BuyerActions(market(BUYER, recorder, tmp_path)).release(models.Deal.read(found))
    assert recorder.posts == []


@pytest.mark.asyncio
async def test_the_command_line_accepts_a_result_only_with_its_bytes(tmp_path: Path) -> None:
    found = delivered_json()
    made = models.Deal.read(found)
    wrong = WithFiles(RESULT.replace(b"4", b"5"))
    with pytest.raises(Mismatch, match="bytes"):
        await take_result(market(BUYER, wrong, tmp_path), made, None)
    assert wrong.posts == []
    right = WithFiles(RESULT, **{f"/deals/{made.id}/release": found})
    await take_result(market(BUYER, right, tmp_path), made, None)
    assert [path.rsplit("/", 1)[1] for path, _ in right.posts] == ["release"]


@pytest.mark.asyncio
async def test_the_agent_signs_a_lost_hand_in_anew(tmp_path: Path) -> None:
    made, files = deal("escrow"), [models.StoredFile.read(FILE.to_json())]
    ref = {"id": str(made.id), "kind": "submit", "state": "expired", "tx_hash": None, "error_code": None}
    recorder = Recorder(**{f"/deals/{made.id}/submission": deal_json("escrow")})
    actions = AgentActions(market(AGENT, recorder, tmp_path))
    await actions.deliver(made, files, bytes(32))
    await actions.deliver(made.model_copy(update={"last_intent": models.IntentRef.read(ref)}), files, bytes(32))
    first, second = (body for _, body in recorder.posts)
    assert first["manifest"] == second["manifest"]
    assert first["signature"] != second["signature"], "the same signature would not be relayed again"


class Shelf(Recorder):
    """Serves stored files by their hashes."""

    def __init__(self, *contents: bytes) -> None:
        super().__init__()
        self.contents = {hex0x(hashlib.sha256(content).digest()): content for content in contents}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rsplit("/", 1)[1]
        if "/files/" in request.url.path:
            return httpx.Response(200, content=self.contents[name])
        return super().__call__(request)


def content_of(folder: Path) -> list[tuple[str, bytes]]:
    return sorted((one.name, one.read_bytes()) for one in folder.iterdir() if one.is_file())


async def fetched(tmp_path: Path, files: dict[str, bytes], results: Path | None) -> list[tuple[str, bytes]]:
    shelf = Shelf(*files.values())
    own = market(BUYER, shelf, tmp_path)
    purchase = Purchase(own, Wishes(accept=True, results=results), lambda _: None)
    await purchase.fetch(models.Deal.read(delivered_json(files=files)))
    return [] if results is None else content_of(results)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (("a/x.csv", "b/x.csv"), ["01-x.csv", "02-x.csv"]),
        (("X.csv", "x.csv"), ["01-X.csv", "02-x.csv"]),
        (("x.csv.part", "x.csv"), ["x.csv", "x.csv.part"]),
        ((".", ".."), ["01-", "02-.."]),
        (("/", ".bashrc"), ["01-.bashrc", "02-"]),
        (("../../etc/passwd", "tab\tand\x1b[2J.csv"), ["passwd", "tab_and__2J.csv"]),
        (("ä" * 200, "b"), ["b", "ä" * 50]),
    ],
)
async def test_every_file_of_a_result_has_a_place_of_its_own(
    tmp_path: Path, names: tuple[str, str], kept: list[str]
) -> None:
    files = dict(zip(names, (b"1", b"2"), strict=True))
    assert await fetched(tmp_path, files, None) == [], "only looked at"
    assert [name for name, _ in await fetched(tmp_path, files, tmp_path / "out")] == kept


@pytest.mark.asyncio
async def test_files_of_the_buyer_are_left_as_they_are(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "x.csv.part").write_bytes(b"mine")
    files = {"x.csv": b"1"}
    assert await fetched(tmp_path, files, out) == [("x.csv", b"1"), ("x.csv.part", b"mine")]
    assert await fetched(tmp_path, files, out) == [("x.csv", b"1"), ("x.csv.part", b"mine")], "the same file again"
    with pytest.raises(ClientError, match="is another file"):
        await fetched(tmp_path, {"x.csv": b"other"}, out)
    assert (out / "x.csv").read_bytes() == b"1"
    (out / "folder").mkdir()
    with pytest.raises(ClientError, match="cannot be written"):
        await fetched(tmp_path, {"folder": b"1"}, out)
