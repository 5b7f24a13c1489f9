"""What the lake holds, in a form that tests can compare."""

from __future__ import annotations

import hashlib
from datetime import UTC, date
from typing import Any

from pipelines.run import Run


def table(run: Run, name: str = "transactions") -> list[tuple[Any, ...]]:
    """All rows of a lake table in order, times as UTC text; nothing where the table does not
    exist.
    """
    if not run.lake.exists(name):
        return []
    rows = run.lake.read(name).toArrow()
    columns = [
        [
            value.astimezone(UTC).isoformat() if hasattr(value, "astimezone") else value
            for value in rows[c].to_pylist()
        ]
        for c in rows.column_names
    ]
    return sorted(zip(*columns, strict=True), key=repr)


def content_hash(run: Run, *, days: set[date] | None = None) -> str:
    """One hash over events and labels, the landing days that they came from included."""
    rows = [*table(run, "transactions"), *table(run, "fraud_reports")]
    kept = [row for row in rows if days is None or days & set(row)]
    return hashlib.sha256(repr(kept).encode()).hexdigest()


def versions(run: Run) -> dict[str, int]:
    return run.lake.versions(["transactions", "fraud_reports", "quarantine"])


def quarantine(run: Run) -> list[dict[str, Any]]:
    return [row.asDict() for row in run.lake.read("quarantine").collect()]
