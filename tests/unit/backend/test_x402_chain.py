"""Only a revert says that a call would not pass; a node that would not run it has said nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from backend.errors import Unavailable
from backend.x402 import chain
from tests.unit.backend.test_nodes import Serve, answer, asking, request_of

REVERTS = [
    {"code": 3, "message": "execution reverted", "data": "0x8ef82f7f"},
    {"code": -32000, "message": "execution reverted: FiatTokenV2: authorization is used or canceled"},
    {"code": -32015, "message": "VM execution error.", "data": "0x08c379a0"},
]
REFUSALS = [
    {"code": -32005, "message": "daily request count exceeded, request rate limited"},
    {"code": -32000, "message": "header not found"},
    {"code": -32000, "message": "missing trie node"},
    {"code": -32603, "message": "internal error"},
]


def saying(error: dict[str, Any] | None) -> Serve:
    body = json.dumps([{"id": 0, "result": "0x"} if error is None else {"id": 0, "error": error}]).encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await request_of(reader)
            writer.write(answer(body=body))

    return serve


def passes(*nodes: Serve) -> bool:
    found: list[bool] = []

    async def act(ctx: Any) -> None:
        found.append(await chain.would_pass(ctx, bytes(20), b"\x01"))

    asking(act, *nodes)
    return found[0]


@pytest.mark.parametrize("error", REVERTS)
def test_a_revert_is_an_answer(error: dict[str, Any]) -> None:
    assert not passes(saying(error), saying(None))


@pytest.mark.parametrize("error", REFUSALS)
def test_after_a_node_that_would_not_run_a_call_the_next_is_asked(error: dict[str, Any]) -> None:
    assert passes(saying(error), saying(None))
    assert not passes(saying(error), saying(REVERTS[0]))
    with pytest.raises(Unavailable):
        passes(saying(error))
