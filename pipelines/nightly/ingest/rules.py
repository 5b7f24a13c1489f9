"""What a row must meet: complete, readable, no card number, of a possible day, within the feed's
declared rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.base.card_numbers import holds_card_number
from pipelines.base.column_types import parse_column_type
from pipelines.nightly.ingest.reading import LANDED, MALFORMED, SOURCE_DAY
from pipelines.usecases.definition import Column, Feed

if TYPE_CHECKING:
    from pyspark.sql import Column as Expression
    from pyspark.sql import DataFrame

RULE, REASON, RAW = "_rule", "_reason", "_raw"


@dataclass(frozen=True)
class Breach:
    """A way in which a row can be bad: the rule's name, when it is broken, and what to tell a
    person.
    """

    rule: str
    broken: Expression
    reason: Expression


def judged(rows: DataFrame, feed: Feed, *, lateness_days: int) -> DataFrame:
    """`rows` (as read) with `day` DATE, `_rule` and `_reason` of the first breach, and `_raw`, the
    row as JSON text.

    All three are NULL for a good row. `_landed` and `_malformed` are gone.
    """
    from pyspark.sql import functions as f

    breaches = _breaches(feed, _landed_columns(rows, feed), lateness_days)
    rule = f.coalesce(*(f.when(breach.broken, f.lit(breach.rule)) for breach in breaches))
    reason = f.coalesce(*(f.when(breach.broken, breach.reason) for breach in breaches))
    return (
        rows.withColumn("day", f.to_date(feed.time))
        .withColumns({RULE: rule, REASON: reason})
        .withColumn(
            RAW, f.when(f.col(RULE).isNotNull(), f.to_json(LANDED, {"ignoreNullFields": "false"}))
        )
        .drop(LANDED, MALFORMED)
    )


def _landed_columns(rows: DataFrame, feed: Feed) -> list[Column]:
    """The feed's columns that the files had; the others were added later."""
    names = rows.select(f"{LANDED}.*").columns
    return [column for column in feed.columns if column.name in names]


def _breaches(feed: Feed, landed: Sequence[Column], lateness_days: int) -> list[Breach]:
    """All breaches in the order in which they are looked for: a row is quarantined under the
    first.
    """
    from pyspark.sql import functions as f

    fields = f"the line does not have the {len(landed)} fields of its header"
    return [
        Breach("malformed_row", f.col(MALFORMED), f.lit(fields)),
        *_missing(landed),
        *_unreadable(landed),
        *_card_numbers(feed),
        *_impossible_day(feed, lateness_days),
        *_declared(feed),
    ]


def _missing(columns: Sequence[Column]) -> list[Breach]:
    from pyspark.sql import functions as f

    return [
        Breach(f"{name}_missing", f.col(f"{LANDED}.{name}").isNull(), f.lit(f"{name} is empty"))
        for name in (column.name for column in columns)
    ]


def _unreadable(columns: Sequence[Column]) -> list[Breach]:
    """Text that is not of the declared type, and NaN or infinity in a floating-point column."""
    from pyspark.sql import functions as f

    breaches = []
    for column in columns:
        broken = f.col(column.name).isNull()
        if parse_column_type(column.type).kind == "double":
            broken = broken | f.isnan(column.name) | (f.abs(column.name) == f.lit(float("inf")))
        text = f.col(f"{LANDED}.{column.name}").cast("string")
        reason = f.concat(
            f.lit(f"{column.name} "), f.to_json(f.array(text)), f.lit(f" is not a {column.type}")
        )
        breaches.append(Breach(f"{column.name}_unreadable", broken, reason))
    return breaches


def _card_numbers(feed: Feed) -> list[Breach]:
    """A card number in text; the keys and amounts of numeric columns are none, though one in ten
    would pass for one.
    """
    from pyspark.sql import functions as f

    return [
        Breach(
            f"{name}_card_number",
            f.expr(holds_card_number(name)),
            f.lit(f"{name} holds a card number"),
        )
        for name in _texts_to_look_through(feed)
    ]


def _texts_to_look_through(feed: Feed) -> list[str]:
    """The text columns of which nobody has said that their values are no card numbers."""
    texts = [column for column in feed.columns if parse_column_type(column.type).kind == "string"]
    return [column.name for column in texts if not column.not_card_numbers]


def _impossible_day(feed: Feed, lateness_days: int) -> list[Breach]:
    from pyspark.sql import functions as f

    late_by = f.datediff(f.col(SOURCE_DAY), f.to_date(feed.time))
    instant, landed = f.col(feed.time).cast("string"), f.col(SOURCE_DAY).cast("string")
    return [
        Breach(
            f"{feed.time}_in_future",
            late_by < 0,
            f.concat(
                f.lit(f"{feed.time} "), instant, f.lit(" lies after its landing day "), landed
            ),
        ),
        Breach(
            f"{feed.time}_too_late",
            late_by > lateness_days,
            f.concat(
                f.lit(f"{feed.time} "),
                instant,
                f.lit(f" landed more than {lateness_days} days later, "),
                landed,
            ),
        ),
    ]


def _declared(feed: Feed) -> list[Breach]:
    from pyspark.sql import functions as f

    return [
        Breach(
            rule.name,
            ~f.coalesce(f.expr(rule.condition), f.lit(False)),
            f.lit(f"{rule.description}: {rule.condition} does not hold"),
        )
        for rule in feed.rules
    ]
