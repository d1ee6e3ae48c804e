"""Builds the pages when their sources changed since the last build.

The stamp is written after a build that succeeded; a build that was killed leaves the old stamp removed, so the next
start builds again. Two starts at once (parallel tests) take turns by a file lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from scripts.devnet.config import ROOT
from scripts.devnet.errors import DevnetCancelledError, DevnetError
from scripts.devnet.process import signal_group

FRONTEND = ROOT / "frontend"
DIST = FRONTEND / "dist"
STAMP = FRONTEND / "node_modules" / ".aicp-build"
NOT_SOURCES = {"node_modules", "dist", "coverage", "test-results", "playwright-report"}


def sources_digest() -> str:
    """Return a hash of every file the build reads."""
    digest = hashlib.sha256()
    files = [path for path in FRONTEND.rglob("*") if not NOT_SOURCES & set(path.relative_to(FRONTEND).parts)]
    shared = [ROOT / "package-lock.json", *(ROOT / "sdk" / "aicp").rglob("*.json")]
    for path in sorted(path for path in (*files, *shared) if path.is_file()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def is_fresh() -> bool:
    """Tell whether the last build is of the present sources."""
    built = (DIST / "index.html").exists() and STAMP.exists()
    return built and STAMP.read_text(encoding="utf-8") == sources_digest()


def build(log_path: Path, cancelled: Callable[[], bool]) -> bool:
    """Build unless fresh; True when a build was made. Raises DevnetError, or DevnetCancelledError when stopped."""
    npm = shutil.which("npm")
    if npm is None:
        raise DevnetError("Node.js is not installed (or npm is not on PATH); AICP needs Node.js 20.19 or newer.")
    STAMP.parent.mkdir(parents=True, exist_ok=True)
    with STAMP.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_fresh():
            return False
        STAMP.unlink(missing_ok=True)
        digest = sources_digest()
        _run([npm, "run", "build", "-w", "frontend"], log_path, cancelled)
        STAMP.write_text(digest, encoding="utf-8")
    return True


def _run(command: list[str], log_path: Path, cancelled: Callable[[], bool]) -> None:
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        while process.poll() is None:
            if cancelled():
                raise DevnetCancelledError
            time.sleep(0.05)
    finally:
        signal_group(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode != 0:
        raise DevnetError(f"The pages could not be built (log: {log_path}).")
