"""What the online scorer keeps of a subject: rows of its log of answers, records of its journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from features.state import entities_with_state
from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import TransientError
from pipelines.journal.choice import journal_folder, open_journal
from pipelines.journal.journal import ERASED, EVENT, ID, KEYS, KIND
from pipelines.maintenance.erasure.subject import Subject
from pipelines.maintenance.erasure.unread import Rows, Unread, below_home
from pipelines.prediction_log.files import CLOSED, DAMAGED, OPEN, answers_folder, settle
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa


def delete_from_answers(run: Run, subject: Subject, *, dry_run: bool) -> Rows:
    """Rows of the subject in the log of answers, whose files are written without them; a file that
    is damaged is named.

    Raises `TransientError` where a scorer is writing one of them just now.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    home = run.settings.home
    folder = answers_folder(home, run.use_case.name)
    if not dry_run:
        _require_closed(folder)
    settle(folder)
    damaged = sorted((folder / CLOSED).glob(f"*{DAMAGED}"))
    rows = Rows(
        unread=[Unread(below_home(home, path), "damaged, and was put aside") for path in damaged]
    )
    for path in sorted(folder.glob("day=*/hour=*/*.parquet")):
        name = below_home(home, path)
        try:
            table = pq.ParquetFile(path).read()
            kept = table.filter(_not_of(subject, table))
        except (pa.ArrowException, OSError, ValueError) as error:
            rows.unread.append(Unread(name, f"damaged ({type(error).__name__})"))
            continue
        if subject.unit not in table.column_names:
            rows.unread.append(Unread(name, f"no column {subject.unit}"))
        if kept.num_rows == table.num_rows:
            continue
        rows.by_file[name] = table.num_rows - kept.num_rows
        if not dry_run:
            write_whole(path, partial(pq.write_table, kept), what="a file of the log of answers")
    return rows


def delete_from_journal(run: Run, subject: Subject, *, dry_run: bool) -> int:
    """Records of the subject in the scorer's journal, which become nothing."""
    stored = run.use_case.stored_features
    entities = entities_with_state(stored)
    if (
        run.settings.serve_journal is None
        and not journal_folder(run.settings.home, run.use_case.name).exists()
    ):
        return 0
    columns = [
        KEYS + n
        for n, name in enumerate(entities)
        if stored.schema.entity(name).key == subject.unit
    ]
    events, keys = (_numbers(values) for values in (subject.events, subject.keys))
    journal = open_journal(run.settings, run.use_case.name, entities)
    try:
        records = journal.news()
        live = records[records[:, KIND] == EVENT]
        subject_ids = [live[np.isin(live[:, column], keys), ID] for column in columns]
        ids = np.unique(np.concatenate([events, *subject_ids]))

        def chosen(records: NDArray[np.int64]) -> NDArray[np.bool_]:
            return np.asarray(np.isin(records[:, ID], ids) & (records[:, KIND] != ERASED))

        return int(chosen(records).sum()) if dry_run else journal.erase(chosen)
    finally:
        journal.close()


def answered_days(run: Run) -> Iterator[tuple[date, Path]]:
    """The days on which answers were given, and their folders; a folder that is named otherwise is
    passed over.
    """
    folder = answers_folder(run.settings.home, run.use_case.name)
    settle(folder)
    for path in sorted(folder.glob("day=*")):
        with suppress(ValueError):
            yield date.fromisoformat(path.name.removeprefix("day=")), path


def _not_of(subject: Subject, table: pa.Table) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    of_subject = pa.array(np.zeros(table.num_rows, dtype=np.bool_))
    for column, values in ((subject.unit, subject.keys), (subject.event, subject.events)):
        if column in table.column_names and values:
            wanted = pa.array(list(values), table.schema.field(column).type)
            of_subject = pc.or_(
                of_subject, pc.is_in(table[column].combine_chunks(), value_set=wanted)
            )
    return pc.invert(of_subject)


def _numbers(values: Any) -> NDArray[np.int64]:
    return np.array([value for value in values if isinstance(value, int)], dtype=np.int64)


def _require_closed(folder: Path) -> None:
    writing = sorted(path.name for path in (folder / OPEN).glob("*"))
    if writing:
        raise TransientError(
            "the online scorer is writing its log of answers",
            where=str(folder / OPEN),
            expected="no file there",
            found=", ".join(writing),
            next_step=(
                "end the scorer (SIGTERM closes its log), run this again, and start it; nothing was"
                " deleted yet"
            ),
            runbook="docs/runbooks/retention.md",
        )
