"""The generator's own rules: names, overloads, collisions, and that stale files are noticed."""

from __future__ import annotations

import importlib
import random
from pathlib import Path

import pytest

from aicp.abi.runtime import DecodeError
from scripts import gen_abi
from scripts.abi import emit_python, typed_data
from scripts.abi.solidity import CompileError, compile_contracts, fingerprint
from scripts.abi.types import class_name, fields_of, snake

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("solidity", "python"),
    [
        ("toProvider", "to_provider"),
        ("escrowId", "escrow_id"),
        ("from", "from_"),
        ("DOMAIN_SEPARATOR", "domain_separator"),
        ("erc3009Collector", "erc3009_collector"),
        ("getURI", "get_uri"),
        ("_amount", "amount"),
    ],
)
def test_snake(solidity: str, python: str) -> None:
    assert snake(solidity) == python


def test_class_name() -> None:
    assert class_name("Escrow_WrongStatus") == "EscrowWrongStatus"
    assert class_name("EIP712DomainChanged") == "EIP712DomainChanged"


def _function(name: str, *inputs: tuple[str, str]) -> dict[str, object]:
    return {
        "type": "function",
        "name": name,
        "inputs": [{"name": n, "type": t} for n, t in inputs],
        "outputs": [],
    }


def test_overloads_are_named_by_what_the_others_lack() -> None:
    calls = [
        _function("permit", ("owner", "address"), ("signature", "bytes")),
        _function("permit", ("owner", "address"), ("v", "uint8"), ("r", "bytes32")),
        _function("pause"),
    ]
    assert emit_python.function_names(calls) == ["permit_signature", "permit_v_r", "pause"]
    with pytest.raises(ValueError, match="one Python name"):
        emit_python.function_names([_function("a", ("x", "uint8")), _function("a", ("x", "uint16"))])


def test_colliding_classes_are_refused() -> None:
    event = {"type": "event", "name": "Paused", "inputs": []}
    error = {"type": "error", "name": "Paused", "inputs": []}
    with pytest.raises(ValueError, match="both called"):
        emit_python.module("X", [event, error], [])


def test_unnamed_parameters_get_names() -> None:
    assert [part.attribute for part in fields_of([{"name": "", "type": "uint8"}])] == ["value_0"]


def test_a_struct_with_the_fields_of_a_message_is_that_message() -> None:
    from aicp.abi import escrow, payment_channel
    from aicp.abi.typed_data import ChannelConfig, EscrowTerms

    assert escrow.Terms is EscrowTerms
    assert payment_channel.ChannelConfig is ChannelConfig


def test_a_message_before_what_it_refers_to_is_refused() -> None:
    document = {
        "domains": {},
        "messages": {
            "Batch": {"domain": "x", "fields": [{"name": "rows", "type": "Row[]"}]},
            "Row": {"domain": "x", "fields": [{"name": "id", "type": "bytes32"}]},
        },
    }
    with pytest.raises(ValueError, match="before"):
        typed_data.module(document)


def _contract(root: Path, body: str) -> None:
    (root / "contracts").mkdir(exist_ok=True)
    (root / "foundry.toml").write_bytes((ROOT / "foundry.toml").read_bytes())
    text = f"// SPDX-License-Identifier: MIT\npragma solidity 0.8.37;\n{body}\n"
    (root / "contracts" / "Thing.sol").write_text(text)


def test_generated_module_of_a_contract_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _contract(
        tmp_path,
        "contract Thing { enum Mood { Calm, Loud } struct Note { address by; string text; uint40[] times; }"
        " error Thing_Bad(int24 low, Mood mood); event Noted(string indexed text, Note note);"
        " function put(Note calldata note) external returns (Note memory, int24 low) {"
        " emit Noted(note.text, note); if (note.times.length > 9) revert Thing_Bad(-1, Mood.Loud);"
        " return (note, -5); } }",
    )
    build = compile_contracts(tmp_path)
    assert build.enums == {"Mood": ("Calm", "Loud")}
    source = tmp_path / "generated_thing.py"
    source.write_text(emit_python.module("Thing", build.contracts["Thing"].abi, []))
    monkeypatch.syspath_prepend(tmp_path)
    thing = importlib.import_module("generated_thing")
    note = thing.Note(by=b"\1" * 20, text="hé", times=(1, 2))
    result = thing.PutResult(value_0=note, low=-5)
    call = thing.encode_put(note)
    from eth_abi import abi as eth_abi

    plain = (b"\1" * 20, "hé", [1, 2])
    assert call[4:] == eth_abi.encode(["(address,string,uint40[])"], [plain])
    answer = eth_abi.encode(["(address,string,uint40[])", "int24"], [plain, -5])
    assert thing.decode_put_result(answer) == result
    bad = thing.ThingBad.SELECTOR + eth_abi.encode(["int24", "uint8"], [-1, 1])
    assert thing.decode_error(bad) == thing.ThingBad(-1, 1)
    # a dynamic value in a topic is only its hash
    data = eth_abi.encode(["(address,string,uint40[])"], [plain])
    assert thing.Noted.decode([thing.Noted.TOPIC, b"\7" * 32], data) == thing.Noted(text=b"\7" * 32, note=note)


def test_every_static_type_of_an_event_is_read_strictly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = ("int24", "address", "bytes32", "bytes4", "bool", "uint8", "uint64", "uint72", "uint256", "int256", "int8")
    inputs = [{"name": kind, "type": kind, "indexed": number < 3} for number, kind in enumerate(kinds)]
    source = emit_python.module("Sorts", [{"type": "event", "name": "Seen", "inputs": inputs}], [])
    (tmp_path / "generated_sorts.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    seen = importlib.import_module("generated_sorts").Seen
    from eth_abi import abi as eth_abi
    from eth_abi.exceptions import DecodingError

    rng = random.Random(5)
    refused = 0
    for number in range(6_000):
        words = [bytes(32) for _ in kinds]
        for _ in range(number % 3):
            word = rng.choice((0, (1 << 256) - 1)) ^ 1 << rng.randrange(256)
            words[rng.randrange(len(kinds))] = word.to_bytes(32, "big")
        try:
            expected = eth_abi.decode(kinds, b"".join(words))
        except DecodingError:
            refused += 1
            with pytest.raises(DecodeError, match=r"^the word at byte \d+ is not an? "):
                seen.decode([seen.TOPIC, *words[:3]], b"".join(words[3:]))
            continue
        found = seen.decode([seen.TOPIC, *words[:3]], b"".join(words[3:]))
        values = [getattr(found, name) for name in seen.__struct_fields__]
        assert values == [bytes.fromhex(v[2:]) if isinstance(v, str) else v for v in expected]
        assert isinstance(found.bool, bool)
    assert 1_000 < refused < 4_000


def test_compile_errors_are_the_compilers(tmp_path: Path) -> None:
    _contract(tmp_path, "contract Thing { uint a = true; }")
    with pytest.raises(CompileError, match="not implicitly convertible"):
        compile_contracts(tmp_path)


def test_a_check_compiles_bytecode_only_of_other_sources_than_the_committed_ones(tmp_path: Path) -> None:
    _contract(tmp_path, "contract Thing { function put() external pure returns (uint8) { return 1; } }")
    artifacts = tmp_path / gen_abi.ABI / "artifacts"
    artifacts.mkdir(parents=True)
    (artifacts / "Thing.json").write_text('{"bytecode": "0x01", "runtime": "0x02"}')
    compiled = gen_abi.checkable(tmp_path).contracts["Thing"]
    assert len(compiled.bytecode) > 40
    (tmp_path / gen_abi.FINGERPRINT).write_text(fingerprint(tmp_path) + "\n")
    known = gen_abi.checkable(tmp_path).contracts["Thing"]
    assert (known.bytecode, known.runtime, known.abi) == ("0x01", "0x02", compiled.abi)
    _contract(tmp_path, "contract Thing { function put() external pure returns (uint8) { return 2; } }")
    assert gen_abi.checkable(tmp_path).contracts["Thing"].bytecode not in {"0x01", compiled.bytecode}
    settings = (tmp_path / "foundry.toml").read_text()
    before = fingerprint(tmp_path)
    (tmp_path / "foundry.toml").write_text(settings.replace("optimizer_runs = 1_000", "optimizer_runs = 1"))
    assert fingerprint(tmp_path) != before


def test_stale_files_are_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gen_abi, "ROOT", tmp_path)
    written, changed, missing = (gen_abi.ABI / name for name in ("same.py", "changed.py", "missing.py"))
    orphan = gen_abi.ABI / "artifacts" / "Gone.json"
    for path, text in ((written, "a"), (changed, "old"), (orphan, "{}")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    found = {written: "a", changed: "new", missing: "b"}
    assert gen_abi._stale(found) == [changed, missing, orphan]
    (tmp_path / orphan).unlink()
    (tmp_path / changed).write_text("new")
    (tmp_path / missing).write_text("b")
    assert gen_abi._stale(found) == []
