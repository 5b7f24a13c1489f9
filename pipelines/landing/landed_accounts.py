"""Does the landing zone still hold what was ingested from it?

A day's files may be gone or changed since.

Nothing that is in the lake depends on it any more, but nothing could be ingested again: a repair of
the lake, a day run again and a restore rest on these files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from pipelines.base.errors import ContractError
from pipelines.landing.manifest import MANIFEST_NAME, Manifest


def landing_differences(
    landing: Path,
    ingested: Mapping[date, Mapping[str, int]],
    *,
    deleted_since: frozenset[date] = frozenset(),
) -> Iterator[tuple[date, str]]:
    """Days whose files are not those that were ingested, each with what is different; a day at most
    once.

    `ingested`: by day and feed the rows that the ledger's account counts. `deleted_since`: days
    from which rows were deleted on purpose since, which may hold fewer. A file that is as old as
    its manifest is taken for the one that the manifest lists; a younger one is read and compared
    with its SHA-256.
    """
    for day, feeds in sorted(ingested.items()):
        for feed, rows in feeds.items():
            problem = _problem(landing / feed / str(day), rows, may_be_fewer=day in deleted_since)
            if problem:
                yield day, f"{feed}: {problem}"
                break


def _problem(folder: Path, rows: int, *, may_be_fewer: bool) -> str:
    path = folder / MANIFEST_NAME
    try:
        manifest = Manifest.parse(path.read_bytes(), where=str(path))
        written = path.stat().st_mtime_ns
    except FileNotFoundError:
        return f"no {MANIFEST_NAME}" if rows else ""
    except (ContractError, OSError):
        return f"{MANIFEST_NAME} cannot be read"
    for listed in manifest.files:
        file = folder / listed.name
        if not file.is_file():
            return f"{listed.name} is gone"
        if file.stat().st_mtime_ns > written and _sha256(file) != listed.sha256:
            return f"{listed.name} is not the file that its manifest lists"
    if manifest.rows != rows and not (may_be_fewer and manifest.rows < rows):
        return f"{manifest.rows:,} rows, {rows:,} were ingested"
    return ""


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
