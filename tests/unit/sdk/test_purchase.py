"""What a purchase does next, decided from the service's answers alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aicp.client.purchase import Purchase, Wishes
from aicp.client.verify import own_pool_id
from aicp.rules.primitives import checksum, hex0x
from tests.unit.sdk.builders import BUYER, OPERATOR, chain, deal, deal_json
from tests.unit.sdk.test_actions import Recorder, market, still_clock

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
async def test_a_pool_that_covers_the_price_is_ordered_from(tmp_path: Path) -> None:
    made = deal("channel", 400_000)
    recorder = Recorder(**{f"/deals/{made.id}/order": deal_json("channel", 400_000)})
    own = market(BUYER, recorder, tmp_path)
    session = (await own.store()).make_session_key(31337, BUYER.address, OPERATOR.address)
    recorder.answers["/pools"] = [pool_json(session.address, 400_000, 400_000, block=7)]
    await Purchase(own, Wishes(), lambda _: None)._pay(made)
    assert [path for path, _ in recorder.posts] == [f"/deals/{made.id}/order"]
