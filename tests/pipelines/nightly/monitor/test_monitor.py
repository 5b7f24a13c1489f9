"""The monitor on a real lake: figures against oracles, drift injected and not, pages, the retrain
wish.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.accounts.score import ScoreAccount
from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import GateError, TransientError
from pipelines.base.settings import Settings
from pipelines.nightly.monitor.stage import monitor
from pipelines.nightly.result import StageResult
from pipelines.nightly.score.stage import score
from pipelines.releases.bundle import releases_folder
from pipelines.run import Run
from pipelines.usecases.policies.watch import DriftPolicy
from pipelines.usecases.registry import load
from tests.accounts import ingest_account, monitor_account, score_account
from tests.oracles.alert_list import known_on
from tests.oracles.performance import average_precision, list_precision
from tests.pipelines.watched_lake import AT, FIRST, RELEASE, World, make_world, release_model, store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

DAYS = 24
LAST = FIRST + timedelta(days=DAYS - 1)
"""The shifted day; the weeks before it are quiet."""
SCORED = DayRange(LAST - timedelta(days=12), LAST)
POLICY = DriftPolicy(method="wasserstein", threshold=0.2, score_threshold=0.2, minimum=300)


FEW = 8
"""Positives below which a slice is not judged."""


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(DAYS, shift=1.6)


@pytest.fixture(scope="module")
def home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, world: World) -> Path:
    """A home with a champion and scored days; made once, copied for each test."""
    run = watched(
        Run(
            Settings.build(home=tmp_path_factory.mktemp("world"), spark_cores=1),
            load("fraud"),
            clock=lambda: AT,
        )
    )
    store(run, world)
    quiet = World(world.features[world.features["day"] < LAST], world.reports)
    release_model(run, quiet)
    score(run, SCORED)
    return run.settings.home


@pytest.fixture(scope="module")
def fortnight(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, StageResult]:
    """The scored days, watched in one call; tests read it and leave it as it is."""
    folder = tmp_path_factory.mktemp("fortnight") / "home"
    shutil.copytree(home, folder)
    run = watched(
        Run(
            Settings.build(home=folder, spark_cores=1),
            load("fraud"),
            run_id="bulk",
            clock=lambda: AT,
        )
    )
    return run, monitor(run, SCORED)


def watched(run: Run) -> Run:
    review, evidence = (
        replace(run.use_case.review, capacity=20),
        replace(run.use_case.evidence, slice_positives=FEW),
    )
    return replace(
        run, use_case=replace(run.use_case, drift=POLICY, review=review, evidence=evidence)
    )


@pytest.fixture
def run(make_run: Callable[..., Run], home: Path) -> Run:
    run = make_run()
    shutil.copytree(home, run.settings.home)
    return watched(run)


def metric(run: Run, name: str) -> dict[date, float]:
    rows = run.lake.read("metrics").where(f"metric = '{name}' AND segment = 'all'").collect()
    return {row["subject_day"]: row["value"] for row in rows}


def test_a_fortnight_is_watched_in_one_commit_and_only_the_shifted_day_drifts(
    fortnight: tuple[Run, StageResult],
) -> None:
    run, result = fortnight
    assert run.lake.version("metrics") == 0
    detected = {day: account.drift.detected for day, account in result.accounts.items()}
    assert detected == {day: day == LAST for day in SCORED}, "weekends among them"
    assert metric(run, "drift_detected") == {
        day: float(is_detected) for day, is_detected in detected.items()
    }
    account = result.accounts[LAST]
    assert account.retrain.asked is True
    harm = account.diagnosis
    why = harm.summary if harm.cause == "harmful" else account.drift.summary
    assert account.retrain.reason == f"drift on {LAST}: {why}"
    assert account.drift.release == RELEASE
    assert set(account.drift.drifted) >= {"customer_amount_mean_7d", "customer_amount_mean_30d"}
    assert "is_weekend" in account.drift.skipped
    assert not result.accounts[SCORED.first].retrain.asked
    assert account.volume_ratio == 1.0
    assert account.quarantine_rate == pytest.approx(2 / 603)
    assert 0 <= account.quiet_hours < 1
    stored = run.ledger.latest("monitor")
    assert stored[LAST].account == account.replaced(policies=dict(run.use_case.policy_digests))
    for day in SCORED:
        assert (run.folder / "reports" / f"{day}.html").stat().st_size > 10_000
    assert not list((run.folder / "reports").glob("*-drift.html"))


def test_performance_is_the_oracles_for_days_whose_labels_have_matured(
    fortnight: tuple[Run, StageResult], world: World
) -> None:
    run, result = fortnight
    delay = timedelta(days=run.use_case.label.delay_days)
    events = world.features.set_index("transaction_id")["customer_id"]
    reported = dict(world.reports.itertuples(index=False))
    predictions = run.lake.read("predictions").toPandas()
    judged = 0
    for day, account in result.accounts.items():
        subject, performance = day - delay, account.performance
        if subject not in SCORED:
            assert performance is None
            continue
        rows = predictions[predictions["day"] == subject]
        reports = [(events[event], at) for event, at in reported.items()]
        known_units = known_on(subject, reports, run.use_case.review.detected_days)
        until = midnight(subject + delay + timedelta(days=1))
        scored = [
            (
                row.customer_id,
                row.score,
                row.transaction_id in reported and reported[row.transaction_id] <= until,
            )
            for row in rows.itertuples()
        ]
        openly = [(value, positive) for unit, value, positive in scored if unit not in known_units]
        assert performance.subject_day == subject
        assert performance.n == len(openly) < len(scored)
        assert performance.positives == sum(positive for _, positive in openly) > 0
        assert performance.average_precision == pytest.approx(average_precision(openly))
        assert performance.card_precision == pytest.approx(list_precision(scored, known_units, 20))
        judged += 1
    assert judged == len(SCORED) - 7
    assert metric(run, "card_precision") == {
        a.performance.subject_day: a.performance.card_precision
        for a in result.accounts.values()
        if a.performance
    }


def test_slices_are_the_oracles_and_too_few_positives_are_said(
    fortnight: tuple[Run, StageResult], world: World
) -> None:
    run, result = fortnight
    predictions = run.lake.read("predictions").toPandas().set_index("transaction_id")
    reported = dict(world.reports.itertuples(index=False))
    owner = world.features.set_index("transaction_id")["customer_id"]
    reports = [(owner[event], at) for event, at in reported.items()]
    pooled: dict[str, int] = {}
    outcomes = set()
    for account in (a for a in result.accounts.values() if a.slices):
        subject = account.performance.subject_day
        known_units = known_on(subject, reports, run.use_case.review.detected_days)
        until = midnight(subject + timedelta(days=8))
        rows = world.of(subject)
        rows = rows[~rows["customer_id"].isin(known_units)].to_dict("records")
        best: dict[int, float] = {}
        for row in rows:
            row["score"] = float(predictions["score"][row["transaction_id"]])
            row["fraud"] = reported.get(row["transaction_id"], until + timedelta(days=1)) <= until
            best[row["customer_id"]] = max(row["score"], best.get(row["customer_id"], 0.0))
        listed = sorted(best, key=lambda unit: (-best[unit], unit))[:20]
        ranks = {
            key: place for place, key in enumerate(sorted({row["terminal_id"] for row in rows}))
        }
        expected = {
            "amount_above_220": [row for row in rows if row["amount"] >= 220],
            "weekend": [row for row in rows if subject.weekday() >= 5],
            "night": [row for row in rows if row["event_time"].hour <= 6],
            "new_customers": [row for row in rows if row["customer_tx_count_30d"] < 30],
            "terminals_3_of_8": [
                row for row in rows if ranks[row["terminal_id"]] * 8 // len(ranks) == 2
            ],
        }
        stored = {row.slice: row for row in account.slices}
        assert list(stored) == [piece.name for piece in run.use_case.evidence.slices]
        for name, expected_rows in expected.items():
            frauds, row = [row for row in expected_rows if row["fraud"]], stored[name]
            assert (row.events, row.positives) == (len(expected_rows), len(frauds)), name
            assert row.caught == sum(fraud["customer_id"] in listed for fraud in frauds)
            missed = sum(fraud["amount"] for fraud in frauds if fraud["customer_id"] not in listed)
            assert row.missed_money == pytest.approx(missed)
            enough = len(frauds) >= FEW
            outcomes.add(enough)
            precision = (
                average_precision([(row["score"], row["fraud"]) for row in expected_rows])
                if enough
                else None
            )
            assert row.average_precision == (pytest.approx(precision) if enough else None)
            assert row.note == ("" if enough else f"{len(frauds)} positives of at least {FEW}")
            pooled[name] = pooled.get(name, 0) + len(frauds)
            assert row.past_positives == pooled[name]
    assert outcomes == {True, False}
    rows = (
        run.lake.read("metrics")
        .where("metric = 'slice_average_precision'")
        .select("segment", "value")
        .collect()
    )
    slices = chain.from_iterable(account.slices or () for account in result.accounts.values())
    assert sorted(map(tuple, rows)) == sorted(
        (row.slice, row.average_precision) for row in slices if row.average_precision is not None
    )


def test_evidently_gives_the_same_figures_and_its_page(
    run: Run, fortnight: tuple[Run, StageResult]
) -> None:
    bulk = fortnight[1].accounts[LAST]
    alone = monitor(run, DayRange.single(LAST)).accounts[LAST]

    assert alone.drift.columns == pytest.approx(bulk.drift.columns)
    assert alone.drift.score == pytest.approx(bulk.drift.score)
    assert (alone.shown.drift_page, bulk.shown.drift_page) == (True, False)
    assert alone.shown.score_counts == bulk.shown.score_counts
    of_the_past = {
        "drift",
        "diagnosis",
        "explained",
        "estimate",
        "checked",
        "profile",
        "slices",
        "shown",
    }
    assert {key: value for key, value in alone.to_json().items() if key not in of_the_past} == {
        key: value for key, value in bulk.to_json().items() if key not in of_the_past
    }
    page = (run.folder / "reports" / f"{LAST}-drift.html").read_text()
    assert 'src="http' not in page
    assert "customer_amount_mean_7d" in page
    ours = (run.folder / "reports" / f"{LAST}.html").read_text()
    assert f'href="{LAST}-drift.html"' in ours
    assert "Drift beyond policy; a training was asked for." in ours


def test_a_day_watched_again_leaves_the_same_rows_and_the_same_wish(
    make_run: Callable[..., Run], fortnight: tuple[Run, StageResult]
) -> None:
    run = make_run()
    shutil.copytree(fortnight[0].settings.home, run.settings.home)
    run, first = watched(run), fortnight[1]
    rows = sorted(map(str, run.lake.read("metrics").collect()))
    again = monitor(run, DayRange(LAST - timedelta(days=1), LAST))
    assert sorted(map(str, run.lake.read("metrics").collect())) == rows
    assert again.accounts[LAST].retrain == first.accounts[LAST].retrain


def test_the_cool_down_knows_what_was_asked_for_before(run: Run) -> None:
    asked_on = LAST - timedelta(days=3)
    account = monitor_account(drift={"detected": True}, retrain={"asked": True, "reason": "x"})
    run.ledger.record_stage(asked_on, account, "done", run_id="r", at=AT)
    retrain = monitor(run, DayRange.single(LAST), evidently=False).accounts[LAST].retrain
    assert retrain.asked is False
    assert str(asked_on) in retrain.reason


def test_without_a_reference_drift_is_not_judged_and_says_why(run: Run) -> None:
    shutil.rmtree(releases_folder(run.settings.home) / RELEASE)
    account = monitor(run, DayRange.single(LAST)).accounts[LAST]
    assert (account.drift.judged, account.retrain.asked) == (False, False)
    assert "bundle" in account.drift.summary
    assert "Drift was not judged" in (run.folder / "reports" / f"{LAST}.html").read_text()


def test_a_day_that_is_not_scored_yet_can_be_tried_again(run: Run) -> None:
    with pytest.raises(TransientError, match="predictions are not made yet"):
        monitor(run, DayRange.single(LAST + timedelta(days=1)))
    assert not run.lake.exists("metrics")


def test_predictions_of_another_release_than_recorded_are_not_judged(run: Run) -> None:
    """A scoring by hand was stopped between its predictions and its account: nobody judges the
    mixture.
    """
    account = run.ledger.latest(ScoreAccount)[LAST].account.replaced(
        release="fraud-20260906-4567cdef"
    )
    run.ledger.record_stage(LAST, account, "done", run_id="by-hand", at=AT)
    with pytest.raises(TransientError, match="not those of its account") as caught:
        monitor(run, DayRange.single(LAST))
    assert f"tollgate run score --from {LAST} --to {LAST}" in caught.value.next_step
    assert LAST not in run.ledger.latest("monitor")


def test_a_day_whose_predictions_were_refused_is_held_back(run: Run) -> None:
    run.ledger.record_stage(
        LAST, score_account(reason="scores are not numbers"), "refused", run_id="r", at=AT
    )
    with pytest.raises(GateError, match="scores are not numbers"):
        monitor(run, DayRange.single(LAST))


@pytest.mark.guarantee(
    "empty day",
    fault="a day without rows is watched",
    seen="nothing is judged, no retraining is asked for",
)
def test_an_empty_day_is_watched_to_nothing(run: Run) -> None:
    after = LAST + timedelta(days=1)
    run.ledger.record_stage(after, score_account(rows=0, alerts=0), "done", run_id="r", at=AT)
    account = monitor(run, DayRange.single(after)).accounts[after]
    assert (account.rows, account.score_mean, account.quiet_hours) == (0, None, None)
    assert account.drift.summary == "not judged: the day has no rows"
    assert account.volume_ratio == 0.0
    assert account.performance.subject_day == after - timedelta(days=7)


@pytest.mark.guarantee("injection", fault="markup in the values of a day's page", seen="text")
def test_values_that_are_markup_are_inert_on_the_page(run: Run) -> None:
    evil = '<script>alert("1")</script>'
    run.ledger.record_stage(
        LAST, ingest_account(reason=evil, rows_in=1, quarantined=1), "refused", run_id=evil, at=AT
    )
    monitor(run, DayRange.single(LAST), evidently=False)
    page = (run.folder / "reports" / f"{LAST}.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_day_with_history_is_told_apart_estimated_and_explained(
    make_run: Callable[..., Run], fortnight: tuple[Run, StageResult]
) -> None:
    run = make_run()
    shutil.copytree(fortnight[0].settings.home, run.settings.home)
    run = watched(run)
    assert fortnight[1].accounts[LAST].diagnosis.cause == "unjudged", (
        "one such weekday is no history"
    )
    alike = fortnight[1].accounts[LAST - timedelta(weeks=1)].replaced(performance=None)
    for week in (2, 3, 4):
        run.ledger.record_stage(LAST - timedelta(weeks=week), alike, "done", run_id="r", at=AT)

    account = monitor(run, DayRange.single(LAST), evidently=False).accounts[LAST]

    diagnosis = account.diagnosis
    assert diagnosis.cause == "harmful", diagnosis.summary
    assert "amount" in {signal.name for signal in diagnosis.evidence}
    assert account.explained, "amounts and their means moved the scores"
    assert 0 <= account.estimate.low <= account.estimate.precision <= account.estimate.high <= 1
    assert account.retrain.asked is True
    page = (run.folder / "reports" / f"{LAST}.html").read_text()
    assert "Inputs moved" in page
    assert f"Runbook: {diagnosis.runbook}" in page
    severities = [
        row["value"] for row in run.lake.read("metrics").where("metric = 'severity'").collect()
    ]
    assert len(severities) == len(SCORED)
    assert [incident.kind for incident in run.ledger.incidents()] == ["harmful"]
