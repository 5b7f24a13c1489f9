"""Times of a source as instants in UTC, microseconds; a time that cannot be read, or read in two
ways, is a problem.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.printable import shown
from pipelines.importing.conversion.column_values import (
    ColumnValues,
    Problem,
    mask_of,
    one_array,
    problem,
    without_blanks,
    without_declared_empty,
)
from pipelines.importing.mapping.declared_columns import TimeColumn
from pipelines.importing.mapping.definition import SourceFiles

if TYPE_CHECKING:
    import pandas as pd

INSTANT = pa.timestamp("us", tz="UTC")
_ISO = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s*(Z|z|[+-]\d{2}(:?\d{2})?)?$"
_ZONED = r"(Z|z|[+-]\d{2}(:?\d{2})?)$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"
_HAS_HOUR = ("%H", "%I", "%T", "%R", "%c", "%X", "%s", "%p")
_HAS_ZONE = ("%z", "%Z")
_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86400 * 10**9,
}
_FIRST, _LAST = np.datetime64("1678-01-01", "us"), np.datetime64("2262-01-01", "us")
"""Times that nanoseconds since 1970 can hold, in which pandas reads them; no event of a real source
is outside.
"""


def convert_time(
    raw: list[Any], column: TimeColumn, source: SourceFiles, name: str
) -> ColumnValues:
    """Instants of raw columns: null where there is none, or where it cannot be read (a problem of
    that row).

    Problems: `unreadable`, `without_hour` (a date alone), `ambiguous` and `impossible` (a local
    time that occurs twice or never), `out_of_range` (before 1678 or after 2261), `missing`. Raises
    `ValueError` where a raw column is of a type that holds no times.
    """
    raw = [one_array(values) for values in raw]
    if column.hour is not None:
        return _date_and_hour(raw, column, source, name)
    if len(raw) > 1:
        parts = [without_blanks(_as_text(values)) for values in raw]
        return _of_texts(pc.binary_join_element_wise(*parts, " "), column, source, name)
    values = raw[0]
    unit = column.unit or ("s" if _format(column, source) == "%s" else None)
    if unit is not None:
        return _since_origin(values, unit, column, source, name)
    if pa.types.is_timestamp(values.type):
        return _of_timestamps(values, column, source, name)
    if pa.types.is_date(values.type):
        return _of_dates(values, column, source, name)
    if (
        pa.types.is_string(values.type)
        or pa.types.is_large_string(values.type)
        or pa.types.is_null(values.type)
    ):
        return _of_texts(_as_text(values), column, source, name)
    raise ValueError(
        "a time is a timestamp, a date or text; of numbers, say what they count: unit, and origin"
    )


def _of_texts(texts: Any, column: TimeColumn, source: SourceFiles, name: str) -> ColumnValues:
    import pandas as pd

    texts = without_declared_empty(without_blanks(texts), column.empty)
    missing = ~mask_of(texts.is_valid())
    time_format = _format(column, source)
    if time_format is None:
        dates = mask_of(pc.match_substring_regex(texts, _DATE))
        readable = mask_of(pc.match_substring_regex(texts, _ISO)) | dates
        zoned = mask_of(pc.match_substring_regex(texts, _ZONED)) & ~dates
        pandas_format = "ISO8601"
        clean = pc.replace_substring(
            pc.replace_substring_regex(texts, r"\s+(Z|z|[+-]\d)", r"\1"), ",", "."
        )
    else:
        hours = any(directive in time_format for directive in _HAS_HOUR)
        dates = ~missing & (not hours)
        readable = ~missing
        zoned = np.full(len(texts), any(directive in time_format for directive in _HAS_ZONE))
        # Fractions that a format names with %S alone are not passed over in silence: such a row is
        # unreadable.
        pandas_format, clean = _spelt_out(time_format), texts
    local = pd.Series(np.full(len(texts), np.datetime64("NaT", "ns")))
    frame = pd.Series(clean.to_numpy(zero_copy_only=False), dtype=object)
    instants = pd.Series(np.full(len(texts), np.datetime64("NaT", "ns")))
    if (readable & zoned).any():
        parsed = _parsed(frame[readable & zoned], pandas_format, zoned=True)
        instants[readable & zoned] = parsed.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
    if (readable & ~zoned).any():
        local[readable & ~zoned] = _parsed(
            frame[readable & ~zoned], pandas_format, zoned=False
        ).to_numpy()
    unreadable = ~missing & instants.isna().to_numpy() & local.isna().to_numpy()
    problems = _missing(missing, texts, name) + problem(
        f"{name}_unreadable", unreadable, texts, landed=str, shown=shown
    )
    if column.date_only == "refuse" and dates.any():
        alone = dates & ~unreadable
        problems += problem(f"{name}_without_hour", alone, texts, landed=str, shown=shown)
        local[alone], instants[alone] = np.datetime64("NaT", "ns"), np.datetime64("NaT", "ns")
    return _in_utc(instants, local, texts, problems, column, source, name)


def _of_timestamps(values: Any, column: TimeColumn, source: SourceFiles, name: str) -> ColumnValues:
    import pandas as pd

    texts = values.cast(pa.string())
    missing = ~mask_of(values.is_valid())
    whole = values.cast(pa.timestamp(values.type.unit)) if values.type.tz else values
    unit = whole.type.unit
    numbers = whole.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    low = (
        int(_FIRST.astype(f"datetime64[{unit}]").astype(np.int64)) if unit != "ns" else -(2**63) + 1
    )
    high = int(_LAST.astype(f"datetime64[{unit}]").astype(np.int64)) if unit != "ns" else 2**63 - 1
    outside = ~missing & ((numbers < low) | (numbers > high))
    stamps = np.where(outside, 0, numbers).astype(f"datetime64[{unit}]").astype("datetime64[ns]")
    stamps[missing | outside] = np.datetime64("NaT", "ns")
    problems = _missing(missing, texts, name) + problem(
        f"{name}_out_of_range", outside, texts, landed=str, shown=shown
    )
    nothing = pd.Series(np.full(len(values), np.datetime64("NaT", "ns")))
    given = pd.Series(stamps)
    instants, local = (given, nothing) if values.type.tz else (nothing, given)
    return _in_utc(instants, local, texts, problems, column, source, name)


def _of_dates(values: Any, column: TimeColumn, source: SourceFiles, name: str) -> ColumnValues:
    """Dates without an hour: midnight where the mapping says so, else a problem of every row."""
    stamps = values.cast(pa.timestamp("s"))
    if column.date_only == "midnight":
        return _of_timestamps(stamps, column, source, name)
    texts = values.cast(pa.string())
    missing = ~mask_of(values.is_valid())
    problems = _missing(missing, texts, name) + problem(
        f"{name}_without_hour", ~missing, texts, landed=str, shown=shown
    )
    return ColumnValues(pa.nulls(len(values), INSTANT), problems)


def _date_and_hour(
    raw: list[Any], column: TimeColumn, source: SourceFiles, name: str
) -> ColumnValues:
    """A date and, in another column, the hour of it: 0 to 23."""
    import pandas as pd

    dates, hours = without_blanks(_as_text(raw[0])), without_blanks(_as_text(raw[-1]))
    # A date may come with a midnight of its own (pandas writes one), which the hour replaces.
    dates = pc.replace_substring_regex(dates, r"[T ]00:00(:00(\.0+)?)?$", "")
    hours = pc.replace_substring_regex(hours, r"\.0+$", "")
    texts = pc.binary_join_element_wise(dates, hours, " ")
    missing = ~mask_of(texts.is_valid())
    fits = mask_of(pc.match_substring_regex(hours, r"^([01]?\d|2[0-3])$")) & ~missing
    written = _spelt_out(_format(column, source) or "%Y-%m-%d")
    local = pd.Series(np.full(len(texts), np.datetime64("NaT", "ns")))
    if fits.any():
        days = _parsed(
            pd.Series(dates.to_numpy(zero_copy_only=False), dtype=object)[fits],
            written,
            zoned=False,
        )
        numbers = hours.filter(pa.array(fits)).cast(pa.int64()).to_numpy()
        local[fits] = (days + pd.to_timedelta(numbers, unit="h")).to_numpy()
    unreadable = ~missing & local.isna().to_numpy()
    problems = _missing(missing, texts, name) + problem(
        f"{name}_unreadable", unreadable, texts, landed=str, shown=shown
    )
    nothing = pd.Series(np.full(len(texts), np.datetime64("NaT", "ns")))
    return _in_utc(nothing, local, texts, problems, column, source, name)


def _since_origin(
    values: Any, unit: str, column: TimeColumn, source: SourceFiles, name: str
) -> ColumnValues:
    """Numbers (or text that is one) of a unit since an origin: whole numbers exactly, others to the
    microsecond.
    """
    import pandas as pd

    if (
        pa.types.is_timestamp(values.type)
        or pa.types.is_date(values.type)
        or pa.types.is_boolean(values.type)
    ):
        raise ValueError(f"unit {unit!r} is for numbers since an origin")
    texts = without_declared_empty(without_blanks(_as_text(values)), column.empty)
    if pa.types.is_floating(values.type):
        nan = np.isnan(values.cast(pa.float64()).to_numpy(zero_copy_only=False))
        texts = pc.if_else(pa.array(nan), pa.scalar(None, texts.type), texts)
    missing = ~mask_of(texts.is_valid())
    number = mask_of(pc.match_substring_regex(texts, r"^[+-]?\d{1,18}(\.\d*)?([eE][+-]?\d{1,2})?$"))
    whole = number & mask_of(pc.match_substring_regex(texts, r"^-?\d{1,18}$"))
    per_unit = _NANOSECONDS[unit] / 1000
    kept = pc.if_else(pa.array(number), texts, pa.scalar("0", texts.type)).cast(pa.float64())
    microseconds = kept.to_numpy(zero_copy_only=False) * per_unit
    origin = _origin(column)
    inside = number & (np.abs(microseconds) < 9e18 / 1000)
    exact = np.zeros(len(texts), dtype=np.int64)
    units = pc.if_else(pa.array(whole & inside), texts, pa.scalar("0", texts.type)).cast(pa.int64())
    counted = units.to_numpy(zero_copy_only=False)
    exact[:] = counted * _NANOSECONDS[unit] // 1000 if unit != "ns" else counted // 1000
    offsets = np.where(whole, exact, np.round(np.where(inside, microseconds, 0)).astype(np.int64))
    stamps = np.datetime64(origin.replace(tzinfo=None), "us") + offsets.astype("timedelta64[us]")
    inside &= (stamps >= _FIRST) & (stamps <= _LAST)
    stamps = np.where(inside, stamps, np.datetime64("NaT", "us")).astype("datetime64[ns]")
    problems = _missing(missing, texts, name)
    problems += problem(f"{name}_unreadable", ~missing & ~number, texts, landed=str, shown=shown)
    problems += problem(f"{name}_out_of_range", number & ~inside, texts, landed=str, shown=shown)
    nothing = pd.Series(np.full(len(texts), np.datetime64("NaT", "ns")))
    given = pd.Series(stamps)
    # Without an origin of its own, or with one that has a zone, the numbers count from an instant.
    instants, local = (given, nothing) if origin.tzinfo is not None else (nothing, given)
    return _in_utc(instants, local, texts, problems, column, source, name)


def _in_utc(
    instants: pd.Series[Any],
    local: pd.Series[Any],
    texts: Any,
    problems: tuple[Problem, ...],
    column: TimeColumn,
    source: SourceFiles,
    name: str,
) -> ColumnValues:
    """Instants, and local times taken to UTC by the declared zone; whatever is finer than a
    microsecond is cut off.
    """
    zone = column.zone or source.time_zone
    given = local.notna().to_numpy()
    if given.any():
        times = local[given]
        dst = {"earlier": True, "later": False}.get(column.ambiguous)
        ambiguous: Any = "NaT" if dst is None else np.full(len(times), dst)
        placed = times.dt.tz_localize(ZoneInfo(zone), ambiguous=ambiguous, nonexistent="NaT")
        instants = instants.copy()
        instants[given] = placed.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        lost = given & instants.isna().to_numpy()
        if lost.any():
            twice = times.dt.tz_localize(
                ZoneInfo(zone), ambiguous=np.full(len(times), True), nonexistent="NaT"
            )
            occurs = np.zeros(len(local), dtype=bool)
            occurs[given] = twice.notna().to_numpy()
            problems += problem(f"{name}_ambiguous", lost & occurs, texts, landed=str, shown=shown)
            problems += problem(
                f"{name}_impossible", lost & ~occurs, texts, landed=str, shown=shown
            )
    stamps = instants.to_numpy()
    numbers = stamps.astype(np.int64)
    missing = np.isnat(stamps)
    values = (
        pa.array(np.where(missing, 0, numbers // 1000), mask=missing)
        .cast(pa.timestamp("us"))
        .cast(INSTANT)
    )
    finer = int((~missing & (numbers % 1000 != 0)).sum())
    return ColumnValues(values, problems, {f"{name} cut to microseconds": finer} if finer else {})


def _parsed(texts: pd.Series[Any], time_format: str, *, zoned: bool) -> pd.Series[Any]:
    """Text as times, NaT where it is none: a 30th of February is none."""
    import pandas as pd

    return pd.Series(pd.to_datetime(texts, format=time_format, errors="coerce", utc=zoned))


def _spelt_out(time_format: str) -> str:
    """The format without the short forms that pandas does not read."""
    return time_format.replace("%T", "%H:%M:%S").replace("%R", "%H:%M").replace("%F", "%Y-%m-%d")


def _format(column: TimeColumn, source: SourceFiles) -> str | None:
    return column.format or source.time_format


def _origin(column: TimeColumn) -> datetime:
    """The origin: an instant where it has a zone, else a local time (without one); 1970-01-01 UTC
    by default.
    """
    if column.origin is None:
        return datetime(1970, 1, 1, tzinfo=UTC)
    try:
        return datetime.fromisoformat(column.origin)
    except ValueError as error:
        raise ValueError(
            f"origin {column.origin!r} is not a time such as 2018-04-01T00:00:00"
        ) from error


def _as_text(values: Any) -> Any:
    if pa.types.is_string(values.type):
        return values
    return values.cast(pa.string())


def _missing(mask: Any, texts: Any, name: str) -> tuple[Problem, ...]:
    return problem(f"{name}_missing", mask, texts, landed=lambda _: None, shown=lambda _: "(empty)")
