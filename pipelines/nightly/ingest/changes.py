"""Which days of a table a run really changes, and their replacement in one commit; an unchanged day
is not touched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines.accounts.ingest import IngestAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.nightly.ingest.duplicates import ACCEPTED, IN_LAKE, VERDICT
from pipelines.nightly.ingest.reading import SOURCE_DAY
from pipelines.run import Run
from pipelines.usecases.definition import Feed

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_COMMITS = 20


@dataclass(frozen=True)
class Changes:
    """`days` whose rows differ before and after, and for each landing day those of them that it
    changed.

    `rewritten` also holds days in which only the landing day that a row is taken from differs.
    """

    days: frozenset[date]
    by_source: dict[date, frozenset[date]]
    rewritten: frozenset[date]


def accepted_rows(rows: DataFrame, feed: Feed) -> DataFrame:
    """The rows for the lake among `rows` (as resolved): the feed's columns, `day`, `source_day`."""
    from pyspark.sql import functions as f

    accepted = rows.where((f.col(VERDICT) == ACCEPTED) & ~f.col(IN_LAKE))
    return accepted.select(*(column.name for column in feed.columns), "day", SOURCE_DAY)


def settled_rows(
    run: Run, feed: Feed, days: DayRange, sources: Iterable[date]
) -> tuple[DataFrame, DataFrame] | None:
    """Lake rows of these event days: those of other landing days than `sources`, and those of
    `sources`.

    None where the table does not exist yet.
    """
    from pyspark.sql import functions as f

    if not run.lake.exists(feed.name):
        return None
    rows = run.lake.read(feed.name, days=days)
    _require_columns(run, feed, rows)
    ours = f.col(SOURCE_DAY).isin(sorted(sources))
    return rows.where(~ours), rows.where(ours)


def _require_columns(run: Run, feed: Feed, rows: DataFrame) -> None:
    """Raise `ConfigurationError` where the table's columns are not those that the feed declares."""
    declared = {column.name: column.type.replace(" ", "") for column in feed.columns}
    stored = {name: kind for name, kind in rows.dtypes if name not in ("day", SOURCE_DAY)}
    problems = [f"{name} is declared and not stored" for name in declared if name not in stored]
    problems += [f"{name} is stored and not declared" for name in stored if name not in declared]
    problems += [
        f"{name} is stored as {stored[name]} and declared as {kind}"
        for name, kind in declared.items()
        if name in stored and stored[name] != kind
    ]
    if problems:
        raise ConfigurationError(
            f"the columns of {feed.name} are not those of its table",
            where=f"pipelines/usecases/{run.use_case.name}.py and {run.lake.path(feed.name)}",
            expected="the columns that the table has, in their types",
            found="; ".join(problems),
            next_step=(
                "a new column needs added_on and default (docs/develop.md, A raw column); a column"
                " that was removed or has another type: declare it as it was, or begin a new feed"
            ),
        )


def changes(before: DataFrame | None, after: DataFrame, feed: Feed) -> Changes:
    """Compare, for each event day and landing day, the rows that the lake holds (`before`) and is
    to hold (`after`).

    Rows are compared by the sum of their 64-bit hashes and their number: in any order, in one job.
    """
    from pyspark.sql import functions as f

    sides = [(after, 1)] if before is None else [(before, -1), (after, 1)]
    marked = [
        frame.withColumns({"_sign": f.lit(sign), "_hash": _hash(feed)}) for frame, sign in sides
    ]
    union = marked[0] if len(marked) == 1 else marked[0].unionByName(marked[1])
    signed = f.sum(f.col("_hash") * f.col("_sign")).alias("hash")
    rows = union.groupBy("day", SOURCE_DAY).agg(signed, f.sum("_sign").alias("rows")).collect()
    differing = [row for row in rows if row["hash"] or row["rows"]]
    totals: dict[date, list[int]] = {}
    for row in differing:
        total = totals.setdefault(row["day"], [0, 0])
        total[0] += int(row["hash"])
        total[1] += int(row["rows"])
    days = frozenset(day for day, total in totals.items() if any(total))
    by_source: dict[date, set[date]] = {}
    for row in differing:
        if row["day"] in days:
            by_source.setdefault(row[SOURCE_DAY], set()).add(row["day"])
    return Changes(
        days,
        {source: frozenset(changed) for source, changed in by_source.items()},
        frozenset(totals),
    )


def commit_changes(
    run: Run,
    feed: Feed,
    change: Changes,
    settled: DataFrame | None,
    accepted: DataFrame,
    sources: Iterable[date],
) -> int | None:
    """Replace the rewritten days by the settled and the accepted rows; None where there is nothing
    to replace.

    A table that does not exist yet is made even where it stays empty. The commit names what it
    changes: should the run die before the ledger has it, the next run reads it there.
    """
    from pyspark.sql import functions as f

    if not change.rewritten and settled is not None:
        return None
    days = change.rewritten or frozenset(sources)
    rows = accepted if settled is None else settled.unionByName(accepted)
    frame = rows.where(f.col("day").isin(sorted(days))).repartition("day")
    provenance = run.provenance(
        "ingest", landing_days=sorted(map(str, sources)), changed_days=sorted(map(str, change.days))
    )
    return run.lake.replace_listed_days(
        frame, feed.name, days, provenance=provenance, add_columns=bool(feed.added)
    )


@dataclass(frozen=True)
class Standing:
    """A table before a run writes to it: its newest version (None where there is no table), and the
    days that were changed by commits which the ledger does not know, because their run died in
    between.
    """

    version: int | None
    unrecorded: frozenset[date]


def standing(run: Run, table: str) -> Standing:
    """Look at the table's newest commits, back to one that the ledger has recorded."""
    commits = run.lake.history(table, limit=_COMMITS)
    unrecorded: set[date] = set()
    for commit in commits:
        landing_days = [date.fromisoformat(day) for day in commit.metadata.get("landing_days", ())]
        if landing_days:
            if _recorded(run, table, commit.version, landing_days):
                break
            unrecorded |= {date.fromisoformat(day) for day in commit.metadata["changed_days"]}
    return Standing(commits[0].version if commits else None, frozenset(unrecorded))


def _recorded(run: Run, table: str, version: int, landing_days: list[date]) -> bool:
    records = run.ledger.latest(
        IngestAccount, first=min(landing_days), last=max(landing_days), status="done"
    )
    return any(record.account.versions.get(table, -1) >= version for record in records.values())


def _hash(feed: Feed) -> Column:
    from pyspark.sql import functions as f

    return f.xxhash64(*(column.name for column in feed.columns)).cast("decimal(38,0)")
