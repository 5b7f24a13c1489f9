"""Real database servers, started where a test asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers import Server, postgresql, redis


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Server]:
    """A PostgreSQL for all tests; each takes databases of its own."""
    with postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def redis_server() -> Iterator[Server]:
    """A Redis with a password."""
    with redis() as server:
        yield server
