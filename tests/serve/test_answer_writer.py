"""Answers on their way to the log, between two threads: none is lost, counted twice, or dropped
without a word.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from features.kernel import Events
from pipelines.prediction_log.files import answers_folder, read_answers
from pipelines.prediction_log.writer import PredictionLog
from pipelines.serve.log.prediction_table import Logged
from pipelines.serve.log.prediction_writer import PredictionWriter
from pipelines.usecases.registry import load
from tests.serve.nights import NOW, START
from tests.serve.processes import until
from tests.serve.small_engine import SmallEngine

FRAUD = load("fraud")


@pytest.fixture
def eager() -> Iterator[None]:
    """Threads take turns a thousand times as often as usual."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(5e-6)
    yield
    sys.setswitchinterval(usual)


def logged(engine: SmallEngine, first: int) -> Logged:
    """A batch of three answers."""
    some = Events(
        id=np.arange(first, first + 3),
        time=np.full(3, START) + np.arange(first, first + 3),
        cents=np.full(3, 500),
        reported=np.full(3, np.iinfo(np.int64).max),
        keys={"customer": np.arange(3), "terminal": np.arange(3)},
    )
    return Logged(some, engine.score(some, np.zeros(3, dtype=bool)), "small", "", None, NOW)


def writer_on(log: PredictionLog) -> PredictionWriter:
    return PredictionWriter(log, FRAUD.stored_features.schema, FRAUD.review.unit)


def rows_in(home: Path) -> list[int]:
    tables = read_answers(answers_folder(home, "fraud"), [NOW])
    return sorted(chain.from_iterable(table["transaction_id"].to_pylist() for table in tables))


def test_every_row_is_written_and_none_waits_in_the_end(tmp_path: Path, eager: None) -> None:
    writer, engine = (
        writer_on(PredictionLog(answers_folder(tmp_path, "fraud"), "one")),
        SmallEngine(FRAUD),
    )
    batches = [logged(engine, 3 * number) for number in range(4000)]
    for batch in batches:
        writer.put(batch)
        time.sleep(0.0002)
    writer.close()
    assert (writer.waiting, writer.unlogged) == (0, 0)
    assert rows_in(tmp_path) == list(range(3 * len(batches)))


def test_a_log_that_fails_in_a_way_of_its_own_is_told_and_the_next_rows_are_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class FailsOnce(PredictionLog):
        failed = False

        def append(self, batch: pa.RecordBatch, at: datetime) -> None:
            if not self.failed:
                self.failed = True
                raise ValueError("unheard of")
            super().append(batch, at)

    writer, engine = (
        writer_on(FailsOnce(answers_folder(tmp_path, "fraud"), "one")),
        SmallEngine(FRAUD),
    )
    writer.put(logged(engine, 0))
    until(lambda: bool(writer.problem))
    assert (writer.problem, writer.unlogged) == ("ValueError: unheard of", 3)
    writer.put(logged(engine, 3))
    until(lambda: not writer.problem)
    writer.close()
    assert (writer.waiting, writer.unlogged, rows_in(tmp_path)) == (0, 3, [3, 4, 5])
    assert [
        record.getMessage() for record in caplog.records if record.name.startswith("pipelines")
    ] == ["answers are not logged: ValueError: unheard of"]
