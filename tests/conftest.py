"""Fixtures every test may use; the real services are started only by the tests that ask for them."""

from __future__ import annotations

pytest_plugins = ["tests.fixtures.services"]
