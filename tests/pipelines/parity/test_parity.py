"""Parity holds for the real definitions, and a definition that leaks is found out and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from features.definition import Feature, FeatureSet, WindowMean
from features.fraud import BASELINE
from pipelines.base.days import DayRange
from pipelines.base.errors import GateError, PermanentError, UsageError
from pipelines.base.settings import Settings
from pipelines.parity.stage import parity, sampled_parity
from pipelines.run import Run
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load
from tests.accounts import features_account
from tests.conftest import NOW
from tests.pipelines.baseline_use_case import baseline_use_case
from tests.pipelines.online_lake import DAY, EVENTS_A_DAY, store_events, store_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow

LEAKY = "customer_amount_mean_30d"
ALIKE = ("terminal_tx_count_7d", "terminal_tx_count_30d")
"""Columns of like values: exchanged, no histogram shows it."""

TODAY = DayRange.single(DAY)


def with_mean(make: Callable[..., Feature], run: Run) -> UseCase:
    """The run's use case with another definition in place of the 30-day mean."""
    honest = BASELINE[LEAKY]
    leaky = make(
        **{name: getattr(honest, name) for name in ("owner", "description", "unit", "reason")}
    )
    features = tuple(leaky if feature.name == LEAKY else feature for feature in BASELINE.features)
    return baseline_use_case(replace(BASELINE, features=features))


def peeking(**texts: str) -> Feature:
    """A 30-day mean that ends a day after the event: it knows what the customer will do."""

    class Peeking(WindowMean):
        def __post_init__(self) -> None:
            """A future end is what the real class refuses."""

    return Peeking(entity="customer", days=30, delay_days=-1, **texts)


def without_the_event(**texts: str) -> Feature:
    """A 30-day mean that leaves the event itself out, under the name of the one that does not."""

    class WithoutTheEvent(WindowMean):
        @property
        def name(self) -> str:
            return LEAKY

    return WithoutTheEvent(entity="customer", days=30, include_current=False, **texts)


@pytest.fixture(scope="module")
def lake_run(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run on a lake with events and reports; each test puts the features there that it speaks
    of.
    """
    run = Run(
        Settings.build(home=tmp_path_factory.mktemp("parity"), spark_cores=1),
        load("fraud"),
        clock=lambda: NOW,
    )
    store_events(run)
    return run


def stored(run: Run) -> FeatureSet:
    return run.use_case.stored_features


def test_a_day_replayed_equals_the_batch(lake_run: Run) -> None:
    store_features(lake_run, TODAY, stored(lake_run))
    result = parity(lake_run, DAY)
    assert result.holds, result.to_json()
    assert (result.events, result.compared) == (EVENTS_A_DAY, EVENTS_A_DAY)
    assert set(result.mismatches) == set(stored(lake_run).names)
    assert lake_run.ledger.latest("parity", status="done")[DAY].account.holds is True
    assert not list(Path(lake_run.settings.home).glob("parity-*")), "the scratch store is gone"
    assert not Path(lake_run.settings.online_store).exists(), "production is not touched"


def test_a_definition_that_peeks_into_the_future_fails_and_is_named(lake_run: Run) -> None:
    """The leak is in the definition itself, batch and online alike: the replay cannot know what has
    not happened.
    """
    run = replace(lake_run, use_case=with_mean(peeking, lake_run))
    store_features(run, DayRange(DAY, DAY), stored(run))
    result = parity(run, DAY)
    assert not result.holds
    assert [name for name, count in result.mismatches.items() if count] == [LEAKY]
    example = result.examples[LEAKY][0]
    assert example.batch != example.online
    assert set(example.keys) == {"customer", "terminal"}
    assert example.instant.startswith(str(DAY))
    assert run.ledger.latest("parity")[DAY].status == "refused"


def test_rows_that_one_side_lacks_break_parity(lake_run: Run) -> None:
    store_features(lake_run, TODAY, stored(lake_run))
    rows = lake_run.lake.read("features", days=TODAY)
    some = rows.orderBy("transaction_id").limit(EVENTS_A_DAY - 2)
    lake_run.lake.replace_days(some, "features", TODAY, provenance=lake_run.provenance("fault"))
    result = parity(lake_run, DAY, feature_set="baseline")
    assert not result.holds
    assert (result.only_online, result.only_batch) == (2, 0)
    assert not any(result.mismatches.values())


def test_what_cannot_be_asked_is_said(lake_run: Run) -> None:
    store_features(lake_run, TODAY, stored(lake_run))
    with pytest.raises(PermanentError, match="no features to compare with"):
        parity(lake_run, DAY.replace(month=12))
    with pytest.raises(UsageError, match="unknown feature set"):
        parity(lake_run, DAY, feature_set="nonsense")
    with pytest.raises(UsageError, match="impossible sample"):
        parity(lake_run, DAY, sample=0)


def test_the_command_names_the_feature_of_a_table_that_was_made_by_another_definition(
    lake_run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Training leaves the event out of its own mean, serving does not; a sample is enough to see
    it.
    """
    from pipelines.cli.main import main

    for name, value in lake_run.settings.environment().items():
        monkeypatch.setenv(name, value)
    store_features(lake_run, TODAY, with_mean(without_the_event, lake_run).stored_features)
    with pytest.raises(SystemExit) as ending:
        main(["parity", "--day", str(DAY), "--features", "baseline", "--sample", "9"])
    assert ending.value.code == 1
    *named, verdict = capsys.readouterr().out.splitlines()
    assert named[0] == f"{LEAKY} differs for 9 of 9 events, for instance"
    assert len(named) == 1 + 3
    assert verdict.startswith(
        f"parity does not hold: {DAY}, 9 of 24 events x 15 features = 135 values, 9 differ"
    )


def test_the_morning_sample_replays_what_reaches_it_and_stops_a_leak(lake_run: Run) -> None:
    watch = replace(lake_run.use_case.watch, parity_sample=4)
    run = replace(lake_run, use_case=replace(lake_run.use_case, watch=watch))
    assert "no features" in sampled_parity(run, TODAY).accounts[DAY].passed_over
    run.ledger.record_stage(DAY, features_account(rows=EVENTS_A_DAY), "done", run_id="r", at=NOW)
    store_features(run, TODAY, stored(run))
    account = sampled_parity(run, TODAY).accounts[DAY]
    assert (account.compared, account.events, account.holds) == (4, EVENTS_A_DAY, True), account
    store_features(run, TODAY, with_mean(without_the_event, run).stored_features)
    with pytest.raises(GateError, match="other features than the batch") as stopped:
        sampled_parity(run, TODAY)
    assert LEAKY in stopped.value.found
    store_features(run, TODAY, stored(run))
    rows = run.lake.read("features", days=TODAY)
    exchanged = rows.withColumns({ALIKE[0]: rows[ALIKE[1]], ALIKE[1]: rows[ALIKE[0]]})
    run.lake.replace_days(exchanged, "features", TODAY, provenance=run.provenance("fault"))
    with pytest.raises(GateError) as stopped:
        sampled_parity(run, TODAY)
    assert {text.split()[0] for text in stopped.value.found.split(", ")} == set(ALIKE)
