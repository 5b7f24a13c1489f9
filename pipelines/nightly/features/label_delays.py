"""The delays of the reports that were made on some days, from the lake's labels and events,
whatever landed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from features.instants import MICROSECONDS_PER_DAY
from pipelines.base.days import DayRange
from pipelines.run import Run
from pipelines.usecases.policies.label_delays import LabelDelays, class_ends


def label_delays(run: Run, days: DayRange, versions: Mapping[str, int]) -> dict[date, LabelDelays]:
    """By the day on which they were made: the first report of each event, by its delay.

    One aggregate of Spark.

    The events are looked for on the days that the features reach back to, which are read anyway: a
    report of an older one is counted as unmatched. `versions` are the Delta versions of the feeds'
    tables. A day without a report has no entry.
    """
    from pyspark.sql import functions as f

    use_case = run.use_case
    key, reported_at, time = (
        list(use_case.events.key),
        use_case.label.reported_at,
        use_case.events.time,
    )
    window = days.widened(before=use_case.stored_features.reach_days)
    reports = run.lake.read(
        use_case.labels.name, days=window, version=versions.get(use_case.labels.name)
    )
    events = run.lake.read(
        use_case.events.name, days=window, version=versions.get(use_case.events.name)
    )
    first = reports.groupBy(*key).agg(f.min(reported_at).alias("_reported"))
    made = f.to_date("_reported")
    first_reports = first.where((made >= f.lit(days.first)) & (made <= f.lit(days.last)))
    micros = f.unix_micros("_reported") - f.unix_micros(time)
    delay_class = f.lit(0)
    for end in class_ends(use_case.label.delay_days):
        delay_class = delay_class + (micros > end * MICROSECONDS_PER_DAY).cast("int")
    # The reports of a few days fit into every task: so the many events are read once and never
    # shuffled.
    matched = (
        events.select(*key, time)
        .join(f.broadcast(first_reports), key)
        .groupBy(made.alias("_day"), delay_class.alias("_class"))
        .agg(f.count("*").alias("_reports"))
    )
    every = first_reports.groupBy(made.alias("_day"), f.lit(None).cast("int").alias("_class")).agg(
        f.count("*").alias("_reports")
    )
    report_counts: dict[date, dict[int | None, int]] = {}
    for row in matched.unionByName(every).collect():
        report_counts.setdefault(row["_day"], {})[row["_class"]] = row["_reports"]
    delay_days = use_case.label.delay_days
    delays = {}
    for day, classes in sorted(report_counts.items()):
        reported = classes.pop(None, 0)
        counts = {place: count for place, count in classes.items() if place is not None}
        unmatched = reported - sum(counts.values())
        delays[day] = LabelDelays.of(delay_days, counts, unmatched=unmatched)
    return delays
