"""What most tests of ingest start from: a run of its own home, and its landing zone."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pipelines.landing.landing import Landing
from pipelines.run import Run


@pytest.fixture
def run(make_run: Callable[..., Run]) -> Run:
    """A run whose home has nothing yet."""
    return make_run()


@pytest.fixture
def landing(run: Run) -> Landing:
    """The landing zone of that run."""
    return run.landing
