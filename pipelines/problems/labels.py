"""Reports beside their events.

What label an event has as of a moment is said by `release.frames.labels_at`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def with_reports(events: DataFrame, reports: DataFrame, use_case: UseCase) -> DataFrame:
    """`events` with the moment of their first report (TIMESTAMP UTC, column
    `use_case.label.reported_at`), else NULL.

    `events` holds the event key; `reports` the event key and the report's time. One row for each
    event, whatever the number of its reports.
    """
    from pyspark.sql import functions

    key, reported_at = use_case.events.key, use_case.label.reported_at
    first = reports.groupBy(*key).agg(functions.min(reported_at).alias(reported_at))
    return events.drop(reported_at).join(first, list(key), "left")
