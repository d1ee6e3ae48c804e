"""What an epoch needs of a node besides the mirror: its last block, who funded whom first, who may anchor.

Who funded whom is read once: what was found of an account stays, sums so far included, and the rest is read on from
where it ended, a few ranges a round, so that a long chain takes some rounds and no round takes long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from aicp.abi import reputation as abi
from aicp.abi import usdc
from aicp.abi.runtime import word_address
from aicp.rules.primitives import ZERO_ADDRESS, hex0x, parse_address
from aicp.rules.witnesses import Received, gifts_of, read_on
from backend.reputation import repo
from backend.reputation.models import FirstFunder
from backend.txm.machine import Machine
from backend.txm.reading import data, no_error
from backend.txm.rpc import NodeError

RANGES_A_ROUND: Final = 200
_RANGE: Final = 5_000
_ACCOUNTS: Final = 200

_log = structlog.get_logger("reputation")


def last_block(machine: Machine, end: int, final_number: int) -> tuple[int, bytes] | None:
    """Return number and hash of the last block not later than a second, among the final ones; None if none is.

    Raises NodeError or NodeUnreachable.
    """
    low, high = machine.ctx.deployment.deploy_block, final_number
    found: tuple[int, bytes] | None = None
    while low <= high:
        middle = (low + high) // 2
        block = machine.rpc.call("eth_getBlockByNumber", hex(middle), False)
        if block is None:
            return None  # this node is behind the one the mirror reads
        if int(block["timestamp"], 16) <= end:
            found, low = (middle, bytes.fromhex(block["hash"][2:])), middle + 1
        else:
            high = middle - 1
    return found


def anchorer(machine: Machine) -> bytes:
    """Return who may anchor now; the zero address where nobody may."""
    call = abi.encode_anchorer()
    answer = machine.rpc.eth_call(sender=ZERO_ADDRESS, to=machine.ctx.deployment.reputation, data=call)
    return abi.decode_anchorer_result(answer)


def latest_epoch(machine: Machine) -> int:
    """Return the number of the epoch anchored last, vetoed or not."""
    call = abi.encode_latest_epoch()
    answer = machine.rpc.eth_call(sender=ZERO_ADDRESS, to=machine.ctx.deployment.reputation, data=call)
    return abi.decode_latest_epoch_result(answer)


def first_funders(
    machine: Machine, accounts: Sequence[bytes], last: tuple[int, bytes], least_units: int
) -> dict[bytes, bytes] | None:
    """Return who gave each account its first USDC by a final block; None while that is not read to its end.

    `last` is number and hash of the block, `least_units` what makes a gift. Who was minted its first USDC has no
    funder. Raises NodeError or NodeUnreachable.
    """
    step = _RANGE
    for _ in range(RANGES_A_ROUND):
        known = {row.account: row for row in _known(machine, accounts)}
        before = machine.ctx.deployment.deploy_block - 1
        start = {
            account: row.scanned_to if (row := known.get(account)) else before
            for account in accounts
            if (row := known.get(account)) is None or (row.funder is None and row.scanned_to < last[0])
        }
        if not start:
            return gifts_of({account: row.funder for account, row in known.items()})
        first = min(start.values()) + 1
        group = sorted(account for account, place in start.items() if place + 1 == first)[:_ACCOUNTS]
        until = min(first + step - 1, last[0])
        try:
            transfers = _transfers(machine, group, first, until, last)
        except NodeError:
            if step == 1:
                raise
            step = max(1, step // 4)
            continue
        if transfers is None:
            return None
        got = read_on({account: _received(known.get(account)) for account in group}, transfers, least_units)
        machine.db.write(partial(_write, got=got, until=until))
    return None


def _known(machine: Machine, accounts: Sequence[bytes]) -> list[FirstFunder]:
    return machine.db.read(lambda s: list(s.execute(repo.funders(accounts)).scalars()))


def _received(row: FirstFunder | None) -> Received:
    if row is None:
        return Received()
    return Received(row.funder, {parse_address(sender): int(units) for sender, units in row.sums.items()})


def _write(session: Any, *, got: Mapping[bytes, Received], until: int) -> None:
    session.execute(repo.scanned(got, until))


def _transfers(
    machine: Machine, receivers: Sequence[bytes], first: int, until: int, last: tuple[int, bytes]
) -> list[tuple[bytes, bytes, int]] | None:
    """Return (from, to, base units) of the transfers to some accounts in a range of blocks, in the order of the chain.

    None where the node that answers does not show the last block as we know it: one that lags behind leaves out what
    it has not got yet, and what is written down is not read again.
    """
    question = {
        "address": hex0x(machine.ctx.deployment.usdc),
        "topics": [hex0x(usdc.Transfer.TOPIC), None, [hex0x(word_address(account)) for account in receivers]],
        "fromBlock": hex(first),
        "toBlock": hex(until),
    }
    number, block_hash = last

    def read(answers: list[Any]) -> list[tuple[bytes, bytes, int]] | None:
        block, logs = (no_error(answer) for answer in answers)
        return _in_order(logs) if block is not None and data(block["hash"]) == block_hash else None

    calls = [("eth_getBlockByNumber", (hex(number), False)), ("eth_getLogs", (question,))]
    found = machine.rpc.together(calls, read)
    if found is None:
        _log.warning("a node that does not show the last block is not believed its logs", block=number)
    return found


def _in_order(logs: list[dict[str, Any]]) -> list[tuple[bytes, bytes, int]]:
    logs.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
    events = (usdc.Transfer.decode(tuple(data(topic) for topic in log["topics"]), data(log["data"])) for log in logs)
    return [(one.from_, one.to, one.value) for one in events]
