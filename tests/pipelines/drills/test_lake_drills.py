"""The drills that need a lake, each on a copy of one simulated bank; and that the bank in memory is
the same bank.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.drills import bank as banks
from pipelines.drills.bad_retrain import bad_retrain
from pipelines.drills.rollback import rollback
from pipelines.drills.simulated_frame import simulated_frame
from pipelines.drills.skew import skew
from pipelines.simulate.day import DayPlan
from pipelines.simulate.world import build_world
from tests.guarantees.plugin import Tried
from tests.pipelines.drills.copies import InACopy, in_copies, not_held

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bank_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all of the bank's days and its first champion."""
    home = tmp_path_factory.mktemp("bank") / "home"
    run = banks.bank(Settings.build(home=home, spark_cores=1))
    banks.first_champion(run)
    return home


@pytest.fixture
def at_the_bank(bank_home: Path) -> Iterator[InACopy]:
    """Lets a drill happen in a copy of the bank."""
    with in_copies(bank_home) as at:
        yield at


def test_a_leak_into_training_is_stopped_and_named(at_the_bank: InACopy) -> None:
    findings = at_the_bank(skew)
    assert not_held(findings) == []
    assert "terminal_fraud_rate_30d" in findings[0].happened
    assert "terminal_fraud_rate_30d" in findings[1].happened


@pytest.mark.guarantee(
    "poisoned labels",
    fault="a week of a slice's labels is damaged, then trained on",
    seen="not promoted, the slice is named",
)
def test_a_model_that_learnt_damaged_labels_is_refused(at_the_bank: InACopy, tried: Tried) -> None:
    findings = at_the_bank(bad_retrain)
    assert not_held(findings) == []
    tried(1, f"{findings[1].happened}; {findings[2].happened}")


@pytest.mark.guarantee(
    "rollback while scoring",
    fault="a rollback while another process scores days",
    seen="every row from one release, none unaccounted",
)
def test_a_rollback_while_scoring_leaves_no_row_unaccounted(
    at_the_bank: InACopy, tried: Tried
) -> None:
    findings = at_the_bank(rollback)
    assert not_held(findings) == []
    tried(1, f"nights by {findings[2].happened}; requests {findings[3].happened}")


def test_the_bank_in_memory_is_the_bank_in_the_lake(bank_home: Path) -> None:
    """Landing zone, ingest and Spark give the very bits of the frame made in memory, bad labels
    included.
    """
    run = banks.bank(Settings.build(home=bank_home, spark_cores=1))
    use_case, day = run.use_case, DayRange.single(banks.DAYS.last)
    plans = dict.fromkeys(banks.BAD_LABELS, DayPlan((banks.INCIDENT,)))
    made = simulated_frame(
        build_world(banks.SIZE), banks.DAYS, use_case, use_case.stored_features, plans
    ).frame
    made = made[made["day"] == pd.Timestamp(day.first)].set_index("transaction_id")
    stored = (
        run.lake.read("features", days=day).toPandas().set_index("transaction_id").loc[made.index]
    )
    names = list(use_case.stored_features.names)
    reach = use_case.stored_features.reach_days
    assert len(banks.DAYS) > reach, "so that windows are whole in the lake"
    assert len(stored) > 1_000
    assert np.array_equal(stored[names].to_numpy(dtype=float), made[names].to_numpy())
