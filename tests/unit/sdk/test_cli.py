from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from aicp.cli.agent import load_agent
from aicp.cli.main import cli
from aicp.cli.options import USDC
from tests.unit.sdk.builders import BUYER


def aicp(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aicp.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_every_subcommand_is_found_by_entry_point() -> None:
    answer = CliRunner().invoke(cli, ["--help"])
    assert answer.exit_code == 0
    for name in (
        "agent",
        "audit",
        "award",
        "deal",
        "down",
        "juror",
        "quote",
        "reputation",
        "status",
        "task",
        "up",
        "version",
        "wallet",
    ):
        assert f"  {name} " in answer.output


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["version"], 0, "aicp 0."),
        (["task", "list", "--url", "http://127.0.0.1:9"], 3, "does not answer"),
        (["wallet", "show", "--key", "12"], 1, "64 digits"),
        (["nonsense"], 2, "No such command"),
        (["juror", "vote", "zz", "agent", "--key", "1" * 64], 2, "'zz' is no dispute"),
        (["juror", "stake", "5", "--key", "1" * 64, "--url", "http://127.0.0.1:9"], 3, "does not answer"),
        (["task", "post", "t", "--budget", "1", "--verifier", "0x12"], 2, "is no address"),
        (["task", "post", "t", "--budget", "0.1234567"], 2, "at most 6 decimals"),
    ],
)
def test_exit_codes_and_sentences(arguments: list[str], code: int, words: str) -> None:
    answer = aicp(*arguments)
    assert answer.returncode == code, answer.stderr
    assert words in answer.stdout + answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_command_waits_for_web3_at_its_start() -> None:
    commands = ("agent", "award", "deal", "juror", "quote", "reputation", "task", "version", "wallet")
    script = f"import sys; {'; '.join(f'import aicp.cli.{name}' for name in commands)}; print('web3' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout == "False\n"


def test_a_key_is_never_echoed() -> None:
    key = BUYER.secret_key().hex()
    answer = aicp("wallet", "show", "--key", key, "--url", "http://127.0.0.1:9")
    assert key not in answer.stdout + answer.stderr


def test_agents_by_name() -> None:
    assert load_agent("tabula", None).name == "Tabula"
    assert load_agent(None, "aicp.agent.examples.tally:agent").name == "Tally"
    assert USDC.convert("0.40", None, None) == 400_000
