"""An answer that was logged is found exactly once, wherever its file is on the way from stream to
Parquet.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.prediction_log import writer as answer_log
from pipelines.prediction_log.files import WRITER, read_answers, settle, waiting
from pipelines.prediction_log.writer import PredictionLog

AT = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def rows(*ids: int) -> pa.RecordBatch:
    return pa.record_batch({"id": pa.array(ids, pa.int64())})


def found(folder: Path, *hours: datetime) -> list[int]:
    tables = read_answers(folder, hours or [AT])
    return sorted(chain.from_iterable(table["id"].to_pylist() for table in tables))


def parquet(folder: Path) -> list[str]:
    return sorted(
        str(path.parent.relative_to(folder)) for path in folder.glob("day=*/hour=*/*.parquet")
    )


def test_rows_are_found_once_while_written_when_complete_and_as_parquet(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "worker-0")
    log.append(rows(1, 2), AT)
    log.append(rows(3), AT)
    assert found(tmp_path) == [1, 2, 3]
    assert not waiting(tmp_path)
    log.close()
    assert waiting(tmp_path)
    assert found(tmp_path) == [1, 2, 3]
    assert settle(tmp_path) == 1
    assert found(tmp_path) == [1, 2, 3]
    assert parquet(tmp_path) == ["day=2026-11-22/hour=10"]
    assert not waiting(tmp_path)
    assert settle(tmp_path) == 0


def test_each_hour_has_its_own_files(tmp_path: Path) -> None:
    log = PredictionLog(tmp_path, "worker-0")
    later = AT + timedelta(hours=1)
    log.append(rows(1), AT)
    log.append(rows(2), later)
    log.close()
    settle(tmp_path)
    assert (found(tmp_path, AT), found(tmp_path, later), found(tmp_path, AT, later)) == (
        [1],
        [2],
        [1, 2],
    )


def test_a_large_stream_is_completed_while_its_writer_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_log, "ROWS_PER_FILE", 4)
    log = PredictionLog(tmp_path, "worker-0")
    for first in range(0, 10, 2):
        log.append(rows(first, first + 1), AT)
    assert settle(tmp_path) == 2
    assert found(tmp_path) == list(range(10))


def test_what_a_killed_writer_left_is_completed_by_the_next_of_its_name(tmp_path: Path) -> None:
    """Cut off in the middle of a write: all whole batches stay.

    A writer of another name leaves it alone.
    """
    killed = PredictionLog(tmp_path, "worker-1")
    killed.append(rows(1, 2), AT)
    killed.append(rows(3), AT)
    [stream] = (tmp_path / "open").glob("*.arrows")
    stream.write_bytes(stream.read_bytes()[:-5])
    PredictionLog(tmp_path, "worker-11").append(rows(9), AT)
    assert len(list((tmp_path / "open").glob("*.arrows"))) == 2
    PredictionLog(tmp_path, "worker-1").append(rows(4), AT)
    assert settle(tmp_path) == 1
    assert found(tmp_path) == [1, 2, 4, 9]


def test_what_cannot_be_read_is_put_aside_and_told_and_an_empty_stream_goes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    PredictionLog(tmp_path, "worker-0").close()
    closed = tmp_path / "closed"
    (closed / "worker-0-damaged.arrows").write_bytes(b"no stream of Arrow" * 20)
    (closed / "worker-0-empty.arrows").write_bytes(b"")
    settle(tmp_path)
    assert sorted(path.name for path in closed.iterdir()) == [
        "lock",
        "worker-0-damaged.arrows.damaged",
    ]
    assert "put aside" in caplog.text
    assert not waiting(tmp_path)
    assert found(tmp_path) == []


def test_a_stream_of_the_version_before_is_completed(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    batch = rows(1)
    schema = batch.schema.with_metadata({"hour": "day=2026-11-22/hour=10"})
    with pa.ipc.new_stream(str(tmp_path / "open" / "worker-0.arrows"), schema) as stream:
        stream.write_batch(batch.replace_schema_metadata(schema.metadata))
    PredictionLog(tmp_path, "worker-0").close()
    assert settle(tmp_path) == 1
    assert found(tmp_path) == [1]


def test_a_reader_beside_the_settler_sees_every_row_once(tmp_path: Path) -> None:
    for number in range(40):
        log = PredictionLog(tmp_path, f"worker-{number % 4}")
        log.append(rows(number), AT)
        log.close()
    settling = [threading.Thread(target=settle, args=(tmp_path,)) for _ in range(2)]
    for each in settling:
        each.start()
    seen = [found(tmp_path)]
    while any(each.is_alive() for each in settling):
        seen.append(found(tmp_path))
    assert all(ids == list(range(40)) for ids in seen)
    assert len(parquet(tmp_path)) == 40


def test_the_writer_of_each_row_is_told(tmp_path: Path) -> None:
    for name in ("worker-0", "worker-1"):
        log = PredictionLog(tmp_path, name)
        log.append(rows(int(name[-1])), AT)
        log.close()
    writers = {
        t["id"][0].as_py(): t[WRITER][0].as_py() for t in read_answers(tmp_path, [AT], writers=True)
    }
    assert writers == {0: "worker-0", 1: "worker-1"}
