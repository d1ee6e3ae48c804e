"""Mutants are read off the syntax tree, sampled by name, traced to their tests, and counted."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from scripts.abi.solidity import ROOT, SOLC, enums_of
from scripts.prove.mutants.__main__ import parse
from scripts.prove.mutants.campaign import Journal, Outcome, Result, outcome_of
from scripts.prove.mutants.coverage import Coverage, Program, attributed, programs
from scripts.prove.mutants.harness import Failure
from scripts.prove.mutants.inputs import Inputs
from scripts.prove.mutants.model import Mutant, numbered
from scripts.prove.mutants.operators import mutants_of, neighbours
from scripts.prove.mutants.report import scores
from scripts.prove.mutants.sample import TARGETS, ranked, target_of

SOURCE = """
pragma solidity 0.8.37;
enum Light { Red, Amber, Green }
interface I { function f(uint256) external returns (uint256); }
contract A {
    event Seen(uint256 a, uint256 b);
    error No();
    bytes32 private constant NAME = keccak256("A");
    modifier guarded() { _; }
    uint256 public total;
    function reset() public { if (total == 5) return; total = 0; }
    function step(uint256 a, uint96 b, Light light) external guarded returns (bool) {
        if (a >= 2 && light == Light.Amber) revert No();
        total += a;
        if (b == 7) { reset(); }
        uint256 rest = a > b ? a - b : 0;
        emit Seen(a, rest);
        for (uint256 i = 0; i < rest; ++i) { if (rest == 0) continue; }
        assembly { sstore(total.slot, add(rest, 0x20)) }
        return !(a == 1);
    }
}
"""


def _mutants(source: str) -> tuple[Mutant, ...]:
    document = {
        "language": "Solidity",
        "sources": {"A.sol": {"content": source}},
        "settings": {"outputSelection": {"*": {"": ["ast"]}}},
    }
    done = subprocess.run(
        [str(SOLC), "--standard-json"], input=json.dumps(document), capture_output=True, text=True, check=True, cwd=ROOT
    )
    tree = json.loads(done.stdout)["sources"]["A.sol"]["ast"]
    return mutants_of("A.sol", source.encode(), tree, enums_of(tree))


@pytest.fixture(scope="module")
def mutants() -> tuple[Mutant, ...]:
    return _mutants(SOURCE)


@pytest.mark.parametrize(
    ("operator", "original", "changes"),
    [
        ("AOR", "a - b", {"a + b", "a * b", "a / b", "a % b"}),
        ("ROR", "a > b", {"a < b", "a <= b", "a >= b", "a == b", "a != b"}),
        ("ROR", "i < rest", {"i <= rest", "i > rest", "i >= rest", "i == rest"}),  # not !=: it counts up to rest
        ("ROR", "rest == 0", {"rest != 0", "rest >= 0", "rest < 0"}),  # the others are one of these
        (
            "COR",
            "a >= 2 && light == Light.Amber",
            {"a >= 2 || light == Light.Amber", "(a >= 2)", "(light == Light.Amber)"},
        ),
        ("CON", "a >= 2 && light == Light.Amber", {"true", "false", "!(a >= 2 && light == Light.Amber)"}),
        ("CON", "i < rest", {"false"}),
        ("TER", "a > b ? a - b : 0", {"(a - b)", "(0)"}),
        ("UOR", "++i", {"--i"}),
        ("UOR", "!(a == 1)", {"(a == 1)"}),
        ("ASR", "total += a", {"total -= a", "total *= a", "total /= a", "total %= a", "total = a"}),
        ("SDL", "total += a;", {"{}"}),
        ("SDL", "revert No();", {"{}"}),
        ("SDL", "emit Seen(a, rest);", {"{}"}),
        ("SDL", "continue;", {"{}"}),
        ("SDL", "return;", {"{}"}),
        ("VIR", "uint256 i = 0", set()),
        ("VIR", "uint256 rest = a > b ? a - b : 0", {"uint256 rest"}),
        ("RVR", "!(a == 1)", {"!(!(a == 1))"}),
        ("LIR", "2", {"0", "1", "3"}),
        ("LIR", '"A"', {'"~A"'}),
        ("ECR", "Light.Amber", {"Light.Red", "Light.Green"}),
        ("ARS", "a, rest", {"rest, a"}),
        ("MOD", "guarded", {""}),
        ("YUL", "add(rest, 0x20)", {"sub(rest, 0x20)"}),
        ("YUL", "0x20", {"0x0", "0x1f", "0x21"}),
        ("YUL", "sstore(total.slot, add(rest, 0x20))", {""}),
    ],
)
def test_every_operator_makes_its_changes(mutants, operator, original, changes) -> None:
    found = {m.replacement for m in mutants if m.operator == operator and m.original == original}
    assert found == changes


def test_a_mutant_changes_its_place_and_nothing_else(mutants) -> None:
    (mutant,) = (m for m in mutants if m.operator == "SDL" and m.original == "total += a;")
    assert mutant.applied(SOURCE.encode()).decode() == SOURCE.replace("total += a;", "{}")
    assert (mutant.function, mutant.line) == ("A.step", SOURCE[: SOURCE.index("total += a;")].count("\n") + 1)


def test_interfaces_have_no_mutants(mutants) -> None:
    assert {m.function.partition(".")[0] for m in mutants} == {"A"}


def test_names_do_not_change_with_what_is_above() -> None:
    moved = _mutants(SOURCE.replace("event Seen", "event Other();\n    event Seen"))
    assert [m.key for m in moved] == [m.key for m in _mutants(SOURCE)]
    assert len({m.key for m in moved}) == len(moved)


def test_equal_changes_are_numbered_and_none_is_there_twice() -> None:
    first = Mutant("A.sol", "A.f", "LIR", (5, 6), (0, 9), 1, "1", "0")
    second = Mutant("A.sol", "A.f", "LIR", (7, 8), (0, 9), 1, "1", "0")
    assert [m.nth for m in numbered([second, first, first])] == [0, 1]


def test_neighbours_are_written_as_the_number_is() -> None:
    assert neighbours("10_000") == ("0", "9999", "10001")
    assert neighbours("0x1f") == ("0x00", "0x1e", "0x20")
    assert neighbours("0") == ("1",)


def test_the_sample_follows_from_the_seed_and_keeps_its_order_when_others_come(mutants) -> None:
    some = [m for m in mutants if m.operator != "ROR"]
    order = ranked(mutants)
    assert order == ranked(reversed(mutants))
    assert ranked(some) == [m for m in order if m.operator != "ROR"]
    assert ranked(mutants, "another seed") != order


def test_target_files_exist_and_are_counted_once() -> None:
    files = [file for target in TARGETS for file in target.files]
    assert len(files) == len(set(files))
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_tests_of_a_mutant_are_those_that_execute_its_statement() -> None:
    mutant = Mutant("A.sol", "A.f", "LIR", (15, 16), (10, 20), 1, "1", "0")
    spans = {
        "slow": {"A.sol": [(12, 14)]},
        "quick": {"A.sol": [(0, 40), (10, 20)]},
        "around": {"A.sol": [(0, 40)]},
        "other": {"B.sol": [(12, 14)]},
    }
    seconds = {"slow": 2.0, "quick": 1.0, "around": 0.1, "other": 0.1}
    assert Coverage(spans, seconds).reaching(mutant) == ["quick", "slow"]
    assert set(Coverage({"around": spans["around"]}, seconds).reaching(mutant)) == set(seconds)


def test_instructions_belong_to_the_frame_they_run_in() -> None:
    codes = {"a": 0, "b": 1, "foreign": -1}
    tree = {
        "type": "CALL",
        "to": "a",
        "calls": [
            {"type": "STATICCALL", "to": "nobody"},  # no code, so no instructions
            {"type": "CALL", "to": "foreign", "calls": [{"type": "DELEGATECALL", "to": "b"}]},
            {"type": "CREATE", "to": "a"},
            {"type": "CALL", "to": "b"},
        ],
    }
    steps = [(1, 0), (2, 5), (3, 7), (2, 6), (1, 1), (2, 9), (1, 2), (2, 8), (1, 3)]
    logs = [{"depth": depth, "pc": counter} for depth, counter in steps]
    assert list(attributed(logs, tree, codes.get)) == [(0, 0), (1, 7), (0, 1), (0, 2), (1, 8), (0, 3)]


def test_a_program_is_known_whatever_its_immutables_are() -> None:
    program = Program(bytes(8), ((2, 4),), {})
    assert program.is_at(bytes([0, 0, 7, 7, 0, 0, 0, 0]))
    assert not program.is_at(bytes([0, 0, 0, 0, 7, 0, 0, 0]))
    assert not program.is_at(bytes(9))


def test_instructions_have_the_source_that_the_compiler_names() -> None:
    code = "6001" + "7f" + "00" * 32 + "01" + "00"  # a push of one byte, one of 32, two without any
    runtime = {"object": code, "immutableReferences": {"5": [{"start": 3, "length": 32}]}}
    runtime["sourceMap"] = "10:5:0:-:0;;12::1;:3:-1"
    contract = {"evm": {"deployedBytecode": runtime}}
    answer = {
        "sources": {"A.sol": {"id": 0}, "B.sol": {"id": 1}},
        "contracts": {"A.sol": {"A": contract}, "contracts/mocks/M.sol": {"M": contract}},
    }
    (program,) = programs(answer)
    assert program.holes == ((3, 35),)
    assert program.sources == {0: ("A.sol", (10, 15)), 2: ("A.sol", (10, 15)), 35: ("B.sol", (12, 17))}


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (Failure("t", "setup", "AssertionError", ""), Outcome.NOT_DEPLOYED),
        (Failure("t", "call", "AssertionError", "Transaction did not revert."), Outcome.MISSING_REVERT),
        (Failure("t", "call", "AssertionError", "assert 1 == 2"), Outcome.WRONG_VALUE),
        (Failure("t", "call", "Escrow_WrongStatus", ""), Outcome.UNEXPECTED_REVERT),
    ],
)
def test_how_a_test_noticed(failure: Failure, outcome: Outcome) -> None:
    assert outcome_of(failure) is outcome


def test_a_kill_holds_while_its_test_does_and_a_survival_while_all_do(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    inputs = Inputs("contracts", "shared", {"one.py": "1", "two.py": "2"})
    kill = Result("killed", Outcome.MISSING_REVERT, "one.py::test", "message", 3)
    survival = Result("survived", Outcome.SURVIVED, ran=9)
    refusal = Result("refused", Outcome.REFUSED)
    for result in (kill, survival, refusal):
        Journal.open(path, inputs).add(result)

    def holding(**changes: object) -> set[str]:
        return set(Journal.open(path, replace(inputs, **changes)).results)

    assert Journal.open(path, inputs).results["killed"] == kill
    assert holding(files={"one.py": "1", "two.py": "2", "three.py": "3"}) == {"killed", "refused"}
    assert holding(files={"one.py": "other", "two.py": "2"}) == {"refused"}
    assert holding(shared="other") == {"refused"}
    assert holding(contracts="other") == set()


def test_scores_count_survivors_and_leave_out_what_is_no_mutant() -> None:
    outcomes = (Outcome.WRONG_VALUE, Outcome.TIMED_OUT, Outcome.SURVIVED, Outcome.SURVIVED, Outcome.EQUIVALENT)
    rows = [
        {"key": str(i), "target": target.name, "outcome": str(o)} for i, o in enumerate(outcomes) for target in TARGETS
    ]
    *_, score = scores(rows, {"2": {"equivalent": True}, "3": {"equivalent": False}})
    lines = len(TARGETS)
    assert (score.mutants, score.killed, score.argued) == (4 * lines, 2 * lines, lines)
    assert (score.plain, score.argued_score) == (0.5, pytest.approx(2 / 3))


def test_a_mutant_belongs_to_the_line_of_its_file() -> None:
    mutant = Mutant(TARGETS[0].files[0], "A.f", "LIR", (0, 1), (0, 1), 1, "1", "0")
    assert target_of(mutant) is TARGETS[0]


@pytest.mark.parametrize(
    ("arguments", "command"), [([], "test"), (["list"], "list"), (["report"], "report"), (["only", "a", "b"], "only")]
)
def test_what_can_be_asked_for(arguments: list[str], command: str) -> None:
    assert parse(arguments).command == command


@pytest.mark.parametrize(
    ("arguments", "code"), [(["--help"], 0), (["reports"], 2), (["list", "all"], 2), (["only"], 2), (["--quick"], 2)]
)
def test_nothing_is_begun_for_what_cannot_be_asked_for(arguments: list[str], code: int) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == code
