"""What a model card says of the search, by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.training.model_card import _training
from pipelines.usecases.fraud import USE_CASE
from tests.accounts import release_account


def said(*trials: Mapping[str, Any]) -> str:
    """The section on training, as text."""
    record = release_account(parameters={"max_depth": 4}, seed=7, search=trials)
    return str(_training(record, USE_CASE))


def test_what_was_compared_is_counted_and_nothing_searched_is_said() -> None:
    trial = {"parameters": {"max_depth": 4}, "mean": 0.5}
    assert "2 candidates were compared on weeks before the test days." in said(trial, trial)
    assert "nothing was searched" not in said(trial, trial)
    assert "The declared parameters were taken; nothing was searched." in said()
    assert "were compared" not in said()
