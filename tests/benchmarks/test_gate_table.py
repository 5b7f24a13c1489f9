"""The gate's benchmark counts what it says it counts, with the intervals that statistics packages
give.
"""

from __future__ import annotations

import pytest

from benchmarks.gate import Outcome, truth_of
from benchmarks.gate_table import tables, wilson
from pipelines.usecases.fraud import USE_CASE


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(hits: int, of: int, low: float, high: float) -> None:
    """Against statsmodels' `proportion_confint(hits, of, method="wilson")`, written down."""
    assert wilson(hits, of) == pytest.approx((low, high), abs=2e-4)


def test_truth_is_the_policys_margin() -> None:
    margin, slice_margin = USE_CASE.model.champion_margin, USE_CASE.evidence.slice_margin
    assert truth_of(margin + 0.001, {}, USE_CASE) == "worse"
    assert truth_of(margin - 0.001, {"night": slice_margin - 0.001}, USE_CASE) == "equal"
    assert truth_of(-margin - 0.001, {"night": slice_margin + 0.001}, USE_CASE) == "worse"
    assert truth_of(-margin - 0.001, {}, USE_CASE) == "better"


def test_the_table_counts_both_gates() -> None:
    outcomes = [
        _outcome("worse", "approved", 0.1),
        _outcome("worse", "refused", -0.1),
        _outcome("worse", "needs a person", 0.1),
        _outcome("better", "refused", -0.1),
        _outcome("equal", "approved", 0.001),
    ]
    rows = [
        line.split("|")
        for line in tables(outcomes).splitlines()
        if line.startswith("| truly worse, let")
    ]
    assert [cell.strip() for cell in rows[0][2:4]] == ["1 of 3 (6–79 %)", "1 of 3 (6–79 %)"]
    better = next(
        line for line in tables(outcomes).splitlines() if line.startswith("| truly better, refused")
    )
    assert "1 of 1" in better
    assert "0 of 1" in better


def _outcome(truth: str, verdict: str, point_loss: float) -> Outcome:
    return Outcome(
        kind="k",
        seed=1,
        loss=0.0,
        slice_losses={},
        truth=truth,
        verdict=verdict,
        failed=[],
        point_loss=point_loss,
        seconds=1.0,
    )
