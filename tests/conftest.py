"""Fixtures every test may use; the real services are started only by the tests that ask for them."""

from __future__ import annotations

import os
import tempfile

import structlog

pytest_plugins = ["tests.fixtures.services"]

# A service keeps its loggers as they were at first use. Here many tests share a process, and some read what is logged.
_configure = structlog.configure


def _configure_for_tests(**options: object) -> None:
    _configure(**options | {"cache_logger_on_first_use": False})  # type: ignore[arg-type]


structlog.configure = _configure_for_tests

# What a client keeps belongs to the test run, never to whoever runs it.
os.environ["AICP_HOME"] = tempfile.mkdtemp(prefix="aicp-home-")
