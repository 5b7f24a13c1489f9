"""Labels as they were known at a moment: reported is 1, mature without a report is 0, anything else is not known."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pipelines.platform.errors import UsageError
from pipelines.usecases.definition import UseCase

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

LABEL = "label"


def with_reports(events: DataFrame, reports: DataFrame, use_case: UseCase) -> DataFrame:
    """`events` with the moment of their first report (TIMESTAMP UTC, column `use_case.label.reported_at`), else NULL.

    `events` holds the event key; `reports` the event key and the report's time. One row for each event, whatever the
    number of its reports.
    """
    from pyspark.sql import functions

    key, reported_at = use_case.events.key, use_case.label.reported_at
    first = reports.groupBy(*key).agg(functions.min(reported_at).alias(reported_at))
    return events.drop(reported_at).join(first, list(key), "left")


def with_labels(events: DataFrame, reports: DataFrame, use_case: UseCase, as_of: datetime) -> DataFrame:
    """`events` with `label` INT as it was known at `as_of` (time-zone aware, UTC).

    1 where a report's time is at or before `as_of`; 0 where there is none and the event is at least the label delay
    old by then; NULL where the label is not mature. A report that comes after the delay turns a 0 into a 1 for every
    `as_of` from then on. `events` holds event key and time, `reports` event key and report time. Raises `UsageError`
    for a time without a zone.
    """
    from pyspark.sql import functions

    if as_of.tzinfo is None:
        raise UsageError(
            "labels need a moment with a time zone",
            where="with_labels(as_of=…)",
            expected="a time-zone aware datetime, UTC",
            found=as_of.isoformat(),
            next_step="use pipelines.platform.days.midnight(day)",
        )
    moment = functions.lit(as_of)
    reported = functions.col(use_case.label.reported_at) <= moment
    mature = (
        functions.col(use_case.events.time) + functions.expr(f"INTERVAL '{use_case.label.delay_days}' DAY") <= moment
    )
    label = functions.when(reported, functions.lit(1)).when(mature, functions.lit(0)).cast("int")
    return with_reports(events, reports, use_case).withColumn(LABEL, label).drop(use_case.label.reported_at)
