"""The rows of an import that belong to no day: a CSV file in the home, with where each is found and
what is wrong.
"""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

from pipelines.base.atomic_files import write_whole
from pipelines.base.days import DayRange
from pipelines.importing.conversion.source import Source

_HEADER = ("file", "row", "rule", "column", "value")


def write_rejected(folder: Path, source: Source, days: DayRange) -> Path | None:
    """Write `<folder>/imports/rejected/<from>_<to>_<source>.csv`; None, and no file, where no row
    was rejected. `folder` is the use case's in the home.

    Values are shown as messages show them: ids by their shape, control characters as escapes. The
    file of an earlier import of the same source and days is replaced.
    """
    name = hashlib.sha256(source.name.encode()).hexdigest()[:8]
    path = folder / "imports" / "rejected" / f"{days.first}_{days.last}_{name}.csv"
    findings = source.rejected
    if not findings.num_rows:
        path.unlink(missing_ok=True)
        return None
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEADER)
    for row in findings.sort_by([("file", "ascending"), ("row", "ascending")]).to_pylist():
        writer.writerow([row["file"], row["row"], row["rule"], row["column"], _inert(row["shown"])])
    return write_whole(
        path, lambda partial: partial.write_text(text.getvalue()), what="the list of rejected rows"
    )


def _inert(text: str) -> str:
    """A value that a spreadsheet does not take for a formula."""
    return f"'{text}" if text[:1] in "=+-@" else text
