"""The installer's first checks, run as the real script with a changed PATH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
NODES = "Node.js 20.19 or newer of 20, or 22.12 and newer"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with nothing but the installer and what it reads."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "bootstrap", tmp_path / "scripts")
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    for name in ("pyproject.toml", "package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def program(folder: Path, name: str, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def add_node(checkout: Path, *, version: str = "v20.19.0", install: str = "exit 0") -> None:
    program(checkout / "bin", "node", f"echo {version}")
    program(checkout / "bin", "npm", f'case "$1" in --version) echo 10.0.0;; *) {install};; esac')


def add_python(checkout: Path) -> None:
    """An environment whose `uv` writes down what it was asked for."""
    program(checkout / ".venv" / "bin", "python", "echo Python 3.11.7")
    program(checkout / ".venv" / "uv" / "bin", "uv", f'echo "$@" >> {checkout}/calls')
    stamps = checkout / ".venv" / ".stamps"
    stamps.mkdir()
    lock = (checkout / "requirements" / "bootstrap.lock").read_bytes()
    (stamps / "uv").write_text(hashlib.sha256(lock).hexdigest())


def calls(checkout: Path) -> list[str]:
    """Return and forget what `uv` was asked for."""
    log = checkout / "calls"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def bootstrap(
    checkout: Path, *, kind: str = "run", user: str | None = None, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, str(checkout / "scripts" / "bootstrap"), kind],
        env={"PATH": str(checkout / "bin"), "HOME": str(checkout)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=user,
    )


def only_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1, done
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    return line


def test_node_is_missing(checkout: Path) -> None:
    (checkout / "bin").mkdir()
    sentence = only_sentence(bootstrap(checkout))
    assert sentence == f"error: Node.js is not installed (or not on PATH); AICP needs {NODES}."
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize("version", ["v18.19.0", "v20.18.3", "v21.7.3", "v22.11.0", "nonsense"])
def test_the_packages_do_not_run_on_this_node(checkout: Path, version: str) -> None:
    add_node(checkout, version=version)
    sentence = only_sentence(bootstrap(checkout))
    assert sentence == f"error: AICP needs {NODES}; this is {version} ({checkout}/bin/node)."


@pytest.mark.parametrize("version", ["v20.19.0", "v22.12.0", "v23.11.1", "v24.0.0", "v25.1.0"])
def test_the_packages_run_on_this_node(checkout: Path, version: str) -> None:
    add_node(checkout, version=version)
    add_python(checkout)
    assert bootstrap(checkout).returncode == 0


def test_npm_is_missing(checkout: Path) -> None:
    program(checkout / "bin", "node", "echo v20.19.0")
    assert only_sentence(bootstrap(checkout)).startswith("error: npm is not installed")


def test_python_is_too_old(checkout: Path) -> None:
    code = (
        "import runpy, sys\n"
        "sys.version_info = (3, 9, 2)\n"
        "sys.argv = ['scripts/bootstrap', 'run']\n"
        f"runpy.run_path({str(checkout / 'scripts' / 'bootstrap')!r}, run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    sentence = only_sentence(done)
    assert sentence.startswith("error: AICP needs Python 3.11 or newer and this is Python 3.9 (")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run the installer as somebody who may not write")
def test_the_folder_is_not_ours(checkout: Path) -> None:
    python = "/usr/bin/python3"  # the one of a version manager may lie in root's home
    answer = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    if not Path(python).exists() or subprocess.run([python, "-c", answer], check=False).returncode:
        pytest.skip(f"{python} is no Python 3.11")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name) / "checkout"
        shutil.copytree(checkout, folder)
        Path(name).chmod(0o755)
        folder.chmod(0o755)
        add_node(folder)
        sentence = only_sentence(bootstrap(folder, user="nobody", python=python))
    assert sentence == f"error: No permission to write in {folder} (Permission denied)."


def test_a_step_that_fails_is_named_and_leaves_no_stamp(checkout: Path) -> None:
    add_node(checkout, install="echo broken lock; exit 1")
    add_python(checkout)
    done = bootstrap(checkout)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "error: Node packages failed: is the npm registry reachable?"
    assert "broken lock" in done.stderr
    assert not (checkout / "node_modules" / ".aicp-stamp").exists()


def test_only_what_changed_is_installed_again(checkout: Path) -> None:
    add_node(checkout)
    add_python(checkout)
    assert bootstrap(checkout).returncode == 0
    assert [call.split()[1] for call in calls(checkout)] == ["sync", "install"]
    assert bootstrap(checkout).returncode == 0
    assert calls(checkout) == []
    with (checkout / "requirements" / "run.lock").open("a") as lock:
        lock.write("# changed\n")
    assert bootstrap(checkout).returncode == 0
    assert [call.split()[1] for call in calls(checkout)] == ["sync", "install"]


def test_a_development_environment_is_not_taken_apart_by_a_later_run(checkout: Path) -> None:
    add_node(checkout)
    add_python(checkout)
    assert bootstrap(checkout, kind="dev").returncode == 0
    assert "requirements/dev.lock" in calls(checkout)[0]
    assert bootstrap(checkout, kind="run").returncode == 0
    assert calls(checkout) == []
    with (checkout / "requirements" / "dev.lock").open("a") as lock:
        lock.write("# changed\n")
    assert bootstrap(checkout, kind="run").returncode == 0
    assert "requirements/dev.lock" in calls(checkout)[0]
