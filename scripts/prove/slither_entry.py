"""Slither's command, with names resolved as the compiler resolves them. Runs in the environment `.prove/slither`.

Slither 0.11.6 hands every name of an imported file on to the importing file. Our `Errors` and OpenZeppelin's library of
the same name then meet in one scope, the wrong one wins, and every function that reverts with one of our errors is left
out of the analysis. What the file's own syntax tree exports is therefore put back on top.
"""

from __future__ import annotations

import sys
from typing import Any

import slither.slither as core  # type: ignore[import-not-found]
from slither.__main__ import main  # type: ignore[import-not-found]

_update: Any = core._update_file_scopes  # noqa: SLF001


def _update_file_scopes(parser: Any) -> None:
    scopes = list(parser.compilation_unit.scopes.values())
    own = [set(scope.exported_symbols) for scope in scopes]
    _update(parser)
    for scope, symbols in zip(scopes, own, strict=True):
        for contract in (parser.contracts_by_id[symbol] for symbol in symbols if symbol in parser.contracts_by_id):
            scope.contracts[contract.name] = contract


core._update_file_scopes = _update_file_scopes  # noqa: SLF001
sys.exit(main())
