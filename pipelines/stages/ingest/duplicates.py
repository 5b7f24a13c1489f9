"""One row for each key: the earliest landing day wins; an equal row is a duplicate, a different one a conflict.

Rows of a key are ranked by landing day, then file name, time and content, so the winner depends neither on the order
in which days were ingested nor on Spark. Landing days that lie further apart than the lateness are not compared: that
keeps a night's work the same after three years.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.stages.ingest.reading import FILE, SOURCE_DAY
from pipelines.stages.ingest.rules import RAW, REASON, RULE
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

VERDICT, IN_LAKE, WINNER_DAY = "_verdict", "_in_lake", "_winner_day"
ACCEPTED, DUPLICATE, QUARANTINED = "accepted", "duplicate", "quarantined"
CONFLICT = "conflicting_content"
_HEADS, _WINNER = "_heads", "_winner"


def resolved(rows: DataFrame, settled: DataFrame | None, feed: Feed, *, lateness_days: int) -> DataFrame:
    """`rows` (as judged) with a verdict each, together with the rows of `settled` that share a key with them.

    `settled` are lake rows (feed columns, `day`, `source_day`) of other landing days, None where there are none. Adds
    `_verdict` (accepted, duplicate, quarantined), `_in_lake` BOOLEAN (a settled row) and, where the row lost,
    `_winner_day` DATE: the landing day of the row that it lost to. A settled row that loses shows that its landing day
    has to be ingested again.
    """
    from pyspark.sql import functions as f

    good = rows.where(f.col(RULE).isNull()).withColumn(IN_LAKE, f.lit(False))
    bad = rows.where(f.col(RULE).isNotNull()).withColumn(IN_LAKE, f.lit(False))
    rivals = good if settled is None else good.unionByName(_sharing_a_key(settled, good, feed))
    ranked = _ranked(rivals, feed, lateness_days)
    lost = f.when(f.col(VERDICT) != ACCEPTED, f.col(WINNER_DAY))
    judged_bad = bad.withColumns({VERDICT: f.lit(QUARANTINED), WINNER_DAY: f.lit(None).cast("date")})
    return ranked.withColumn(WINNER_DAY, lost).unionByName(judged_bad)


def _sharing_a_key(settled: DataFrame, good: DataFrame, feed: Feed) -> DataFrame:
    """The settled rows whose key is among the good rows', in the columns of those."""
    from pyspark.sql import functions as f

    absent = {name: f.lit(None).cast("string") for name in (RULE, REASON, RAW)}
    rivals = settled.join(good.select(*feed.key), list(feed.key), "left_semi")
    return rivals.withColumns({FILE: f.lit(""), IN_LAKE: f.lit(True), **absent})


def _ranked(rivals: DataFrame, feed: Feed, lateness_days: int) -> DataFrame:
    """Each row's verdict among those of its key, with rule, reason and raw row where it conflicts with the winner."""
    from pyspark.sql import Window
    from pyspark.sql import functions as f

    content = [f.col(column.name) for column in feed.columns if column.name not in feed.key]
    by_key = Window.partitionBy(*feed.key)
    by_winner = Window.partitionBy(*feed.key, WINNER_DAY).orderBy(SOURCE_DAY, FILE, feed.time, *content)
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

    In order of landing days, a key's first row wins, and wins over all that land within the lateness; the first that
    lands after that wins again, and so on.
    """
    from pyspark.sql import functions as f

    winners = f.expr(
        f"aggregate({_HEADS}, cast(array() as array<date>), (won, landed) -> "
        f"if(size(won) = 0 or datediff(landed, element_at(won, -1)) > {lateness_days}, "
        f"concat(won, array(landed)), won))"
    )
    return f.array_max(f.filter(winners, lambda won: won <= f.col(SOURCE_DAY)))
