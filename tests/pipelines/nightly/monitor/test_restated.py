"""Labels that are corrected later: figures are told again, decisions and what was found at the time
stay.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange
from pipelines.nightly.monitor.day_page import page_path
from pipelines.nightly.monitor.performance.performance import performance
from pipelines.nightly.monitor.stage import monitor
from pipelines.nightly.score.stage import score
from pipelines.run import Run
from tests.pipelines.watched_lake import AT, FIRST, make_world, release_model, store

pytestmark = pytest.mark.slow

DAYS = 10
LAST = FIRST + timedelta(days=DAYS - 1)
BEFORE = LAST - timedelta(days=1)
SUBJECT = BEFORE - timedelta(days=7)
TOLD = ("diagnosis", "retrain", "answers", "drift", "rows", "estimate")


def _correct_labels(run: Run) -> None:
    """Half of the reports of the matured day are taken back, by files of a landing day that was
    ingested before.
    """
    reports = run.lake.read("fraud_reports", days=DayRange.single(BEFORE))
    kept = reports.where("transaction_id % 2 = 0").localCheckpoint()
    run.lake.replace_days(
        kept, "fraud_reports", DayRange.single(BEFORE), provenance=run.provenance("ingest")
    )
    ingested = run.ledger.latest(IngestAccount, first=BEFORE, last=BEFORE)[BEFORE].account
    corrected = ingested.replaced(changed={"fraud_reports": (BEFORE,), "transactions": ()})
    run.ledger.record_stage(BEFORE, corrected, "done", run_id="again", at=AT)


def _card(page: str, title: str) -> str:
    """A card of a page, from its heading on."""
    return page.partition(f"<h2>{title}</h2>")[2].partition("</section>")[0]


def test_a_correction_of_labels_is_told_and_nothing_else_is_changed(
    make_run: Callable[..., Run],
) -> None:
    run = make_run()
    world = make_world(DAYS)
    store(run, world)
    release_model(run, world)
    score(run, DayRange(SUBJECT, LAST))
    first = monitor(run, DayRange.single(BEFORE), evidently=False).accounts[BEFORE]
    decided = run.lake.versions(["predictions", "alerts"])
    _correct_labels(run)
    page = page_path(run.folder, BEFORE)
    told_first = page.read_text()
    monitor(run, DayRange.single(LAST), evidently=False)
    again = run.ledger.latest(MonitorAccount, first=BEFORE, last=BEFORE)[BEFORE].account
    fresh = performance(run, DayRange.single(SUBJECT))[SUBJECT]
    assert again.restated == (BEFORE,)
    assert 0 < fresh.positives < first.performance.positives
    assert again.performance == fresh.account()
    assert again.slices != first.slices
    assert {name: getattr(again, name) for name in TOLD} == {
        name: getattr(first, name) for name in TOLD
    }
    stored = (
        run.lake.read("metrics", days=DayRange.single(BEFORE))
        .where("metric = 'positives'")
        .collect()
    )
    assert [row.value for row in stored] == [fresh.positives]
    assert run.lake.versions(["predictions", "alerts"]) == decided
    told_again = page.read_text()
    assert f"events {first.performance.positives} turned out positive" in told_first
    assert f"events {fresh.positives} turned out positive" in told_again
    assert f"<b>Told again:</b> the labels that came in on {BEFORE}" in told_again
    for card in ("What moved", "Scores", "Gates", "Every feature"):
        assert _card(told_again, card) == _card(told_first, card) != "", card

    records = len(run.ledger.stage_records("monitor", first=BEFORE, last=BEFORE))
    monitor(run, DayRange.single(LAST), evidently=False)
    assert len(run.ledger.stage_records("monitor", first=BEFORE, last=BEFORE)) == records, (
        "once for each correction"
    )
