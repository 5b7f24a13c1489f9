"""What a feed is: its columns with types and bounds, its key, its time, and the rules that every
accepted row meets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

DAY = "day"
"""The column that every table of the lake has beside the feed's: the UTC date of the row's time."""

DAY_PROFILE = (
    DAY,
    "rows",
    "volume_ratio",
    "duplicate_share",
    "late_share",
    "quarantined_share",
    "busiest_hour_share",
)
"""The figures of a landed day of a feed, which the checks of `<feed>_by_day` judge."""


@dataclass(frozen=True, kw_only=True)
class Bound:
    """The least or the largest value that a column can have; `rule` is the name of the rule that
    holds it.
    """

    value: float
    rule: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a feed: its Spark SQL type, what it holds, and between which values.

    `not_card_numbers` says what the values of a text column are, where they may pass for card
    numbers and are none (device numbers have the same check digit): ingest then takes them.

    A column that is added to a feed with history has `added_on`, the first landing day whose files
    must have it, and `default`, the value of every row from before: dates and times as ISO 8601
    text (times with a zone), decimals as text, the others as themselves.
    """

    name: str
    type: str
    description: str
    least: Bound | None = None
    most: Bound | None = None
    not_card_numbers: str = ""
    added_on: date | None = None
    default: str | int | float | bool | None = None

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules that follow from the bounds."""
        bounds = ((self.least, ">="), (self.most, "<="))
        return tuple(
            Rule(
                name=bound.rule,
                condition=f"{self.name} {sign} {bound.value}",
                description=bound.description,
            )
            for bound, sign in bounds
            if bound is not None
        )


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule that every accepted row meets: `condition` is Spark SQL that is true for a good
    row.
    """

    name: str
    condition: str
    description: str


@dataclass(frozen=True, kw_only=True)
class Feed:
    """A feed of the landing zone and the lake table that it becomes (of the same name).

    `key` identifies a row, `time` is the column whose UTC date is the row's `day`. `row` is what a
    row is called in messages; `repeated` says what it means that a key is there twice on a day.
    `further_rules` are those that do not follow from the columns' bounds.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str
    row: str = "row"
    repeated: str = ""
    further_rules: tuple[Rule, ...] = ()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule: those of the columns' bounds, and the further ones."""
        bounds: list[Rule] = []
        for column in self.columns:
            bounds += column.rules
        return (*bounds, *self.further_rules)

    @property
    def added(self) -> tuple[Column, ...]:
        """The columns that the feed did not have from its first day."""
        return tuple(column for column in self.columns if column.added_on is not None)

    @property
    def ddl(self) -> str:
        """The feed's schema as Spark DDL."""
        return ", ".join(f"{column.name} {column.type}" for column in self.columns)

    @property
    def ranges(self) -> Mapping[str, tuple[float | None, float | None]]:
        """Least and largest value of each column that has one of them."""
        return {
            column.name: (
                None if column.least is None else column.least.value,
                None if column.most is None else column.most.value,
            )
            for column in self.columns
            if column.least or column.most
        }
