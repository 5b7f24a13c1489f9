"""Training, verdict and release on a small lake: the evidence belongs to the bits that are
released.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from pipelines.base.days import DayRange
from pipelines.base.errors import StoreError, TollgateError, TransientError
from pipelines.base.settings import Settings
from pipelines.mlflow.tracking import Tracking
from pipelines.releases.alias import follow
from pipelines.releases.bundle import load_bundle, releases_folder, sha256
from pipelines.releases.scorer import load_champion
from pipelines.run import Run
from pipelines.training.data import current_versions, read_training_data
from pipelines.training.golden import freeze_golden, newest_golden
from pipelines.training.golden_store import GoldenError
from pipelines.training.stage import TrainResult, train
from tests.accounts import features_account, served_account
from tests.conftest import NOW
from tests.pipelines.ledger_copy import on_ledger_copy
from tests.pipelines.training_lake import (
    AS_OF,
    DAYS,
    ROWS_A_DAY,
    History,
    make_history,
    record_ingested,
    small_use_case,
    store_history,
    store_table,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def world(spark: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, History]:
    """A lake that all tests of this module read; those that change it put a lake of their own in
    its place.
    """
    settings = Settings.build(home=tmp_path_factory.mktemp("train"), spark_cores=1)
    run = Run(settings, small_use_case(), run_id="test-run", actor="test", clock=lambda: NOW)
    history = make_history(run)
    store_history(run, history)
    return run, history


@pytest.fixture(scope="module")
def trained(world: tuple[Run, History]) -> tuple[Run, TrainResult]:
    run, _ = world
    return run, train(run, AS_OF, reason="the first one")


def _elsewhere(run: Run, settings: Settings) -> Run:
    """The same lake, everything else in a new home."""
    moved = replace(run, settings=settings.model_copy(update={"lake": run.settings.lake}))
    record_ingested(moved)
    return moved


def test_a_candidate_that_beats_both_baselines_is_champion(
    trained: tuple[Run, TrainResult],
) -> None:
    run, result = trained
    pointer = run.ledger.champion()
    assert result.approved
    assert result.in_production
    assert pointer is not None
    assert (pointer.release_id, pointer.generation) == (result.release_id, 1)
    assert [state["state"] for state in run.ledger.states(result.release_id)] == ["champion"]
    outcomes = {check.name: check.outcome for check in result.evaluation.verdict.checks}
    first = {"keeps_up_with_champion", "not_older", "slices", "money"}
    without = {"golden_set", "parity", "served_parity"}
    assert {
        name for name, outcome in outcomes.items() if outcome == "not applicable"
    } == first | without
    assert {name for name, outcome in outcomes.items() if outcome == "passed"} == {
        "enough_evidence",
        "scores_are_probabilities",
        "beats_rule",
        "beats_logistic_regression",
        "label_health",
        "late_reports",
        "calibration",
        "known_in_time",
        "no_feature_alone",
        "frame_rebuilt",
        "loads_as_in_production",
    }


def test_the_evidence_belongs_to_the_released_bits(
    trained: tuple[Run, TrainResult], world: tuple[Run, History]
) -> None:
    """The champion, loaded as production loads it, gives the figures of the verdict on rows put
    together by hand.
    """
    run, result = trained
    _, history = world
    rows, label = _judged_by_hand(history)
    scorer = load_champion(run)
    score = scorer.score(rows[list(scorer.feature_names)].to_numpy(dtype=float))
    figures = result.evaluation.figures["candidate"]
    assert len(rows) == len(result.evaluation.label)
    assert figures["average_precision"] == pytest.approx(
        average_precision_score(label, score), abs=1e-12
    )
    assert figures["auc_roc"] == pytest.approx(roc_auc_score(label, score), abs=1e-12)


def _judged_by_hand(history: History) -> tuple[pd.DataFrame, np.ndarray]:
    """Rows of the test week without cards whose fraud, since the train week began, was reported
    before the day.
    """
    known_reports = history.fraud_reports[
        history.fraud_reports["reported_at"] <= pd.Timestamp(AS_OF, tz="UTC")
    ]
    reported = dict(zip(known_reports["transaction_id"], known_reports["reported_at"], strict=True))
    features = history.features
    first_test, train_week = AS_OF - timedelta(days=14), AS_OF - timedelta(days=28)
    blocked: dict[int, pd.Timestamp] = {}
    for row in features[features["day"] >= train_week].itertuples():
        report = reported.get(row.transaction_id)
        if report is not None:
            blocked[row.customer_id] = min(report, blocked.get(row.customer_id, report))
    week = features[
        (features["day"] >= first_test) & (features["day"] < first_test + timedelta(days=7))
    ]
    free = [
        not (
            row.customer_id in blocked
            and blocked[row.customer_id] < pd.Timestamp(row.day, tz="UTC")
        )
        for row in week.itertuples()
    ]
    kept = week[free]
    return kept, kept["transaction_id"].isin(reported).to_numpy(dtype=float)


def test_one_digest_from_ledger_to_mlflow(trained: tuple[Run, TrainResult]) -> None:
    run, result = trained
    recorded = run.ledger.release(result.release_id).account
    bundle = load_bundle(
        releases_folder(run.settings.home),
        result.release_id,
        manifest_digest=recorded.manifest_digest,
    )
    client = Tracking(run.settings, "fraud")._client()
    kept = {sha256(path.read_bytes()) for path in (run.settings.home / "mlflow").rglob("model.ubj")}
    assert bundle.model_digest == recorded.model_digest
    assert bundle.model_digest in kept
    assert result.release_id == f"fraud-20261109-{bundle.model_digest[:8]}"
    version = client.get_model_version_by_alias("fraud", "champion")
    assert str(version.version) == recorded.model_version
    assert version.tags["model_digest"] == bundle.model_digest
    assert recorded.data_versions == {"features": 0, "transactions": 0, "fraud_reports": 0}
    assert recorded.training.train_days == (date(2026, 9, 21), date(2026, 10, 18))
    assert recorded.training.test_days == (date(2026, 10, 26), date(2026, 11, 1))
    assert recorded.trained_because == "the first one"


def test_mlflow_holds_what_made_the_model(trained: tuple[Run, TrainResult]) -> None:
    run, result = trained
    client = Tracking(run.settings, "fraud")._client()
    run_id = result.released.account.mlflow_run_id
    kept = client.get_run(run_id)
    assert kept.data.params["as_of"] == str(AS_OF)
    assert kept.data.params["data.features.version"] == "0"
    assert kept.data.params["seed"] == str(run.use_case.model.seed)
    assert (
        kept.data.metrics["average_precision"]
        == result.evaluation.figures["candidate"]["average_precision"]
    )
    assert kept.data.metrics["rule.auc_roc"] == result.evaluation.figures["rule"]["auc_roc"]
    files = {item.path for item in client.list_artifacts(run_id)}
    assert files == {"card.md", "card.html", "release.json", "sbom.cdx.json", "plots"}
    plots = {item.path.removeprefix("plots/") for item in client.list_artifacts(run_id, "plots")}
    assert plots == {
        "calibration.png",
        "feature_importance.png",
        "precision_recall.png",
        "score_histograms.png",
    }
    card = next(
        path for path in (run.settings.home / "mlflow").rglob("card.md") if run_id in path.parts
    ).read_text()
    for section in (
        "Purpose",
        "Verdict",
        "Results",
        "Plots",
        "Data",
        "Features",
        "Training",
        "Limits",
        "Lineage",
    ):
        assert f"## {section}" in card
    assert result.released.account.model_digest in card


def test_the_reference_is_a_sample_of_the_train_days(
    trained: tuple[Run, TrainResult], world: tuple[Run, History]
) -> None:
    run, result = trained
    scorer = load_champion(run)
    assert scorer.bundle is not None
    reference = scorer.bundle.reference()
    assert list(reference.columns) == [*scorer.feature_names, "score"]
    assert len(reference) == 5000
    features = world[1].features
    train_days = features[
        features["day"].between(AS_OF - timedelta(days=49), AS_OF - timedelta(days=22))
    ]
    assert reference["amount"].isin(train_days["amount"]).all()
    scores = scorer.score(reference[list(scorer.feature_names)].to_numpy(dtype=float))
    assert np.array_equal(scores, reference["score"])
    assert scorer.bundle.record.volume.by_iso_weekday == {
        str(n): float(ROWS_A_DAY) for n in range(1, 8)
    }
    assert result.released.account.volume == scorer.bundle.record.volume


def test_training_again_gives_the_same_release_and_changes_nothing(
    trained: tuple[Run, TrainResult],
) -> None:
    run, first = trained
    before = run.ledger.champion(), run.ledger.releases(), _versions(run)
    again = train(run, AS_OF)
    assert again.release_id == first.release_id
    assert again.released.registered_before
    assert not again.released.promoted
    assert again.in_production
    assert (run.ledger.champion(), run.ledger.releases(), _versions(run)) == before


def _versions(run: Run) -> list[str]:
    """What MLflow's registry holds."""
    versions = Tracking(run.settings, "fraud")._client().search_model_versions("name = 'fraud'")
    return sorted(str(version.version) for version in versions)


def test_what_is_reported_later_is_not_seen(world: tuple[Run, History]) -> None:
    """The lake knows hundreds of reports from after `AS_OF`; a training as of that day must not."""
    run, history = world
    moment = pd.Timestamp(AS_OF, tz="UTC")
    data = read_training_data(run, AS_OF, ["amount"], versions=current_versions(run))
    expected = history.fraud_reports[history.fraud_reports["reported_at"] <= moment]
    seen = data.frame.dropna(subset=["reported_at"])
    assert set(seen["transaction_id"]) == set(expected["transaction_id"]) & set(
        data.frame["transaction_id"]
    )
    assert (history.fraud_reports["reported_at"] > moment).sum() > 500
    assert data.frame["transaction_id"].is_monotonic_increasing


def test_a_refused_candidate_leaves_the_champion(
    trained: tuple[Run, TrainResult], settings: Settings, tmp_path: Path
) -> None:
    """Where the rule is the whole truth no model can beat it; the release is kept, with the
    reason.
    """
    champion = on_ledger_copy(trained[0], tmp_path)
    home = champion.settings.model_copy(update={"lake": f"{tmp_path}/lake"})
    run = replace(champion, settings=home)
    store_history(run, make_history(run, only_rule=True))
    before = run.ledger.champion()
    result = train(run, AS_OF)
    assert not result.approved
    assert not result.in_production
    assert any(
        reason.startswith("beats_rule: average_precision")
        for reason in result.evaluation.verdict.reasons
    )
    assert run.ledger.champion() == before
    assert [state["state"] for state in run.ledger.states(result.release_id)] == ["refused"]
    assert "keeps_up_with_champion" in {
        c.name for c in result.evaluation.verdict.checks if c.outcome != "not applicable"
    }
    assert load_champion(run).release_id == trained[1].release_id
    version = Tracking(run.settings, "fraud").champion_version()
    assert version == trained[1].released.account.model_version


def test_a_model_as_of_an_earlier_day_does_not_replace_a_later_one(
    trained: tuple[Run, TrainResult], tmp_path: Path
) -> None:
    """Nor does one while the newest answers differ from the batch for no known cause."""
    run, first = on_ledger_copy(trained[0], tmp_path), trained[1]
    shares = {
        "compared": 200,
        "mismatching": 2,
        "mismatch_share": 0.01,
        "unexplained_share": 0.01,
        "fallback_share": 0,
    }
    by_cause = {"causes": {"unexplained": 2}, "by_feature": {"amount": {"unexplained": 2}}}
    newest = {
        "day": str(AS_OF - timedelta(days=3)),
        "reason": "2 of 200 differ: amount (2)",
        **shares,
        **by_cause,
    }
    run.ledger.record_stage(
        AS_OF - timedelta(days=3), served_account(**newest), "refused", run_id="t", at=NOW
    )
    result = train(run, AS_OF - timedelta(days=1))
    assert {"not_older", "served_parity"} <= {
        reason.split(":")[0] for reason in result.evaluation.verdict.reasons
    }
    assert result.evaluation.verdict.decision == "refused"
    assert load_champion(run).release_id == first.release_id


@pytest.mark.guarantee(
    "MLflow down",
    fault="MLflow cannot be opened when a training begins",
    seen="no release, the rule scores; the next attempt releases",
)
def test_mlflow_down_releases_nothing_and_the_next_attempt_goes_on(
    trained: tuple[Run, TrainResult], settings: Settings
) -> None:
    run = _elsewhere(trained[0], settings)
    blocked = settings.home / "mlflow.sqlite"
    blocked.mkdir()
    with pytest.raises(StoreError, match="MLflow"):
        train(run, AS_OF)
    assert run.ledger.champion() is None
    assert run.ledger.releases() == []
    assert load_champion(run).fallback
    blocked.rmdir()
    assert train(run, AS_OF).released.promoted


@pytest.mark.guarantee(
    "MLflow down",
    fault="MLflow is gone when the alias is to move",
    seen="the champion scores, it is told; the alias follows later",
)
def test_the_alias_follows_when_mlflow_is_back(
    trained: tuple[Run, TrainResult], tmp_path: Path
) -> None:
    """While it is away the champion moves all the same, and it is told."""
    run, result = trained
    tracking = Tracking(run.settings, "fraud")
    tracking._client().delete_registered_model_alias("fraud", "champion")
    (tmp_path / "mlflow.sqlite").write_bytes(b"no database at all" * 100)
    away = replace(
        run,
        settings=run.settings.model_copy(update={"mlflow": f"sqlite:///{tmp_path}/mlflow.sqlite"}),
    )
    assert "the next training or promotion puts it right" in follow(away)[0]
    assert [
        incident.subject
        for incident in run.ledger.incidents(open_only=True)
        if incident.kind == "alias"
    ] == ["mlflow"]
    assert load_champion(away).release_id == result.release_id
    assert follow(run) == ()
    assert tracking.champion_version() == result.released.account.model_version
    assert "alias" not in {incident.kind for incident in run.ledger.incidents(open_only=True)}


def test_a_release_that_mlflow_has_lost_is_recorded_again_when_it_is_trained_again(
    trained: tuple[Run, TrainResult], tmp_path: Path
) -> None:
    run, first = trained
    settings = run.settings.model_copy(
        update={
            "mlflow": f"sqlite:///{tmp_path}/new.sqlite",
            "mlflow_artifacts": str(tmp_path / "artefacts"),
        }
    )
    elsewhere = replace(run, settings=settings)
    again = train(elsewhere, AS_OF)
    assert again.released.registered_before
    assert again.released.warnings == ()
    tracking = Tracking(settings, "fraud")
    recorded = first.released.account
    registered = tracking.registered(first.release_id, recorded.model_digest)
    assert registered is not None
    assert tracking.champion_version() == registered.version
    assert tracking.training_record(recorded.mlflow_run_id)[0] == registered.run_id, (
        "its earlier name leads to it"
    )
    assert follow(run) == ()


@pytest.mark.parametrize(
    ("as_of", "phrases"),
    [
        (
            DAYS.first + timedelta(days=28),
            ["not enough days", "2026-10-", "rows on every test day"],
        ),
        (AS_OF + timedelta(days=7), ["not ingested yet", "2026-11-09..2026-11-15", "7 of 14 days"]),
    ],
)
def test_missing_days_are_named(
    as_of: object, phrases: list[str], world: tuple[Run, History], settings: Settings
) -> None:
    run = _elsewhere(world[0], settings)
    with pytest.raises(TollgateError) as caught:
        train(run, as_of)  # type: ignore[arg-type]
    for phrase in phrases:
        assert phrase in str(caught.value)
    assert run.ledger.releases() == []


def test_stale_features_are_not_learnt_from(world: tuple[Run, History], settings: Settings) -> None:
    run = _elsewhere(world[0], settings)
    outdated = features_account(feature_digest="of other definitions", inputs={})
    day = AS_OF - timedelta(days=30)
    run.ledger.record_stage(day, outdated, "done", run_id="setup", at=NOW)
    with pytest.raises(TransientError, match="stale") as caught:
        train(run, AS_OF)
    assert f"{day}: computed by other definitions" in caught.value.found


@pytest.mark.parametrize("damage", ["part of a day", "no reports", "no features"])
def test_a_lake_that_cannot_be_learnt_from_is_told(
    damage: str, make_run: Callable[..., Run], world: tuple[Run, History]
) -> None:
    run, history = replace(make_run(), use_case=world[0].use_case), world[1]
    if damage == "part of a day":
        store_history(run, history)
        day = history.features[history.features["day"] == date(2026, 10, 27)]
        store_table(run, "features", day[day["transaction_id"] != 22_123])
    elif damage == "no reports":
        recent = history.fraud_reports["source_day"] >= AS_OF - timedelta(days=3)
        store_history(run, replace(history, fraud_reports=history.fraud_reports[recent]))
    else:
        store_table(run, "transactions", history.transactions)
    expected = {
        "part of a day": ["features are not complete", f"{ROWS_A_DAY - 1} rows", "2026-10-27"],
        "no reports": ["nothing to learn from", "positive"],
        "no features": ["nothing to train on", "missing: features, fraud_reports"],
    }[damage]
    with pytest.raises(TollgateError) as caught:
        train(run, AS_OF)
    for text in expected:
        assert text in str(caught.value)


def test_golden_cases_are_frozen_left_out_and_compared_on(
    world: tuple[Run, History], settings: Settings
) -> None:
    """The set is verified at every training; a damaged one stops it."""
    run = _elsewhere(world[0], settings)
    days = DayRange(AS_OF - timedelta(days=30), AS_OF - timedelta(days=25))
    golden = freeze_golden(run, days, cases=1500)
    label = (
        world[1]
        .fraud_reports.set_index("transaction_id")["reported_at"]
        .reindex(golden.cases["transaction_id"])
    )
    assert 1500 <= len(golden.cases) < 1600
    assert (
        golden.cases["label"] == (label <= pd.Timestamp(days.end) + timedelta(days=7)).to_numpy()
    ).all()
    assert set(run.use_case.stored_features.names) <= set(golden.cases.columns)
    assert newest_golden(run).digest == golden.digest  # type: ignore[union-attr]
    data = read_training_data(run, AS_OF, ["amount"], versions=current_versions(run), golden=golden)
    assert not data.frame["transaction_id"].isin(golden.cases["transaction_id"]).any()
    assert len(data.frame) == len(DAYS) * ROWS_A_DAY - 7 * ROWS_A_DAY - len(golden.cases)
    with pytest.raises(TransientError, match="not mature"):
        freeze_golden(run, DayRange(AS_OF - timedelta(days=6), AS_OF - timedelta(days=6)), cases=10)
    place = settings.home / "fraud" / "golden" / golden.version / "cases.parquet"
    place.write_bytes(place.read_bytes()[:-1])
    with pytest.raises(GoldenError):
        train(run, AS_OF)
    assert run.ledger.releases() == []
