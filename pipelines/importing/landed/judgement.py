"""Whether a source may be imported: rows are counted, and what would alter labels or identities is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.importing.conversion.conversion import FINDINGS, LABEL, TIME, VALUE, unlabelled
from pipelines.importing.conversion.ids import card_number_share
from pipelines.importing.conversion.labels import counted
from pipelines.importing.conversion.source import Source, SourceDay
from pipelines.importing.landed.account import (
    BrokenRule,
    ImportAccount,
    at_midnight,
    broken_rules,
    rows_of,
)
from pipelines.importing.landed.landed_day import each_row_once
from pipelines.importing.mapping.declared_columns import IdColumn
from pipelines.usecases.definition import UseCase

RUNBOOK = "docs/runbooks/import-refused.md"

REJECTED_SHARE, REJECTED_ROWS = 0.01, 10
"""Rows without a readable time, or with an id that its column's rule refuses: so many are mistakes
of single rows; more (in share and in number) are a mistake of the mapping.
"""

CARD_NUMBER_SHARE = 0.2
"""By chance one number of 13 to 19 digits in ten has a right check digit."""

_ID_RULES = ("scientific", "rounded", "leading_zeros", "with_point", "none", "encoding")
_SAMPLE = 20_000
_SMALLEST_CARD = 10**12


def judged(
    source: Source, use_case: UseCase, days: DayRange, *, emptied: Set[date] = frozenset()
) -> ImportAccount:
    """Read `days` of the source and count what is there; nothing is written.

    It may lack the days in `emptied`.

    Raises `UsageError` where days are missing, and `ConfigurationError` where too many rows have no
    readable time, where ids were altered on their way into the file, where labels are unknown
    beyond the mapping's share, and where the values of a column of ids look like card numbers.
    """
    account = ImportAccount(source.name)
    if not source.mapping.source.daily:
        source.events(days.first)
        _count_rejected(source, account)
    source.require(days, emptied=emptied)
    findings = [FINDINGS.empty_table()]
    ids: dict[str, list[Any]] = {name: [] for name in _plain_ids(source)}
    for day in days:
        content = source.events(day)
        if content is not None:
            _count_day(content, source, account)
            findings.append(content.findings)
            for name, chunks in ids.items():
                chunks.append(_long_ids(content.good[name]))
    account.rules = broken_rules(pa.concat_tables(findings))
    _count_rejected(source, account)
    account.card_numbers = {name: _card_numbers(chunks) for name, chunks in ids.items()}
    _require_ids(source, account)
    _require_no_card_numbers(source, account)
    _require_known_labels(source, account)
    _warn(source, use_case, account)
    return account


def _count_day(content: SourceDay, source: Source, account: ImportAccount) -> None:
    for table in (content.good, content.unreadable):
        account.labels.add(counted(table[LABEL].combine_chunks(), table[VALUE].combine_chunks()))
    account.events += content.good.num_rows + content.unreadable.num_rows
    account.quarantinable += content.unreadable.num_rows
    account.midnight += at_midnight(content.good[source.feed.time]) + at_midnight(
        content.unreadable[TIME]
    )
    rows = unlabelled(content.good)
    account.repeated += rows.num_rows - each_row_once(rows, source.feed.key[0]).num_rows


def _count_rejected(source: Source, account: ImportAccount) -> None:
    """Counts of all files read; raises `ConfigurationError` where too many rows belong to no
    day.
    """
    files = source.files_read()
    account.read = sum(file.rows for file in files)
    account.filtered = sum(file.filtered for file in files)
    account.notes.clear()
    for file in files:
        account.notes.update(file.notes)
    rejected = source.rejected
    # A row may have several faults; the one of its time is why it is rejected.
    timeless = rejected.filter(
        pc.or_(
            pc.starts_with(rejected["rule"], source.feed.time),
            pc.equal(rejected["rule"], "malformed_row"),
        )
    )
    account.rejected = rows_of(timeless)
    account.rejected_rules = broken_rules(timeless)
    account.rejected_advice = [_time_advice(rule, source) for rule in account.rejected_rules]
    if account.rejected > REJECTED_ROWS and account.rejected > REJECTED_SHARE * account.read:
        raise _refused(
            f"{account.rejected:,} of {account.read:,} rows have no time that can be read",
            source,
            expected=(
                f"a readable time in all rows but {100 * REJECTED_SHARE:g} % (or {REJECTED_ROWS})"
            ),
            observed=" | ".join(rule.described() for rule in account.rejected_rules),
            next_step=f"{account.rejected_advice[0]}; nothing was written",
        )


def _require_ids(source: Source, account: ImportAccount) -> None:
    for rule in account.rules:
        column = next(
            (
                name
                for name in source.mapping.events
                if rule.rule in {f"{name}_{suffix}" for suffix in _ID_RULES}
            ),
            None,
        )
        if column and rule.rows > REJECTED_ROWS and rule.rows > REJECTED_SHARE * account.events:
            raise _refused(
                f"{rule.rows:,} of {account.events:,} rows have an id that was altered on its way"
                " into the file",
                source,
                expected=f"{source.mapping.described(column)}: ids as they were given",
                observed=rule.described(),
                next_step=_id_advice(rule.rule.removeprefix(f"{column}_"), column),
            )


def _require_no_card_numbers(source: Source, account: ImportAccount) -> None:
    for name, (look_alikes, values) in account.card_numbers.items():
        if values and look_alikes > CARD_NUMBER_SHARE * values:
            raise _refused(
                f"{look_alikes:,} of {values:,} values of {source.mapping.described(name)} look"
                " like card numbers",
                source,
                expected=(
                    "no card numbers in clear text: they would reach lake, online store and alert"
                    " lists"
                ),
                observed=(
                    f"{source.mapping.described(name)}, for {name}: 13 to 19 digits whose check"
                    " digit is right (by chance, one in ten is)"
                ),
                next_step=(
                    f'hash them: keyed = ["{name}"] in the mapping; or, if they are something else,'
                    f' say what: events.{name}.not_card_numbers, for instance "device numbers"'
                ),
            )


def _require_known_labels(source: Source, account: ImportAccount) -> None:
    labels = source.mapping.labels
    unknown, rows = account.labels.of("unknown"), account.labels.rows
    if unknown <= labels.unknown_share * rows:
        return
    values = "; ".join(
        f"{row['value']}: {row['rows']:,} ({row['meaning']})" for row in account.labels.table()[:12]
    )
    raise _refused(
        f"{unknown:,} of {rows:,} rows have a label that is neither positive nor negative",
        source,
        expected=(
            f"{labels.column} to be one of {_listed(labels.positive_values)} (positive) or"
            f" {_listed(labels.negative_values)} (negative), in all rows but"
            f" {100 * labels.unknown_share:g} % (labels.unknown_share)"
        ),
        observed=values,
        next_step=(
            "list the others in labels.positive or labels.negative, or say negative = 'everything"
            " else'; rows that are no event can be left out: [[drop]] column = …, values = […];"
            " nothing was written"
        ),
    )


def _warn(source: Source, use_case: UseCase, account: ImportAccount) -> None:
    budget = use_case.ingest.bad_row_budget
    account.over_budget = account.quarantinable > budget * account.events
    if account.over_budget:
        account.warnings.append(
            f"{account.quarantinable:,} of {account.events:,} rows"
            f" ({account.quarantinable / account.events:.1%}) have a value that cannot be read;"
            f" ingest refuses a day with more than {budget:.1%} of them: see above"
        )
    if account.events >= 10 and account.midnight > account.events / 2:
        account.warnings.append(
            f"{account.midnight:,} of {account.events:,} times are 00:00:00 UTC: is the hour in"
            " another column? "
            f'(events.{use_case.events.time} = {{ columns = ["date", "time"] }})'
        )
    if not account.labels.of("positive") and account.events:
        account.warnings.append(
            f"no row has a positive label ({source.mapping.labels.column}): a model cannot learn"
            " from these days"
        )
    if unknown := account.labels.of("unknown"):
        account.warnings.append(
            f"{unknown:,} events have an unknown label: they land without a report, and count as"
            f" negative once the label delay of {use_case.label.delay_days} days is over"
        )


def _plain_ids(source: Source) -> list[str]:
    """The columns of ids that are not hashed, and not declared to be something else than card
    numbers.
    """
    return [
        name
        for name, column in source.mapping.events.items()
        if isinstance(column, IdColumn)
        and name not in source.mapping.keyed
        and not column.not_card_numbers
    ]


def _long_ids(values: Any) -> Any:
    """Different ids of a day as text; all of them where one has 13 digits, else none."""
    different = pc.unique(values).drop_null()
    if pa.types.is_integer(different.type):
        long = pc.greater_equal(different, _SMALLEST_CARD)
    else:
        long = pc.match_substring_regex(different, r"[0-9][0-9 -]{11,}[0-9]")
    return (
        different.cast(pa.string())
        if pc.any(long, min_count=0).as_py()
        else pa.array([], pa.string())
    )


def _card_numbers(chunks: list[Any]) -> tuple[int, int]:
    values = pc.unique(pa.chunked_array(chunks, pa.string()).combine_chunks())
    if len(values) <= _SAMPLE:
        return card_number_share(values)
    step = len(values) // _SAMPLE
    look_alikes, looked_at = card_number_share(values.take(pa.array(range(0, len(values), step))))
    return round(look_alikes * len(values) / looked_at), len(values)


def _time_advice(rule: BrokenRule, source: Source) -> str:
    time, column = source.feed.time, source.mapping.described(source.feed.time)
    ways = {
        "malformed_row": "check source.delimiter, source.quote and source.encoding in the mapping",
        f"{time}_without_hour": (
            f'join the column with the time of day: events.{time} = {{ columns = ["{column}", "…"] '
            f'}}; or say that midnight is meant: {{ column = "{column}", date_only = "midnight" }}'
        ),
        f"{time}_ambiguous": (
            f'say which one is meant: events.{time} = {{ column = "{column}", ambiguous = "earlier"'
            ' }, or "later"'
        ),
        f"{time}_impossible": (
            "correct source.time_zone in the mapping: these local times do not exist in it"
        ),
        f"{time}_out_of_range": (
            f'say what the numbers count: events.{time} = {{ column = "{column}", unit = "ms" }}'
        ),
        f"{time}_missing": (
            "take the column that holds the time of each event, or leave these rows out: [[drop]]"
        ),
    }
    default = (
        f'say how times are written: events.{time} = {{ column = "{column}", format = "%d.%m.%Y'
        ' %H:%M" }, or what they count: unit = "s"; and source.time_zone where they are not UTC'
    )
    return ways.get(rule.rule, default)


def _id_advice(rule: str, column: str) -> str:
    ways = {
        "scientific": (
            "export the ids as text: a spreadsheet has shortened them, and their last digits are"
            " lost"
        ),
        "rounded": (
            "export the ids as text or whole numbers: as floating-point numbers those beyond 2^53"
            " are rounded"
        ),
        "leading_zeros": (
            f'say what it is: events.{column} = {{ column = "…", kind = "whole", leading_zeros ='
            f' "drop" }} or kind = "text" with keyed = ["{column}"]'
        ),
        "with_point": (
            f'say that ids are whole numbers: events.{column} = {{ column = "…", kind = "whole" }}'
        ),
        "none": (
            f'say that this text means no id: events.{column} = {{ column = "…", empty ='
            ' ["None"] }'
        ),
        "encoding": "give the file's encoding: source.encoding, for instance cp1252",
    }
    return f"{ways[rule]}; nothing was written"


def _refused(
    what: str, source: Source, *, expected: str, observed: str, next_step: str
) -> ConfigurationError:
    return ConfigurationError(
        what,
        where=source.name,
        expected=expected,
        found=observed,
        next_step=next_step,
        runbook=RUNBOOK,
    )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(sorted(value or "(empty)" for value in values)) or "everything else"
