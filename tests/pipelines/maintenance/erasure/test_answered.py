"""A card that is deleted is gone from the scorer's log and journal; those of others stay, and the
scorer goes on.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from pipelines.base.errors import TransientError
from pipelines.journal.choice import open_journal
from pipelines.journal.journal import ERASED, ID, KIND
from pipelines.maintenance.erasure.predictions import delete_from_answers, delete_from_journal
from pipelines.maintenance.erasure.subject import Subject
from pipelines.prediction_log.files import answers_folder, read_answers
from pipelines.run import Run
from pipelines.serve.engine.engine import LiveEngine
from pipelines.serve.predictions import Flag
from tests.serve.nights import NOW, asked, history, make_home, on_day

EVENTS = history()
TODAY = on_day(EVENTS)
CARD = int(TODAY.keys["customer"][0])
MINE = frozenset(TODAY.id[TODAY.keys["customer"] == CARD].tolist())
SUBJECT = Subject(
    unit="customer_id", keys=(CARD,), event="transaction_id", events=frozenset({next(iter(MINE))})
)
"""Of the card's events of the day only one had reached the lake."""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = make_home(tmp_path / "home", EVENTS)
    engine = LiveEngine(run)
    engine.score(asked(TODAY), np.zeros(len(TODAY), dtype=bool))
    engine.report(np.array([min(MINE)]), TODAY.time[:1] + 5)
    engine.close()
    return run


def rows(run: Run, *, dry_run: bool) -> int:
    return sum(delete_from_answers(run, SUBJECT, dry_run=dry_run).by_file.values())


def in_log(run: Run) -> list[int]:
    tables = read_answers(answers_folder(run.settings.home, "fraud"), [NOW])
    return list(chain.from_iterable(table["transaction_id"].to_pylist() for table in tables))


def in_journal(run: Run) -> list[int]:
    journal = open_journal(run.settings, "fraud", ("customer", "terminal"))
    records = journal.news()
    journal.close()
    return records[records[:, KIND] != ERASED, ID].tolist()


def test_a_card_is_gone_and_the_others_stay(run: Run) -> None:
    others = sorted(set(TODAY.id.tolist()) - MINE)
    assert rows(run, dry_run=True) == len(MINE)
    assert delete_from_journal(run, SUBJECT, dry_run=True) == len(MINE) + 1
    assert sorted(in_log(run)) == sorted(TODAY.id.tolist())
    assert rows(run, dry_run=False) == len(MINE)
    assert delete_from_journal(run, SUBJECT, dry_run=False) == len(MINE) + 1
    assert sorted(in_log(run)) == others
    assert sorted(in_journal(run)) == others
    assert rows(run, dry_run=False) == delete_from_journal(run, SUBJECT, dry_run=False) == 0


def test_a_scorer_that_reads_the_journal_goes_on_and_a_new_one_knows_nothing_of_the_card(
    run: Run,
) -> None:
    running = LiveEngine(run)
    delete_from_journal(run, SUBJECT, dry_run=False)
    again = running.score(asked(TODAY), np.zeros(len(TODAY), dtype=bool))
    assert (again.flags & Flag.REPEATED).all()
    running.close()
    fresh = LiveEngine(run)
    event_ids = set(fresh.state("customer", CARD).event_ids.tolist())
    fresh.close()
    assert not event_ids & MINE


def test_nothing_is_deleted_while_the_log_is_being_written(run: Run) -> None:
    folder = answers_folder(run.settings.home, "fraud") / "open"
    (folder / "worker-0.arrows").write_bytes(b"")
    with pytest.raises(TransientError, match="is writing its log"):
        delete_from_answers(run, SUBJECT, dry_run=False)
    assert sorted(in_log(run)) == sorted(TODAY.id.tolist())


def test_a_file_that_cannot_be_read_is_named_and_stops_nothing(run: Run) -> None:
    folder = answers_folder(run.settings.home, "fraud")
    (folder / "closed" / "worker-0-0.arrows").write_bytes(b"no stream of Arrow" * 20)
    assert rows(run, dry_run=True) == len(MINE)
    hour = next(folder.glob("day=*/hour=*"))
    (hour / "worker-0-1.parquet").write_bytes(b"PAR1 cut off")
    deleted = delete_from_answers(run, SUBJECT, dry_run=False)
    assert sorted(
        (Path(unread_file.path).name, unread_file.why) for unread_file in deleted.unread
    ) == [
        ("worker-0-0.arrows.damaged", "damaged, and was put aside"),
        ("worker-0-1.parquet", "damaged (ArrowInvalid)"),
    ]
    assert sum(deleted.by_file.values()) == len(MINE)
    (hour / "worker-0-1.parquet").unlink()
    assert sorted(in_log(run)) == sorted(set(TODAY.id.tolist()) - MINE)
