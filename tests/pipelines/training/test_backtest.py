"""Backtest: sizes against a plain count, choices from before the test days only, and the messages
for bad requests.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pandas as pd
import pytest

from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import PermanentError, TransientError, UsageError
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.training.backtest import Backtest, backtest
from pipelines.training.backtest_days import splits_of
from pipelines.training.frames import Split
from tests.conftest import NOW
from tests.pipelines.training_lake import DAYS, History, make_history, small_use_case, store_history

pytestmark = pytest.mark.slow

STARTS = [DAYS.first + timedelta(days=14), DAYS.first + timedelta(days=21)]
SEARCH = ({"max_depth": 2}, {"max_depth": 4})


def _run(home: Settings) -> Run:
    use_case = small_use_case()
    use_case = replace(
        use_case, model=replace(use_case.model, search=SEARCH, search_folds=1, history_days=7)
    )
    return Run(home, use_case, run_id="test-run", actor="test", clock=lambda: NOW)


def _splits(run: Run, starts: list[date] = STARTS) -> list[Split]:
    return splits_of(starts, run.use_case, train_days=7, delay_days=7, test_days=7)


@pytest.fixture(scope="module")
def world(spark: object, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, History]:
    run = _run(Settings.build(home=tmp_path_factory.mktemp("backtest"), spark_cores=1))
    history = make_history(run)
    store_history(run, history)
    return run, history


@pytest.fixture(scope="module")
def result(world: tuple[Run, History]) -> Backtest:
    run, _ = world
    return backtest(run, _splits(run), "baseline")


def _plain_sizes(history: History, start: date) -> dict[str, int]:
    """Event by event: who is trained on, who is judged, and which of them were reported in time."""
    reported: dict[int, datetime] = dict(
        zip(
            history.fraud_reports["transaction_id"],
            history.fraud_reports["reported_at"],
            strict=True,
        )
    )
    end_of_lake = midnight(DAYS.last + timedelta(days=1))
    test_from = start + timedelta(days=14)
    events = list(
        history.features[["transaction_id", "customer_id", "event_time", "day"]].itertuples(
            index=False
        )
    )
    train = [event for event in events if start <= event.day < start + timedelta(days=7)]
    first_report: dict[int, datetime] = {}
    for event in events:
        when = reported.get(event.transaction_id)
        if when is not None and start <= event.day < test_from + timedelta(days=7):
            first_report[event.customer_id] = min(when, first_report.get(event.customer_id, when))
    test = [
        event
        for event in events
        if test_from <= event.day < test_from + timedelta(days=7)
        and not (
            event.customer_id in first_report
            and first_report[event.customer_id] < midnight(event.day)
        )
    ]
    reported_numbers = {number for number, when in reported.items() if when <= end_of_lake}
    return {
        "n_train": len(train),
        "n_train_fraud": sum(
            reported[event.transaction_id] <= midnight(test_from)
            for event in train
            if event.transaction_id in reported
        ),
        "n_test": len(test),
        "n_test_fraud": sum(event.transaction_id in reported_numbers for event in test),
    }


def test_sizes_are_those_of_a_plain_count(result: Backtest, world: tuple[Run, History]) -> None:
    for fold, start in zip(result.folds, STARTS, strict=True):
        assert dict(fold.sizes) == _plain_sizes(world[1], start)
        assert fold.sizes["n_test_fraud"] > 50


def test_the_document_has_every_number_by_fold_and_on_average(result: Backtest) -> None:
    document = result.to_json()
    names = [
        "n_train",
        "n_train_fraud",
        "n_test",
        "n_test_fraud",
        "auc_roc",
        "average_precision",
        "card_precision_at_100",
    ]
    assert [fold["train_from"] for fold in document["folds"]] == [str(start) for start in STARTS]
    for name in names:
        values = [fold[name] for fold in document["folds"]]
        assert document["average"][name] == pytest.approx(sum(values) / len(values))
    assert (
        document["average"]["average_precision"] > document["average"]["rule"]["average_precision"]
    )


def test_nothing_that_happens_in_the_test_week_reaches_the_model(
    result: Backtest, world: tuple[Run, History], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With every later report gone and later events changed, the same parameters are chosen from
    the same rows.
    """
    first = _splits(world[0])[0]
    run, history = (
        _run(Settings.build(home=tmp_path_factory.mktemp("later"), spark_cores=1)),
        world[1],
    )
    later = (history.features["event_time"] >= pd.Timestamp(first.test.start)).to_numpy()
    features = history.features.copy()
    features.loc[later, "amount"] = 1.0
    reports = history.fraud_reports
    store_history(
        run,
        History(features, history.transactions, reports[reports["reported_at"] < first.test.start]),
    )
    changed = backtest(run, [first], "baseline").folds[0]
    assert changed.parameters == result.folds[0].parameters
    assert changed.learnt == result.folds[0].learnt
    assert changed.sizes["n_train_fraud"] == result.folds[0].sizes["n_train_fraud"]
    assert changed.sizes["n_test_fraud"] == 0


def test_more_history_is_learnt_from_but_the_split_stays(
    world: tuple[Run, History], result: Backtest
) -> None:
    policy = replace(world[0].use_case.model, history_days=14, search=())
    run = replace(world[0], use_case=replace(world[0].use_case, model=policy))
    fold = backtest(run, _splits(run)[:1], "baseline").folds[0]
    assert fold.sizes == result.folds[0].sizes
    assert fold.learnt == DayRange(STARTS[0] - timedelta(days=7), STARTS[0] + timedelta(days=6))


def test_days_that_the_lake_lacks_are_named(world: tuple[Run, History]) -> None:
    with pytest.raises(PermanentError) as refused:
        backtest(world[0], _splits(world[0], [DAYS.first - timedelta(days=3)]), "baseline")
    assert f"{DAYS.first - timedelta(days=3)}..{DAYS.first - timedelta(days=1)}" in str(
        refused.value
    )
    assert "--train-starts" in str(refused.value)


def test_test_days_without_their_reports_wait(world: tuple[Run, History]) -> None:
    with pytest.raises(TransientError) as waits:
        backtest(world[0], _splits(world[0], [DAYS.last - timedelta(days=20)]), "baseline")
    assert f"--from {DAYS.last + timedelta(days=1)}" in str(waits.value)


@pytest.mark.parametrize(
    ("starts", "delay", "said"),
    [
        ([STARTS[0], STARTS[0]], 7, "not distinct"),
        ([], 7, "no fold"),
        (STARTS, 6, "shorter than labels take"),
    ],
)
def test_requests_that_make_no_sense(starts: list[date], delay: int, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        splits_of(starts, small_use_case(), train_days=7, delay_days=delay, test_days=7)


def test_unknown_features_name_those_that_exist(world: tuple[Run, History]) -> None:
    with pytest.raises(UsageError, match="baseline") as refused:
        backtest(world[0], _splits(world[0]), "tuesday")
    assert "extended" in str(refused.value)
