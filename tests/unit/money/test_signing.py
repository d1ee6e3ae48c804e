"""Transactions signed by hand are those the reference library signs; ports refuse signatures of other keys."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json
from hypothesis import given, settings
from hypothesis import strategies as st

from aicp.abi.signing import SigningKey, recover
from aicp.rules.primitives import checksum
from backend.txm.eip1559 import Call, access_list_of
from backend.txm.fees import Fees
from backend.txm.keys import CannotDeriveError, LocalKey, RemoteKey, SignerUnavailable
from backend.txm.signer import Keyring, to_json

KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
ADDRESSES = st.binary(min_size=20, max_size=20)
WORDS = st.binary(min_size=32, max_size=32)
LISTS = st.lists(st.tuples(ADDRESSES, st.lists(WORDS, max_size=3).map(tuple)), max_size=3).map(tuple)

CALLS = st.builds(
    Call, to=ADDRESSES, data=st.binary(max_size=200), gas_limit=st.integers(min_value=1, max_value=2**40),
    access_list=LISTS,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    key=st.integers(min_value=1, max_value=ORDER - 1),
    chain_id=st.integers(min_value=1, max_value=2**40),
    nonce=st.integers(min_value=0, max_value=2**40),
    call=CALLS,
    fees=st.tuples(st.integers(min_value=0, max_value=2**80), st.integers(min_value=0, max_value=2**80)),
)
def test_it_is_what_the_reference_library_signs(
    key: int, chain_id: int, nonce: int, call: Call, fees: tuple[int, int]
) -> None:
    raw_key = key.to_bytes(32)
    offer = Fees(max(fees), min(fees))
    local = LocalKey(raw_key)
    ours = Keyring(chain_id, [local]).sign(local.address, nonce, call, offer)
    theirs = Account.sign_transaction(
        {
            "type": 2, "chainId": chain_id, "nonce": nonce, "to": checksum(call.to), "value": 0, "data": call.data,
            "gas": call.gas_limit,
            "maxFeePerGas": offer.max_fee_wei, "maxPriorityFeePerGas": offer.tip_wei,
            "accessList": to_json(call.access_list),
        },
        raw_key,
    )  # fmt: skip
    assert (ours.raw, ours.tx_hash) == (bytes(theirs.raw_transaction), bytes(theirs.hash))
    assert access_list_of(ours.raw) == call.access_list


@pytest.mark.parametrize("raw", [b"", b"\x02", b"\x01\xc0", b"\x02\xc0"])
def test_other_bytes_have_no_access_list(raw: bytes) -> None:
    with pytest.raises(ValueError):
        access_list_of(raw)


def test_a_keystore_opens_with_its_password_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            create_keyfile_json(KEY, b"right", kdf="pbkdf2", iterations=2)  # type: ignore[arg-type]  # it takes bytes only
        )
    )
    assert LocalKey.from_keystore(path, "right").address == SigningKey(KEY).address
    for password, file in (("wrong", path), ("right", tmp_path / "none.json")):
        with pytest.raises(ValueError, match="cannot be opened"):
            LocalKey.from_keystore(file, password)


@pytest.fixture
def service() -> Iterator[Callable[[Callable[[bytes], Any]], str]]:
    """Start a signing service; it answers what the given function makes of a digest."""
    running: list[ThreadingHTTPServer] = []

    def start(answer: Callable[[bytes], Any]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                made = answer(bytes.fromhex(asked["digest"][2:]))
                if made is None:
                    return
                body = json.dumps(made).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        running.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def high(signature: bytes) -> bytes:
    return signature[:32] + (ORDER - int.from_bytes(signature[32:64])).to_bytes(32)


@pytest.mark.parametrize(
    "shape", [lambda s: s, lambda s: s[:64], high, lambda s: high(s) + b"\x00"], ids=["65", "64", "high s", "wrong v"]
)
def test_a_service_may_leave_out_v_and_low_s(service, shape) -> None:
    key = SigningKey(KEY)
    url = service(lambda digest: {"signature": "0x" + shape(key.sign(digest)).hex()})
    remote = RemoteKey(key.address, url)
    for _ in range(4):
        digest = secrets.token_bytes(32)
        assert recover(digest, remote.sign(digest)) == key.address
    with pytest.raises(CannotDeriveError):
        remote.derive(b"anything")
    remote.close()


@pytest.mark.parametrize(
    "answer",
    [
        lambda digest: {"signature": "0x" + SigningKey(b"\x07" * 32).sign(digest).hex()},
        lambda digest: {"signature": "0x" + SigningKey(KEY).sign(bytes(32)).hex()},
        lambda _: {"signature": "0x" + "ff" * 64},
        lambda _: {"signature": "0x1234"},
        lambda _: {"error": "denied"},
        lambda _: ["nonsense"],
        lambda _: None,
    ],
    ids=["another key", "another digest", "no point", "short", "refusal", "nonsense", "hung up"],
)
def test_what_is_not_the_keys_signature_is_none(service, answer) -> None:
    remote = RemoteKey(SigningKey(KEY).address, service(answer))
    with pytest.raises(SignerUnavailable):
        remote.sign(b"\x01" * 32)
    remote.close()


def test_a_service_that_hangs_is_given_up(service) -> None:
    release = threading.Event()
    remote = RemoteKey(SigningKey(KEY).address, service(lambda _: release.wait(30)), timeout_seconds=0.2)
    with pytest.raises(SignerUnavailable):
        remote.sign(b"\x01" * 32)
    release.set()
    remote.close()
