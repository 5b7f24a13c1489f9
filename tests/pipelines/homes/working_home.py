"""A home at work, without Spark: each step is a piece of a night and of a minute of the scorer."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from pipelines.accounts.features import FeaturesAccount
from pipelines.base.settings import Settings
from pipelines.journal.choice import journal_folder
from pipelines.journal.files import FileJournal
from pipelines.journal.journal import EVENT, ID, KIND
from pipelines.prediction_log.files import answers_folder, read_answers, settle
from pipelines.prediction_log.writer import PredictionLog
from pipelines.run import Run
from pipelines.stores.checks import note_ledger
from pipelines.usecases.registry import load
from tests.pipelines.homes.example_home import AT

DAY = date(2026, 11, 2)
TABLE = "features"
WIDTH = 7
RECORDS = 50
SEGMENT = 8 * WIDTH * RECORDS * 4


@dataclass
class WorkingHome:
    """Writers of one home; `step` lets each of them go on by one piece, in the order in which they
    really do.
    """

    settings: Settings
    steps: int = 0
    deletes: bool = False
    """Whether old versions of the table go, files and all, as a deletion by key lets them go."""

    journal: FileJournal = field(init=False)
    log: PredictionLog = field(init=False)

    def __post_init__(self) -> None:
        self.run = Run(self.settings, load("fraud"), run_id="night", actor="test", clock=lambda: AT)
        folder = journal_folder(self.settings.home, "fraud")
        self.journal = FileJournal(folder, WIDTH, segment_bytes=SEGMENT)
        self.answers = answers_folder(self.settings.home, "fraud")
        self.log = PredictionLog(self.answers, "worker-0")

    def step(self) -> None:
        """The table gets a version, the ledger its account, the journal and the log what was
        answered.
        """
        self.steps += 1
        number = self.steps
        path = str(Path(self.settings.lake, "fraud", TABLE))
        rows = pa.table(
            {
                "id": pa.array(range(number), pa.int64()),
                "day": pa.array([DAY] * number, pa.date32()),
            }
        )
        write_deltalake(path, rows, mode="overwrite", partition_by=["day"])
        table = DeltaTable(path)
        if number % 5 == 0:
            table.create_checkpoint()
        if self.deletes:
            table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        account = FeaturesAccount(version=table.version(), rows=number)
        self.run.ledger.record_stage(DAY, account, "done", run_id=f"night-{number}", at=AT)
        note_ledger(self.run)
        records = np.zeros((RECORDS, WIDTH), dtype=np.int64)
        records[:, KIND] = EVENT
        records[:, ID] = np.arange((number - 1) * RECORDS, number * RECORDS)
        self.journal.append(records)
        self.log.append(pa.record_batch({"id": pa.array([number], pa.int64())}), AT)
        if number % 3 == 0:
            self.log.close()
        if number % 6 == 0:
            settle(self.answers)

    def close(self) -> None:
        """Let go of the files."""
        self.log.close()
        self.journal.close()
        self.run.ledger._engine.dispose()


def require_consistent(settings: Settings) -> int:
    """What the ledger of a restored home knows is there, whole; returns how many steps it knows."""
    from pipelines.stores.checks import look_at_stores

    run = Run(settings, load("fraud"), run_id="looks", actor="test", clock=lambda: AT)
    look = look_at_stores(run)
    assert look.silent == ()
    assert look.lost == ()
    accounts = [record.account for record in run.ledger.stage_records(FeaturesAccount)]
    run.ledger._engine.dispose()
    newest = accounts[-1] if accounts else FeaturesAccount(version=-1, rows=0)

    table = DeltaTable(str(Path(settings.lake, "fraud", TABLE)))
    assert table.version() >= newest.version
    rows = table.to_pyarrow_table()
    assert sorted(rows["id"].to_pylist()) == list(range(rows.num_rows))
    assert rows.num_rows >= newest.rows

    journal = FileJournal(journal_folder(settings.home, "fraud"), WIDTH, segment_bytes=SEGMENT)
    try:
        records = journal.news()
        assert (journal.losses, journal.why) == (0, "")
        assert records[:, ID].tolist() == list(range(len(records)))
        assert len(records) >= newest.rows * RECORDS
    finally:
        journal.close()

    answers = answers_folder(settings.home, "fraud")
    for _ in range(2):
        tables = read_answers(answers, [AT])
        ids = sorted(chain.from_iterable(table["id"].to_pylist() for table in tables))
        assert ids == list(range(1, len(ids) + 1))
        assert len(ids) >= newest.rows
        PredictionLog(answers, "worker-0").close()
        settle(answers)
    return int(newest.rows)
