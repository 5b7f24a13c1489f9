"""The day's alert list as a CSV file for analysts: safe to open in a spreadsheet, replaced
whole.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.atomic_files import write_whole

if TYPE_CHECKING:
    import pyarrow as pa

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")


def alert_file(folder: Path, day: date) -> Path:
    """Where the list of a day is."""
    return folder / "alerts" / f"{day}.csv"


def write_alert_file(folder: Path, day: date, alerts: pa.Table) -> Path:
    """Write the day's rows of `alerts` (first rank first) as CSV, UTF-8 with a header, in one move.

    Times are ISO 8601 in UTC. The reasons become columns `reason_1`, `reason_1_value`,
    `reason_1_contribution` and so on. Raises `StoreError` where the disk does not take it; the file
    of an earlier run then stays.
    """
    text = alerts_csv(alerts)
    return write_whole(
        alert_file(folder, day),
        lambda path: path.write_text(text, encoding="utf-8", newline=""),
        what=f"the alert list of {day}",
    )


def alerts_csv(alerts: pa.Table) -> str:
    """The rows as CSV text (RFC 4180: lines end in CR LF)."""
    rows = alerts.to_pylist()
    width = max((len(row["reasons"]) for row in rows), default=0)
    plain = [name for name in alerts.column_names if name != "reasons"]
    header = [*plain, *chain.from_iterable(map(_reason_names, range(1, width + 1)))]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([inert(name) for name in header])
    for row in rows:
        cells = [row[name] for name in plain]
        cells += chain.from_iterable(map(_reason_cells, row["reasons"]))
        writer.writerow([inert(cell) for cell in cells])
    return text.getvalue()


def inert(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe
    in front.
    """
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA_STARTS):
        return f"'{cell}"
    return cell


def _reason_names(number: int) -> tuple[str, str, str]:
    return (f"reason_{number}", f"reason_{number}_value", f"reason_{number}_contribution")


def _reason_cells(reason: Mapping[str, Any]) -> tuple[Any, ...]:
    return (reason["feature"], reason["value"], reason["contribution"])
