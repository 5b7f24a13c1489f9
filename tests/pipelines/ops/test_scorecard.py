"""The scorecard's figures against what was written, counted by hand; what is not recorded is said
to be missing.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.base.settings import Settings
from pipelines.ops.facts import Facts
from pipelines.ops.measure import Measure
from pipelines.ops.scorecard import scorecard
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import account_of, cost_account, ingest_account
from tests.pipelines.ops.ledger_year import (
    AT,
    LAST,
    undo,
    write_days,
    write_incidents,
    write_releases,
)

DAYS = 40


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="r", actor="test", clock=lambda: AT)


def measures(run: Run) -> dict[str, Measure]:
    return {measure.name: measure for measure in scorecard(Facts(run))}


def test_nothing_is_made_up_for_an_empty_ledger(run: Run) -> None:
    by_name = measures(run)
    valued = {name for name, measure in by_name.items() if measure.value is not None}
    assert valued == {"New champions in 90 days"}
    assert all(measure.basis for measure in by_name.values())
    assert all(measure.met is None for name, measure in by_name.items() if name not in valued)


def test_nights(run: Run) -> None:
    write_days(run, DAYS)
    by_name = measures(run)
    well, timely = by_name["Nights that ended well"], by_name["Nights done by 06:00 UTC"]
    assert well.value == (DAYS - 1) / DAYS, "one night was left out"
    assert f"{DAYS - 2} of them at the first try" in well.basis, "another one was refused first"
    assert timely.value == (DAYS - 3) / DAYS, "left out, mended in the morning, late"
    assert (well.met, timely.met) == (False, False)


def test_days_loaded_by_hand_are_no_nights(run: Run) -> None:
    for stage in ("ingest", "features", "score", "monitor"):
        run.ledger.record_stage(LAST, account_of(stage, {}), "done", run_id="manual-1", at=AT)
    by_name = measures(run)["Nights that ended well"]
    assert by_name.value is None
    assert "no night was run by the schedule" in by_name.basis


def test_quality_counts_every_check_of_every_attempt(run: Run) -> None:
    write_days(run, DAYS)
    checks = (DAYS - 1) * (3 * 10 + 67 + 9) + 3 * 10 + 67
    assert measures(run)["Checks that held"].value == pytest.approx((checks - 2) / checks)


def test_incidents(run: Run) -> None:
    write_days(run, DAYS)
    write_incidents(run)
    by_name = measures(run)
    assert by_name["Time to detect"].value == 3.0
    assert by_name["Time to mitigate"].value == 5.0
    assert by_name["Alerts that led to action"].value == pytest.approx(2 / 3), (
        "a drift and a mended gate; not the alias"
    )


def test_releases(run: Run) -> None:
    first, _ = write_releases(run)
    by_name = measures(run)
    assert by_name["New champions in 90 days"].value == 2
    assert by_name["From training to champion"].value == 2.0
    assert by_name["Change-failure rate"].value == 0.0
    undo(run, to=first, at=AT - timedelta(hours=1))
    assert measures(run)["Change-failure rate"].value == 0.5


def test_coverage(run: Run) -> None:
    write_days(run, 3)
    write_releases(run)
    by_name = measures(run)
    assert by_name["Tables behind a gate"].value == 1.0
    assert by_name["Features watched for drift"].value == 1.0
    assert by_name["Releases that can be made again"].value == 0.5, (
        "one was trained by code that was not committed"
    )


def test_cost_is_the_median_of_what_runs_recorded(run: Run) -> None:
    for stage, rows, cpu in (("train", 0, 40.0), ("train", 0, 60.0), ("score", 10_000, 2.0)):
        payload = {"stage": stage, "rows": rows, "cpu_seconds": cpu, "wall_seconds": 2 * cpu}
        run.ledger.record_stage(LAST, cost_account(**payload), "done", run_id="r", at=AT)
    run.ledger.record_stage(LAST, ingest_account(), "done", run_id="r", at=AT)
    by_name = measures(run)
    assert by_name["CPU per training"].value == 50.0
    assert by_name["CPU per 1,000 predictions"].value == pytest.approx(0.2)
    assert "wall seconds are 100" in by_name["CPU per training"].basis
