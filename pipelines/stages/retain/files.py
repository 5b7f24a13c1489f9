"""What the home keeps of a subject besides lake and landing zone: alert lists and the golden set."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from pipelines.platform.whole_files import write_whole
from pipelines.release.evidence.golden_store import CASES, LABEL, load_golden, write_golden
from pipelines.run import Run
from pipelines.stages.golden import AUDIT, newest_golden
from pipelines.stages.retain.subject import Subject

_SUFFIX = re.compile(r"-kept-[0-9a-f]{6}$")


def delete_from_alert_lists(home: Path, subject: Subject, *, dry_run: bool) -> dict[str, int]:
    """Rows of the subject by alert list; the lists are written without them, and the other ranks stay as they were."""
    told: dict[str, int] = {}
    for path in sorted((home / "alerts").glob("*.csv")):
        rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"), newline="")))
        header = rows[0] if rows else []
        places = [(name, header.index(name)) for name in (subject.unit, subject.event) if name in header]
        kept = [row for row in rows[1:] if not any(subject.names(name, row[n]) for name, n in places)]
        if len(kept) == len(rows[1:]):
            continue
        told[path.name] = len(rows) - 1 - len(kept)
        if not dry_run:
            _write_list(path, [header, *kept])
    return told


def _write_list(path: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    what = f"the alert list {path.name}"
    write_whole(path, lambda new: new.write_text(text.getvalue(), encoding="utf-8", newline=""), what=what)


def delete_from_golden_sets(run: Run, subject: Subject, *, dry_run: bool) -> dict[str, int]:
    """Cases of the subject by golden set.

    Of the newest set a new version without them is frozen; a set that held some is removed, as none is ever changed.
    """
    newest = newest_golden(run) if (run.settings.home / "golden").is_dir() else None
    told: dict[str, int] = {}
    for folder in _golden_sets(run.settings.home):
        golden = load_golden(run.settings.home, folder.name)
        mine = golden.cases[subject.unit].isin(subject.keys)
        if not mine.any():
            continue
        told[folder.name] = int(mine.sum())
        if dry_run:
            continue
        if newest is not None and newest.version == folder.name:
            _freeze_again(run, folder.name, subject)
        shutil.rmtree(folder)
    return told


def _golden_sets(home: Path) -> Iterator[Path]:
    yield from (path.parent for path in sorted((home / "golden").glob(f"*/{CASES}")) if path.parent.name[0] != ".")


def _freeze_again(run: Run, version: str, subject: Subject) -> None:
    """A version without the subject's cases, which the ledger names as the one that counts from now on."""
    golden = load_golden(run.settings.home, version)
    cases = golden.cases[~golden.cases[subject.unit].isin(subject.keys)].reset_index(drop=True)
    counts = {"cases": len(cases), "positives": int(cases[LABEL].sum())}
    name = f"{_SUFFIX.sub('', version)[:50]}-kept-{uuid4().hex[:6]}"
    again = write_golden(run.settings.home, name, cases, {**golden.manifest, **counts, "without_units_of": version})
    detail = {"digest": again.digest, "days": golden.manifest["days"], **counts, "replaces": version}
    run.ledger.audit(AUDIT, name, actor=run.actor, at=run.clock(), detail=detail)
