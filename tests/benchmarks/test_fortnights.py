"""The benchmark of uneventful fortnights counts what it says it counts."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from benchmarks.fortnights import WatchedFortnight, page_days, table
from benchmarks.intervals import clopper_pearson
from pipelines.nightly.monitor.diagnosis.causes import Cause, Severity
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis

FIRST = date(2026, 3, 2)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 200, 0.0, 0.0183), (4, 200, 0.0055, 0.0504), (10, 10, 0.6915, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_the_exact_one(hits: int, of: int, low: float, high: float) -> None:
    """Against R's `binom.test`, written down; nothing counted says nothing."""
    assert clopper_pearson(hits, of) == pytest.approx((low, high), abs=2e-4)


def test_a_ticket_that_lasts_is_counted_as_a_page_and_one_that_ends_is_not() -> None:
    days: list[tuple[Cause, Severity]] = [
        ("feed", "ticket"),
        ("feed", "ticket"),
        ("well", "none"),
        ("feed", "ticket"),
        ("feed", "ticket"),
        ("unjudged", "note"),
        ("feed", "ticket"),
        ("concept", "page"),
    ]
    diagnoses = []
    for number, (cause, severity) in enumerate(days):
        day = FIRST + timedelta(days=number)
        diagnoses.append(Diagnosis(day=day, cause=cause, severity=severity, subject_day=day))
    assert page_days(diagnoses, 3) == {FIRST + timedelta(days=6), FIRST + timedelta(days=7)}


def test_the_table_counts_fortnights_not_days() -> None:
    fortnights = [
        WatchedFortnight(seed=1, second=False),
        WatchedFortnight(seed=1, second=True, pages=5, tickets=2),
        WatchedFortnight(seed=2, second=True, notes=1),
    ]
    lines = table(fortnights).splitlines()
    assert lines[2].startswith("| 1, the first of a new home | 0 | 0.0%")
    assert lines[3].startswith("| 2, the second | 1 | 50.0%")
    assert lines[3].endswith("| 1 | 1 |")
