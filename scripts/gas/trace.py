"""From what a node says about a transaction to the accesses it made. Pure, but for the tracer's own script."""

from __future__ import annotations

from collections.abc import Sequence

from scripts.gas.pricing import Access, Load, Store, Touch, UnpriceableError

TRACER = """
{
  wanted: {SLOAD: 1, SSTORE: 2, CALL: 2, CALLCODE: 2, DELEGATECALL: 2, STATICCALL: 2, BALANCE: 1, EXTCODESIZE: 1,
           EXTCODECOPY: 1, EXTCODEHASH: 1, REVERT: 0, INVALID: 0, CREATE: 0, CREATE2: 0, SELFDESTRUCT: 0},
  found: [], open: null,
  step: function (log) {
    if (this.open) { this.open.push(log.getGas()); this.open = null; }
    var name = log.op.toString(), depth = this.wanted[name];
    if (depth === undefined) return;
    var row = [name, toHex(log.contract.getAddress())];
    for (var i = 0; i < 2; i++) row.push(i < depth ? log.stack.peek(i).toString(16) : '0');
    row.push(log.getGas());
    this.found.push(row);
    this.open = row;
  },
  fault: function () { this.found.push(['FAULT']); },
  result: function () { return this.found; }
}
"""
"""Runs in the node: [operation, whose storage, top of the stack, second of the stack, gas before, gas after]."""

_CALLS = frozenset({"CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"})
_LOOKS = frozenset({"BALANCE", "EXTCODESIZE", "EXTCODECOPY", "EXTCODEHASH"})


def accesses_of(rows: Sequence[Sequence[str | int]]) -> tuple[Access, ...]:
    """Return the accesses a tracer's rows tell.

    Raises UnpriceableError for a call that failed inside (it makes what it warmed cold again) and for a creation.
    """
    found: list[Access] = []
    for row in rows:
        name = str(row[0])
        if name in _CALLS:
            found.append(Touch(_account(row[3])))
        elif name in _LOOKS:
            found.append(Touch(_account(row[2])))
        elif name in {"SLOAD", "SSTORE"}:
            slot = (bytes.fromhex(str(row[1])[2:]), int(str(row[2]), 16))
            charged = int(row[4]) - int(row[5])
            found.append(Load(slot, charged) if name == "SLOAD" else Store(slot, int(str(row[3]), 16), charged))
        else:
            raise UnpriceableError(f"a transaction with {name} in it cannot be priced by its accesses")
    return tuple(found)


def _account(word: str | int) -> bytes:
    return (int(str(word), 16) % (1 << 160)).to_bytes(20, "big")
