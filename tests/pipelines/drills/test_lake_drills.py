"""The drills that need a lake, each on a copy of one simulated bank; and that the bank in memory is the same bank."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from pipelines.drills import bank as banks
from pipelines.drills.bad_retrain import bad_retrain
from pipelines.drills.bug import bug
from pipelines.drills.concept import concept
from pipelines.drills.drill import Finding
from pipelines.drills.holiday import holiday
from pipelines.drills.rollback import rollback
from pipelines.drills.simulated_frame import simulated_frame
from pipelines.drills.skew import skew
from pipelines.platform.days import DayRange
from pipelines.platform.settings import Settings
from pipelines.simulate.day import DayPlan
from pipelines.simulate.world import build_world

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all of the bank's days and its first champion."""
    home = tmp_path_factory.mktemp("bank") / "home"
    run = banks.bank(Settings.build(home=home))
    banks.first_champion(run)
    return home


@pytest.fixture
def at_the_bank(bank_home: Path) -> Iterator[Callable[[Callable[[Settings], Sequence[Finding]]], list[Finding]]]:
    """Lets a drill happen in a copy of the bank, at a path of its own: MLflow keeps connections by path."""
    copies: list[Path] = []

    def at(happens: Callable[[Settings], Sequence[Finding]]) -> list[Finding]:
        copies.append(bank_home.with_name(happens.__name__))
        shutil.copytree(bank_home, copies[-1])
        return list(happens(Settings.build(home=copies[-1])))

    yield at
    for copy in copies:
        shutil.rmtree(copy)


def _not_held(findings: Sequence[Finding]) -> list[Finding]:
    assert len(findings) >= 5
    return [finding for finding in findings if not finding.holds]


def test_a_leak_into_training_is_stopped_and_named(at_the_bank: Callable[..., list[Finding]]) -> None:
    findings = at_the_bank(skew)
    assert _not_held(findings) == []
    assert "terminal_fraud_rate_30d" in findings[0].happened
    assert "terminal_fraud_rate_30d" in findings[1].happened


def test_a_model_that_learnt_damaged_labels_is_refused(at_the_bank: Callable[..., list[Finding]]) -> None:
    assert _not_held(at_the_bank(bad_retrain)) == []


def test_a_rollback_while_scoring_leaves_no_row_unaccounted(at_the_bank: Callable[..., list[Finding]]) -> None:
    assert _not_held(at_the_bank(rollback)) == []


def test_a_holiday_is_answered_by_the_rule_until_it_is_over(at_the_bank: Callable[..., list[Finding]]) -> None:
    assert _not_held(at_the_bank(holiday)) == []


def test_the_release_of_a_broken_deploy_gives_way(at_the_bank: Callable[..., list[Finding]]) -> None:
    assert _not_held(at_the_bank(bug)) == []


def test_a_new_pattern_calls_a_person(at_the_bank: Callable[..., list[Finding]]) -> None:
    assert _not_held(at_the_bank(concept)) == []


def test_the_bank_in_memory_is_the_bank_in_the_lake(bank_home: Path) -> None:
    """Landing zone, ingest and Spark give the very bits of the frame made in memory, bad labels included."""
    run = banks.bank(Settings.build(home=bank_home))
    use_case, day = run.use_case, DayRange.single(banks.DAYS.last)
    plans = dict.fromkeys(banks.BAD_LABELS, DayPlan((banks.INCIDENT,)))
    made = simulated_frame(build_world(banks.SIZE), banks.DAYS, use_case, use_case.stored_features, plans).frame
    made = made[made["day"] == pd.Timestamp(day.first)].set_index("transaction_id")
    stored = run.lake.read("features", days=day).toPandas().set_index("transaction_id").loc[made.index]
    names = list(use_case.stored_features.names)
    reach = use_case.stored_features.reach_days
    assert len(banks.DAYS) > reach, "so that windows are whole in the lake"
    assert len(stored) > 1_000
    assert np.array_equal(stored[names].to_numpy(dtype=float), made[names].to_numpy())
