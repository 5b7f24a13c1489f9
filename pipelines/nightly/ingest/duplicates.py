"""One row for each key: the earliest landing day wins; an equal row is a duplicate, a different one
a conflict.

Rows of a key are ranked by landing day, then file name, time and content, so the winner depends
neither on the order in which days were ingested nor on Spark. Landing days that lie further apart
than the lateness are not compared: that keeps a night's work the same after three years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.nightly.ingest.reading import FILE, SOURCE_DAY
from pipelines.nightly.ingest.rules import RAW, REASON, RULE
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

VERDICT, IN_LAKE, WINNER_DAY = "_verdict", "_in_lake", "_winner_day"
ACCEPTED, DUPLICATE, QUARANTINED = "accepted", "duplicate", "quarantined"
CONFLICT = "conflicting_content"
_HEADS, _WINNER, _NEW, _ROWS = "_heads", "_winner", "_new", "_rows"


def contested_keys(rows: DataFrame, settled: DataFrame | None, feed: Feed) -> DataFrame:
    """Keys of good rows (as judged) that come more than once, or that a settled row of another
    landing day has too.
    """
    from pyspark.sql import functions as f

    keys = _good(rows).select(*feed.key, f.lit(1).alias(_NEW))
    if settled is not None:
        keys = keys.unionByName(settled.select(*feed.key, f.lit(0).alias(_NEW)))
    counted = keys.groupBy(*feed.key).agg(f.count("*").alias(_ROWS), f.max(_NEW).alias(_NEW))
    return counted.where((f.col(_ROWS) > 1) & (f.col(_NEW) == 1)).select(*feed.key)


def resolved(
    rows: DataFrame,
    settled: DataFrame | None,
    contested: DataFrame | None,
    feed: Feed,
    *,
    lateness_days: int,
) -> DataFrame:
    """`rows` (as judged) with a verdict each, together with the rows of `settled` that share a key
    with them.

    `settled` are lake rows (feed columns, `day`, `source_day`) of other landing days, None where
    there are none, and `contested` the keys to decide about, None where there are none. Adds
    `_verdict` (accepted, duplicate, quarantined), `_in_lake` BOOLEAN (a settled row) and, where the
    row lost, `_winner_day` DATE: the landing day of the row that it lost to. A settled row that
    loses shows that its landing day has to be ingested again.
    """
    from pyspark.sql import functions as f

    verdict = f.when(f.col(RULE).isNull(), ACCEPTED).otherwise(QUARANTINED)
    nobody = f.lit(None).cast("date")
    if contested is None:
        return rows.withColumns({IN_LAKE: f.lit(False), VERDICT: verdict, WINNER_DAY: nobody})
    keys = list(feed.key)
    alone = rows.where(f.col(RULE).isNotNull()).unionByName(
        _good(rows).join(contested, keys, "left_anti")
    )
    rivals = _good(rows).join(contested, keys, "left_semi").withColumn(IN_LAKE, f.lit(False))
    if settled is not None:
        absent = {name: f.lit(None).cast("string") for name in (RULE, REASON, RAW)}
        others = settled.join(contested, keys, "left_semi")
        rivals = rivals.unionByName(
            others.withColumns({FILE: f.lit(""), IN_LAKE: f.lit(True), **absent})
        )
    lost = f.when(f.col(VERDICT) != ACCEPTED, f.col(WINNER_DAY))
    decided = _ranked(rivals, feed, lateness_days).withColumn(WINNER_DAY, lost)
    return decided.unionByName(
        alone.withColumns({IN_LAKE: f.lit(False), VERDICT: verdict, WINNER_DAY: nobody})
    )


def _good(rows: DataFrame) -> DataFrame:
    from pyspark.sql import functions as f

    return rows.where(f.col(RULE).isNull())


def _ranked(rivals: DataFrame, feed: Feed, lateness_days: int) -> DataFrame:
    """Each row's verdict among those of its key, with rule, reason and raw row where it conflicts
    with the winner.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    content = [f.col(column.name) for column in feed.columns if column.name not in feed.key]
    by_key = Window.partitionBy(*feed.key)
    by_winner = Window.partitionBy(*feed.key, WINNER_DAY).orderBy(
        SOURCE_DAY, FILE, feed.time, *content
    )
    row = f.struct(*(f.col(column.name) for column in feed.columns))
    verdict = f.when(f.row_number().over(by_winner) == 1, ACCEPTED).otherwise(
        f.when(f.struct(*content) == f.col(_WINNER), DUPLICATE).otherwise(QUARANTINED)
    )
    conflict = f.col(VERDICT) == QUARANTINED
    reason = f.concat(
        f.lit(f"another row with this {', '.join(feed.key)} but other content landed first, on "),
        f.col(WINNER_DAY).cast("string"),
    )
    return (
        rivals.withColumn(_HEADS, f.array_sort(f.collect_set(SOURCE_DAY).over(by_key)))
        .withColumn(WINNER_DAY, _winner_day(lateness_days))
        .withColumn(_WINNER, f.first(f.struct(*content)).over(by_winner))
        .withColumn(VERDICT, verdict)
        .withColumn(RULE, f.when(conflict, f.lit(CONFLICT)))
        .withColumn(REASON, f.when(conflict, reason))
        .withColumn(RAW, f.when(conflict, f.to_json(row)))
        .drop(_HEADS, _WINNER)
    )


def _winner_day(lateness_days: int) -> Column:
    """The landing day of the row that decides for this one.

    In order of landing days, a key's first row wins, and wins over all that land within the
    lateness; the first that lands after that wins again, and so on.
    """
    from pyspark.sql import functions as f

    winners = f.expr(
        f"aggregate({_HEADS}, cast(array() as array<date>), (won, landed) -> "
        f"if(size(won) = 0 or datediff(landed, element_at(won, -1)) > {lateness_days}, "
        f"concat(won, array(landed)), won))"
    )
    return f.array_max(f.filter(winners, lambda won: won <= f.col(SOURCE_DAY)))
