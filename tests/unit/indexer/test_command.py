"""`aicp indexer`: found by its entry point, refuses in one sentence, and says what is not well."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from aicp.cli.main import cli
from indexer.command import DEAD_LETTER, NO_ANSWER, WRONG_USAGE, _as_text, _status_text, _troubles, indexer
from indexer.rebuild import Outcome
from indexer.views import MirrorStatus, MissingRange

NOBODY = "postgresql://nobody:secret@127.0.0.1:1/none"


def test_it_is_one_of_the_commands() -> None:
    answer = CliRunner().invoke(cli, ["indexer", "--help"])
    assert answer.exit_code == 0, answer.output
    for name in ("run", "rebuild", "status"):
        assert name in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["status"], WRONG_USAGE, "--db"),
        (["status", "--db", "no url"], WRONG_USAGE, "URL"),
        (["status", "--db", NOBODY], NO_ANSWER, "connection"),
        (["rebuild", "--db", NOBODY], WRONG_USAGE, "--deployment"),
        (["rebuild", "--db", NOBODY, "--deployment", "none.json"], WRONG_USAGE, "none.json"),
        (["rebuild", "--db", NOBODY, "--deployment", "none.json", "--from-chain"], WRONG_USAGE, "--rpc"),
    ],
)
def test_refusals_are_one_sentence(
    arguments: list[str], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AICP_INDEXER_DATABASE_URL", "AICP_DEPLOYMENT", "AICP_RPC_URLS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(indexer, arguments)
    assert answer.exit_code == code, answer.output
    assert says in answer.output
    assert "Traceback" not in answer.output
    assert "secret" not in answer.output


def status(**changes: object) -> MirrorStatus:
    values: dict[str, object] = {
        "version": 3, "epoch": 2, "state": "ok", "reason": "", "since": None, "head_number": 90, "safe_number": 80,
        "finalized_number": 70, "updated_at": datetime(2026, 1, 1, tzinfo=UTC), "lag_seconds": 2,
        "finality_age_seconds": 20, "missing": (), "dead_letters": 0,
    }  # fmt: skip
    return MirrorStatus(**{**values, **changes})  # type: ignore[arg-type]


def test_each_trouble_is_said() -> None:
    assert _troubles(status(), 120, 1_200) == []
    assert "All is well." in _status_text(status(), [])
    gap = MissingRange(first=71, last=75, reason="pruned")
    for changes, says in (
        ({"state": "stalled", "reason": "no finality"}, "stalled: no finality"),
        ({"state": "stopped", "reason": "a reorg too deep"}, "stopped: a reorg too deep"),
        ({"dead_letters": 1}, "could not be understood"),
        ({"missing": (gap,)}, "blocks from 71 on are missing: pruned"),
        ({"lag_seconds": 121}, "121 s old"),
        ({"finality_age_seconds": 1_201}, "1201 s old"),
    ):
        found = status(**changes)
        [trouble] = _troubles(found, 120, 1_200)
        assert says in trouble
        assert f"Not well: {trouble}." in _status_text(found, [trouble])
    assert "blocks 71 to 75: pruned" in _status_text(status(missing=(gap,)), [])


def test_an_outcome_says_both_digests_and_what_to_do() -> None:
    values = {
        "version": 3, "former_version": 3, "block": 9, "seconds": 1.0, "old_digest": "aa", "new_digest": "bb",
        "differing": ("pool", "escrow"), "swapped": False, "kept": (),
    }  # fmt: skip
    text = _as_text(Outcome(**values))
    for said in ("aa", "bb", "differ in: pool, escrow", "chain_v3_next", "--accept"):
        assert said in text
    text = _as_text(
        Outcome(**{**values, "differing": (), "new_digest": "aa", "swapped": True, "kept": ("chain_v3_old",)})
    )
    for said in ("They agree.", "see the new mirror", "Kept: chain_v3_old."):
        assert said in text


def test_exit_codes_are_those_of_the_process() -> None:
    from indexer.__main__ import ExitCode

    assert ExitCode.USAGE == WRONG_USAGE
    assert ExitCode.DEAD_LETTER == DEAD_LETTER
