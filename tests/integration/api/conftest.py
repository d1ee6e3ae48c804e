"""One API a test module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fixtures.apihost import Host, start


@pytest.fixture(scope="module")
def host(pg_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A running API over a fresh database."""
    api, stop = start(pg_url, tmp_path_factory.mktemp("api"))
    yield api
    stop()
