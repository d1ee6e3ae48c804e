"""P12: whatever is sent to the voucher and x402 routes, the answer is of a declared shape and never a server error."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aicp.abi.typed_data import Voucher
from aicp.rules.primitives import checksum, hex0x
from backend.payments.channels import lane
from tests.x402.gateway.hand import Hand, read
from tests.x402.gateway.lab import PRICE, Lab
from tests.x402.gateway.test_money import with_pool

Json = dict[str, Any]
FUZZ = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ODD = st.sampled_from(
    [None, True, -1, 0, 1, 10**40, 1.5, "", "0", "0x", "-1", "1e3", "0" * 66, "0x" + "00" * 32, "0x" + "ff" * 65,
     "9" * 39, "9" * 5_000, "\u0661", "\x00", "\ud83d\ude00", [], {}, [[]], {"a": None}]
)  # fmt: skip


def mutated(document: Any) -> st.SearchStrategy[Any]:
    """Return the document with up to three of its parts replaced, left out or added to."""
    places = list(_places(document))
    change = st.tuples(st.sampled_from(places), st.sampled_from(["replace", "drop", "add"]), ODD)
    return st.lists(change, max_size=3).map(lambda changes: _changed(document, changes))


def _places(document: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for name, value in parts:
        yield from _places(value, (*path, name))


def _changed(document: Any, changes: list[tuple[tuple[Any, ...], str, Any]]) -> Any:
    made = json.loads(json.dumps(document))
    for path, how, odd in changes:
        if not path:
            made = odd if how == "replace" else made
            continue
        at = made
        try:
            for name in path[:-1]:
                at = at[name]
            if how == "drop":
                del at[path[-1]]
            elif how == "add":
                at[f"{path[-1]}2"] = odd
            else:
                at[path[-1]] = odd
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change has taken the place away
    return made


@pytest.fixture(scope="session")
def declared(lab: Lab) -> Callable[[str, str, httpx.Response], None]:
    """Check an answer against what the running service declares of its route."""
    document = httpx.get(f"{lab.url}/openapi.json", timeout=60).json()  # made when it is first asked for

    def check(method: str, path: str, answer: httpx.Response) -> None:
        assert answer.status_code < 500, (answer.status_code, answer.text)
        responses = document["paths"][path][method]["responses"]
        content = responses.get(str(answer.status_code), responses["default"])["content"]
        (kind,) = content
        assert answer.headers["content-type"].partition(";")[0] == kind
        schema = {**content[kind]["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(answer.json())

    return check


@pytest.fixture(scope="session")
def buyer(lab: Lab) -> Hand:
    return with_pool(lab)


def bare(lab: Lab, hand: Hand, ceiling: int) -> Json:
    """Return a good voucher of the payer's marketplace channel."""
    ctx = lab.ctx
    operator, agent = ctx.operator.address, lab.agent.address
    channel = lane(ctx, payer=hand.address, payer_authorizer=hand.address, receiver=agent, operator=operator).channel_id
    return {
        "channel_id": hex0x(channel), "max_claimable_units": str(ceiling),
        "signature": hand.signed(Voucher(channel_id=channel, max_claimable_amount=ceiling), ctx.domains.channel),
        "channel": {
            "payer": hand.account.address, "payer_authorizer": hand.account.address, "receiver": checksum(agent),
            "operator": checksum(operator),
        },
    }  # fmt: skip


def sent(lab: Lab, path: str, body: Any) -> httpx.Response:
    content = json.dumps(body).encode()
    return httpx.post(lab.url + path, content=content, headers={"content-type": "application/json"}, timeout=30)


@FUZZ
@given(data=st.data())
def test_vouchers(lab: Lab, declared: Any, buyer: Hand, data: st.DataObject) -> None:
    ceiling = data.draw(st.integers(1, 200))
    path = "/api/v1/payments/vouchers"
    declared("post", path, sent(lab, path, data.draw(mutated(bare(lab, buyer, ceiling)))))


@FUZZ
@given(data=st.data())
def test_batches(lab: Lab, declared: Any, buyer: Hand, data: st.DataObject) -> None:
    ceilings = data.draw(st.lists(st.integers(1, 200), max_size=3))
    body = {"vouchers": [bare(lab, buyer, ceiling) for ceiling in ceilings]}
    path = "/api/v1/payments/vouchers/batch"
    declared("post", path, sent(lab, path, data.draw(mutated(body))))


@FUZZ
@given(text=st.one_of(st.text(max_size=70), st.binary(max_size=40).map(lambda raw: "0x" + raw.hex()), ODD.map(str)))
def test_channels(lab: Lab, declared: Any, text: str) -> None:
    path = "/api/v1/payments/channels/{channel_id}"
    quoted = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "ignore")) or "-"
    answer = httpx.get(f"{lab.url}/api/v1/payments/channels/{quoted}", timeout=30)
    if answer.status_code != 404 or answer.headers["content-type"].startswith("application/problem"):
        declared("get", path, answer)


@FUZZ
@given(
    data=st.data(),
    asked=st.tuples(st.sampled_from(["verify", "settle"]), st.sampled_from(["voucher", "deposit", "exact"])),
)
def test_the_facilitator(lab: Lab, declared: Any, buyer: Hand, data: st.DataObject, asked: tuple[str, str]) -> None:
    """Its payer has nothing in the wallet that it could lose: whatever settles moves nobody's money."""
    what, kind = asked
    required = read(httpx.get(lab.endpoint("shapes"), timeout=30))
    payload = {
        "voucher": lambda: buyer.voucher(PRICE), "deposit": lambda: buyer.deposit(PRICE, 10**12),
        "exact": lambda: buyer.transfer(10**12),
    }[kind]()  # fmt: skip
    accepted = required["accepts"][kind == "exact"]
    document = {"x402Version": 2, "accepted": accepted, "payload": payload}
    body = {"x402Version": 2, "paymentPayload": document, "paymentRequirements": accepted}
    path = f"/api/v1/x402/{what}"
    declared("post", path, sent(lab, path, data.draw(mutated(body))))
