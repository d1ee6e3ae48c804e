"""Every generated encoder and decoder against eth_abi, on random values of every function, event and error."""

from __future__ import annotations

import importlib
import json
import random
import sys
from importlib import resources
from types import ModuleType
from typing import Any

import pytest
from eth_hash.auto import keccak

from aicp.abi.bytecode import artifact
from aicp.abi.runtime import DecodeError, EncodeError, Panic, RevertReason
from scripts.abi import emit_python
from scripts.abi.emit_python import function_names
from scripts.abi.typed_data import load
from tests.unit.abi.values import canonical, encoded, hints_of, plain, typed

MODULES = {
    "escrow": "Escrow",
    "payment_channel": "PaymentChannel",
    "reputation": "Reputation",
    "arbiter": "DisputeArbiter",
    "usdc": "MockUSDC",
}


def _entries(kind: str) -> list[Any]:
    found = []
    for module, contract in MODULES.items():
        entries = [entry for entry in artifact(contract).abi if entry["type"] == kind]
        if kind == "function":
            entries.sort(key=lambda entry: (entry["name"], len(entry["inputs"])))
        found += [pytest.param(module, entry, id=f"{contract}.{_signature(entry)[:60]}") for entry in entries]
    return found


def _signature(entry: dict[str, Any]) -> str:
    return f"{entry['name']}({','.join(canonical(part) for part in entry['inputs'])})"


def _class_name(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def _python_name(module: str, entry: dict[str, Any]) -> str:
    calls = [param.values[1] for param in _entries("function") if param.values[0] == module]
    return dict(zip((_signature(call) for call in calls), function_names(calls), strict=True))[_signature(entry)]


@pytest.mark.parametrize(("module", "entry"), _entries("function"))
def test_calls_and_results_agree_with_eth_abi(module: str, entry: dict[str, Any]) -> None:
    generated = importlib.import_module(f"aicp.abi.{module}")
    rng = random.Random(_signature(entry))
    name = _python_name(module, entry)
    selector = keccak(_signature(entry).encode())[:4]
    assert generated.SELECTORS[selector] == entry["name"]
    for _ in range(10):
        values = [plain(rng, part) for part in entry["inputs"]]
        hints = hints_of(generated, f"encode_{name}")
        arguments = [typed(v, h) for v, h in zip(values, list(hints.values())[:-1], strict=True)]
        assert getattr(generated, f"encode_{name}")(*arguments) == selector + encoded(entry["inputs"], values)
        if not entry["outputs"]:
            continue
        results = [plain(rng, part) for part in entry["outputs"]]
        decode = getattr(generated, f"decode_{name}_result")
        data = encoded(entry["outputs"], results)
        answer = decode(data)
        hint = hints_of(generated, f"decode_{name}_result")["return"]
        assert answer == typed(results[0] if len(results) == 1 else results, hint)
        with pytest.raises(DecodeError):
            decode(data + bytes(32))
        with pytest.raises(DecodeError):
            decode(data[:-1])


@pytest.mark.parametrize(("module", "entry"), _entries("event"))
def test_events_agree_with_eth_abi(module: str, entry: dict[str, Any]) -> None:
    generated = importlib.import_module(f"aicp.abi.{module}")
    event = getattr(generated, _class_name(entry["name"]))
    topic = keccak(_signature(entry).encode())
    assert generated.EVENTS[topic] is event
    assert topic == event.TOPIC
    rng = random.Random(_signature(entry))
    hints = hints_of(generated, event.__name__)
    for _ in range(10):
        values = [plain(rng, part) for part in entry["inputs"]]
        pairs = list(zip(entry["inputs"], values, strict=True))
        topics = [topic, *(encoded([part], [value]) for part, value in pairs if part["indexed"])]
        data = encoded(*map(list, zip(*[pair for pair in pairs if not pair[0]["indexed"]], strict=True))) if any(
            not part["indexed"] for part in entry["inputs"]
        ) else b""  # fmt: skip
        attributes = event.__struct_fields__
        expected = event(*(typed(v, hints[a]) for a, v in zip(attributes, values, strict=True)))
        assert event.decode(topics, data) == expected
        for bad_topics, bad_data in (
            (topics[:-1], data),
            ([*topics, bytes(32)], data),
            ([bytes(32), *topics[1:]], data),
            ([topic, *(value[1:] for value in topics[1:])], data) if len(topics) > 1 else ([], data),
            (topics, data + bytes(32)),
        ):
            with pytest.raises(DecodeError):
                event.decode(bad_topics, bad_data)


@pytest.fixture(scope="module")
def careful() -> dict[str, dict[str, Any]]:
    """The generated modules without the quick way to decode an event, by name."""
    messages = load(json.loads(resources.files("aicp.abi").joinpath("typed_data.json").read_text()))
    found: dict[str, dict[str, Any]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(emit_python, "at_once", lambda name, parts: ([], []))
        for name, contract in MODULES.items():
            made = ModuleType(f"careful_{name}")
            patch.setitem(sys.modules, made.__name__, made)
            exec(emit_python.module(contract, artifact(contract).abi, messages), vars(made))
            found[name] = vars(made)
    return found


def _outcome(event: Any, topics: list[bytes], data: bytes) -> str:
    try:
        return repr(event.decode(topics, data))
    except DecodeError as error:
        return f"refused: {error}"


def _damaged(rng: random.Random, words: list[bytes]) -> list[bytes]:
    """Return words of which one has another bit, another value or another length."""
    at = rng.randrange(len(words))
    word = words[at]
    other = (
        (int.from_bytes(word[:32], "big") ^ 1 << rng.randrange(256)).to_bytes(32, "big"),
        rng.randbytes(32),
        b"\xff" * 32,
        b"\0" * 31 + b"\2",
        word[rng.randrange(32) :],
        word + rng.randbytes(1),
    )
    return [*words[:at], rng.choice(other), *words[at + 1 :]]


@pytest.mark.parametrize(("module", "entry"), _entries("event"))
def test_the_quick_way_to_decode_an_event_answers_what_the_careful_one_does(
    module: str, entry: dict[str, Any], careful: dict[str, dict[str, Any]]
) -> None:
    name = _class_name(entry["name"])
    quick, slow = getattr(importlib.import_module(f"aicp.abi.{module}"), name), careful[module][name]
    rng = random.Random(_signature(entry))
    indexed = [part for part in entry["inputs"] if part["indexed"]]
    rest = [part for part in entry["inputs"] if not part["indexed"]]
    seen = set()
    for _ in range(100):
        topics = [quick.TOPIC, *(encoded([part], [plain(rng, part)]) for part in indexed)]
        data = encoded(rest, [plain(rng, part) for part in rest])
        words = [*topics, *(data[at : at + 32] for at in range(0, len(data), 32))]
        for given in (words, _damaged(rng, words), _damaged(rng, _damaged(rng, words)), words[:-1]):
            pair = given[: len(topics)], b"".join(given[len(topics) :])
            outcome = _outcome(quick, *pair)
            assert outcome == _outcome(slow, *pair)
            seen.add(outcome.startswith("refused"))
    assert seen == {True, False}


@pytest.mark.parametrize(("module", "entry"), _entries("error"))
def test_errors_agree_with_eth_abi(module: str, entry: dict[str, Any]) -> None:
    generated = importlib.import_module(f"aicp.abi.{module}")
    error = getattr(generated, _class_name(entry["name"]))
    rng = random.Random(_signature(entry))
    values = [plain(rng, part) for part in entry["inputs"]]
    data = keccak(_signature(entry).encode())[:4] + encoded(entry["inputs"], values)
    found = generated.decode_error(data)
    hints = hints_of(generated, error.__name__)
    attributes = error.__struct_fields__
    assert found == error(*(typed(v, hints[a]) for a, v in zip(attributes, values, strict=True)))
    assert found.name == entry["name"]
    assert str(found).startswith(f"{entry['name']}(")
    with pytest.raises(DecodeError):
        generated.decode_error(data + b"\0")


def test_built_in_reverts() -> None:
    from aicp.abi import escrow

    reason = bytes.fromhex("08c379a0") + encoded([{"type": "string"}], ["no money"])
    assert escrow.decode_error(reason) == RevertReason("no money")
    assert escrow.decode_error(bytes.fromhex("4e487b71") + (17).to_bytes(32, "big")) == Panic(17)
    assert escrow.decode_error(b"") is None
    assert escrow.decode_error(bytes.fromhex("deadbeef")) is None


@pytest.mark.parametrize(
    ("at", "byte"),
    [(0, 1), (32, 1)],
    ids=["a uint96 above 96 bits", "the second one as well"],
)
def test_dirty_padding_is_refused(at: int, byte: int) -> None:
    from aicp.abi.escrow import EscrowReleased

    data = bytearray((5).to_bytes(32, "big") + (1).to_bytes(32, "big"))
    topics = [EscrowReleased.TOPIC, bytes(31) + b"\1"]
    assert EscrowReleased.decode(topics, bytes(data)).amount == 5
    data[at + 19] = byte
    with pytest.raises(DecodeError):
        EscrowReleased.decode(topics, bytes(data))


def test_dirty_addresses_bools_and_dynamic_data_are_refused() -> None:
    from aicp.abi import usdc
    from aicp.abi.runtime import decode_dynamic, read_bool, read_bytes

    dirty = bytes(11) + b"\1" + bytes(20)
    topics = [usdc.Transfer.TOPIC, dirty, bytes(32)]
    with pytest.raises(DecodeError):
        usdc.Transfer.decode(topics, bytes(32))
    with pytest.raises(DecodeError):
        read_bool((2).to_bytes(32, "big"), 0)
    with pytest.raises(DecodeError):
        read_bytes(bytes(4) + b"\1" + bytes(27), 0, 4)
    clean = encoded([{"type": "bytes"}], [b"abc"])
    assert decode_dynamic(("bytes",), clean) == (b"abc",)
    for bad in (clean + bytes(32), clean[:-1] + b"\1", (64).to_bytes(32, "big") + bytes(32) + clean[32:], b""):
        with pytest.raises(DecodeError):
            decode_dynamic(("bytes",), bad)


def test_encoders_refuse_what_does_not_fit() -> None:
    from aicp.abi import escrow

    with pytest.raises(EncodeError):
        escrow.encode_withdraw(2**96)
    with pytest.raises(EncodeError):
        escrow.encode_withdraw(-1)
    with pytest.raises(EncodeError):
        escrow.encode_withdraw_to(bytes(19), 1)
    with pytest.raises(EncodeError):
        escrow.encode_state_of(bytes(33))
    with pytest.raises(EncodeError):
        escrow.encode_withdraw_with_signature(bytes(20), bytes(20), 2**96, 0, b"")
