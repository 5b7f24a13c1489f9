"""The lake's labels equal the plain-Python oracle, late and repeated reports included."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from pipelines.platform.errors import UsageError
from pipelines.stages.labels import with_labels, with_reports
from pipelines.usecases.registry import load
from tests.oracles.labels import label_at

pytestmark = pytest.mark.slow

AS_OF = datetime(2026, 3, 29, tzinfo=UTC)
TICK = timedelta(microseconds=1)
AGES = [timedelta(), TICK, timedelta(days=7) - TICK, timedelta(days=7), timedelta(days=7) + TICK, timedelta(days=40)]
REPORTS = [(), (AS_OF,), (AS_OF + TICK,), (AS_OF - TICK,), (AS_OF + TICK, AS_OF), (AS_OF + TICK, AS_OF + 2 * TICK)]
CASES = [(AS_OF - age, reports) for age in AGES for reports in REPORTS]


@pytest.fixture(scope="module")
def tables(spark):
    events = pd.DataFrame({"transaction_id": range(len(CASES)), "event_time": [time for time, _ in CASES]})
    reports = pd.DataFrame(
        [(number, at) for number, (_, reports) in enumerate(CASES) for at in reports],
        columns=["transaction_id", "reported_at"],
    )
    return tuple(spark.createDataFrame(frame) for frame in (events, reports))


def test_labels_equal_the_oracle(tables):
    labelled = with_labels(*tables, load("fraud"), AS_OF)
    assert dict(labelled.dtypes)["label"] == "int"
    found = {row.transaction_id: row.label for row in labelled.collect()}
    assert found == {n: label_at(time, reports, AS_OF, 7) for n, (time, reports) in enumerate(CASES)}
    assert set(found.values()) == {0, 1, None}


def test_an_event_keeps_one_row_and_its_first_report(tables):
    rows = with_reports(*tables, load("fraud")).collect()
    found = {row.transaction_id: row.reported_at and row.reported_at.replace(tzinfo=UTC) for row in rows}
    assert len(rows) == len(CASES)
    assert found == {n: min(reports, default=None) for n, (_, reports) in enumerate(CASES)}


def test_a_moment_without_a_zone_is_refused(tables):
    with pytest.raises(UsageError, match="time zone"):
        with_labels(*tables, load("fraud"), AS_OF.replace(tzinfo=None))
