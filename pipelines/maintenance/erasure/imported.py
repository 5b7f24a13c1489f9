"""What imports keep beside the landing zone: for each day which source brought which event, by the
event's key.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from pipelines.base.errors import StoreError
from pipelines.importing.landed.claims import Claims
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.erasure.unread import Rows, Unread, below_home
from pipelines.run import Run

_WORD = re.compile(r"[\w-]+")


def delete_from_imports(run: Run, subject: Subject, *, dry_run: bool) -> Rows:
    """Claims of the subject's events, by file; of a row whose key could not be read, those that
    name the subject.
    """
    import pyarrow as pa

    home, rows = run.settings.home, Rows()
    claims = Claims.of(run.folder, run.use_case.events.name)
    wanted = frozenset().union(*subject.texts().values())
    events = subject.texts()[subject.event]
    for day in claims.days():
        name = below_home(home, _file(run, day))
        try:
            table = claims.read(day)
        except StoreError as error:
            rows.unread.append(Unread(name, error.found))
            continue
        keys = table["key"].to_pylist()
        of_subject = [
            key in events or (not _is_key(key) and bool(wanted & set(_WORD.findall(key))))
            for key in keys
        ]
        if not any(of_subject):
            continue
        rows.by_file[name] = sum(of_subject)
        if not dry_run:
            claims.write(day, table.filter(pa.array([not claimed for claimed in of_subject])))
    return rows


def delete_old_claims(run: Run, first: date, *, dry_run: bool) -> int:
    """The files of claims of days before `first`, whose landed rows go too; how many."""
    old = [day for day in Claims.of(run.folder, run.use_case.events.name).days() if day < first]
    for day in () if dry_run else old:
        _file(run, day).unlink(missing_ok=True)
    return len(old)


def _file(run: Run, day: date) -> Path:
    return run.folder / "imports" / run.use_case.events.name / f"{day}.parquet"


def _is_key(text: str) -> bool:
    """Whether this is one word: a key, and not all the texts of a row."""
    return _WORD.fullmatch(text) is not None
