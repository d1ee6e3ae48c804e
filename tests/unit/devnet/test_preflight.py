"""Every way the machine can be wrong gets one sentence, from real ports and real processes."""

from __future__ import annotations

import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.devnet.config import DevnetConfig, config_from_environment
from scripts.devnet.errors import DevnetError
from scripts.devnet.keys import dev_accounts
from scripts.devnet.ports import free_port
from scripts.devnet.preflight import check, check_database, check_keys, check_port, check_redis, check_rpc
from scripts.devnet.runfile import RunFile
from scripts.devnet.stack import Part, Stack
from scripts.devnet.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[3]


def aicp_up(state_dir: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the real command; it must fail before it starts anything."""
    command = [sys.executable, "-m", "scripts.devnet", "up", "--state-dir", str(state_dir), *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, timeout=60, check=False
    )


def only_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout in {"", "Starting AICP ...\n"}
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    return line.removeprefix("Error: ")


@contextmanager
def listener(family: socket.AddressFamily = socket.AF_INET, host: str = "127.0.0.1") -> Iterator[int]:
    with socket.socket(family, socket.SOCK_STREAM) as server:
        server.bind((host, 0))
        server.listen()
        yield server.getsockname()[1]


@contextmanager
def fake_rpc(answer: object) -> Iterator[str]:
    """An HTTP server that gives the same JSON answer to every POST."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class calls it so
            self.rfile.read(int(self.headers["content-length"]))
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/key-of-mine"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def told_services(config: DevnetConfig, *parts: Part) -> dict[str, str]:
    """The settings a stack would tell its services; nothing is started."""
    runfile = RunFile(config.state_dir)
    assert runfile.acquire()
    try:
        return Stack(config, Supervisor(config.state_dir, print, runfile), frozenset(parts)).environment()
    finally:
        runfile.release()


def test_a_taken_page_port_is_named_with_its_owner(tmp_path: Path) -> None:
    with listener() as port:
        sentence = only_sentence(aicp_up(tmp_path, "--port", str(port)))
    assert sentence == (
        f"Port {port} for the web page is taken by {sentence.split(' by ')[1].split(' (')[0]} "
        f"(process {os.getpid()}); choose another with `make up PORT=8001`."
    )
    assert not (tmp_path / "postgres").exists()


@pytest.mark.parametrize("text", ["abc", "99999", "0", "-1", "80.5"])
def test_a_port_that_is_none_is_one_sentence(tmp_path: Path, text: str) -> None:
    sentence = only_sentence(aicp_up(tmp_path, "--port", text))
    assert sentence == f"PORT must be a whole number from 1 to 65535 and is {text!r}."
    with pytest.raises(DevnetError, match=r"^RPC_PORT must be a whole number from 1 to 65535"):
        config_from_environment({"RPC_PORT": text}, state_dir=tmp_path, port=8000, demo=False)


def test_a_taken_chain_port_is_named(tmp_path: Path) -> None:
    with listener() as port:
        sentence = only_sentence(aicp_up(tmp_path, "--port", str(free_port()), RPC_PORT=str(port)))
    assert sentence.startswith(f"Port {port} for the local chain is taken by ")


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_a_port_taken_on_ipv6_alone_counts_because_localhost_may_mean_it() -> None:
    try:
        with listener(socket.AF_INET6, "::1") as port, pytest.raises(DevnetError, match="is taken"):
            check_port(port, "the web page", "choose another")
    except OSError as error:
        pytest.skip(f"::1 cannot be bound here: {error}")


def test_an_rpc_that_does_not_answer(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/secret-key"
    sentence = only_sentence(aicp_up(tmp_path, "--port", str(free_port()), RPC_URLS=url))
    assert re.fullmatch(r"The RPC at 127\.0\.0\.1:\d+ \(RPC_URLS\) does not answer: .*Connection refused\.", sentence)
    assert "secret-key" not in sentence


def test_an_rpc_of_another_chain(tmp_path: Path) -> None:
    with fake_rpc({"jsonrpc": "2.0", "id": 1, "result": "0x89"}) as url:
        sentence = only_sentence(aicp_up(tmp_path, "--port", str(free_port()), RPC_URLS=url))
    assert re.fullmatch(r"The RPC at 127\.0\.0\.1:\d+ serves chain 137, but CHAIN_ID is 31337\.", sentence)


@pytest.mark.parametrize("answer", [{"error": {"code": 1}}, ["nonsense"]])
def test_an_rpc_that_speaks_something_else(answer: object) -> None:
    with fake_rpc(answer) as url, pytest.raises(DevnetError, match="does not speak JSON-RPC"):
        check_rpc(url, 31337)


def test_a_database_that_is_not_reachable(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://user:password@127.0.0.1:{free_port()}/aicp"
    with pytest.raises(
        DevnetError, match=r"^PostgreSQL at 127\.0\.0\.1:\d+ \(DATABASE_URL\) is not reachable: "
    ) as found:
        check_database(url)
    assert "password@" not in str(found.value)
    environ = {"DATABASE_URL": url, "RPC_PORT": str(free_port())}
    assert "DATABASE_URL" in only_sentence(aicp_up(tmp_path, "--port", str(free_port()), **environ))


@pytest.mark.parametrize("url", ["redis://:password@127.0.0.1:{port}/0", "nonsense://127.0.0.1:{port}"])
def test_a_redis_that_is_not_reachable(url: str) -> None:
    with pytest.raises(DevnetError, match=r"^Redis at 127\.0\.0\.1:\d+ \(REDIS_URL\) is not reachable: ") as found:
        check_redis(url.format(port=free_port()))
    assert "password" not in str(found.value)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    sentence = only_sentence(aicp_up(in_the_way / "state"))
    assert sentence == f"No permission to write in {in_the_way}/state (Not a directory)."


def test_development_keys_are_refused_on_any_other_chain(tmp_path: Path) -> None:
    with pytest.raises(DevnetError, match="refused on chain 137"):
        dev_accounts(137)
    config = DevnetConfig(state_dir=tmp_path, chain_id=137, rpc_urls=("http://127.0.0.1:1",))
    with pytest.raises(DevnetError, match=r"^Chain 137 needs AICP_OPERATOR_KEY and one of AICP_RELAYER_KEYS, "):
        check(config)


@pytest.mark.parametrize("name", ["AICP_RELAYER_KEYS", "AICP_RELAYER_KEYSTORES", "AICP_RELAYER_SERVICE_ADDRESSES"])
def test_relayer_keys_of_ones_own_may_be_anywhere(tmp_path: Path, name: str) -> None:
    environ = {"CHAIN_ID": "137", "RPC_URLS": "http://127.0.0.1:1", "AICP_OPERATOR_KEY": "k", name: "r"}
    config = config_from_environment(environ, state_dir=tmp_path, port=8000, demo=False)
    check_keys(config)
    assert told_services(config)["AICP_RELAYER_KEYS"] == ("r" if name == "AICP_RELAYER_KEYS" else "")


def test_as_many_voucher_shards_as_are_asked_for(tmp_path: Path) -> None:
    config = config_from_environment({"AICP_VOUCHER_SHARDS": "3"}, state_dir=tmp_path, port=8000, demo=False)
    told = told_services(config, Part.VOUCHERS)
    assert told["AICP_VOUCHER_SHARDS"] == "3"
    first = int(told["AICP_VOUCHER_PORT"])
    assert told["AICP_VOUCHER_URLS"] == ",".join(f"http://127.0.0.1:{first + shard}" for shard in range(3))


@pytest.mark.parametrize("shards", ["0", "65"])
def test_too_few_or_too_many_voucher_shards(tmp_path: Path, shards: str) -> None:
    with pytest.raises(DevnetError, match=rf"^AICP_VOUCHER_SHARDS must be from 1 to 64 and is {shards}\.$"):
        config_from_environment({"AICP_VOUCHER_SHARDS": shards}, state_dir=tmp_path, port=8000, demo=False)


def test_a_chain_without_an_rpc_and_a_wrong_number(tmp_path: Path) -> None:
    with pytest.raises(DevnetError, match=r"^CHAIN_ID is 137 but RPC_URLS is not set"):
        config_from_environment({"CHAIN_ID": "137"}, state_dir=tmp_path, port=1, demo=True)
    with pytest.raises(DevnetError, match=r"^CHAIN_ID must be a whole number and is 'polygon'\.$"):
        config_from_environment({"CHAIN_ID": "polygon"}, state_dir=tmp_path, port=1, demo=True)


def test_the_public_accounts_are_the_well_known_ones() -> None:
    accounts = dev_accounts(31337)
    assert accounts.deployer.address == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert accounts.buyer.address == "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
    addresses = {
        account.address
        for account in (
            accounts.deployer, accounts.operator, *accounts.relayers, accounts.guardian, accounts.buyer,
            accounts.tabula, accounts.lexis,
        )
    }  # fmt: skip
    assert len(addresses) == 8
