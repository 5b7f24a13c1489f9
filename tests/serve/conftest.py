"""One service for all tests of a file that only ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.serve.serving import Served, served


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("scorer") / "home") as running:
        yield running
