"""One whole real day through the online path: every value of every feature as the batch has it."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from features.state import state_reach_days
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.nightly.materialize.stage import materialize
from pipelines.parity.stage import parity
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.conftest import NOW
from tests.pipelines.handbook_lake import store_handbook
from tests.pipelines.online_lake import store_features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.real]

DAY = date(2018, 7, 25)


@pytest.fixture(scope="module")
def run(spark: SparkSession, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(
        Settings.build(home=tmp_path_factory.mktemp("real"), spark_cores=1),
        load("fraud"),
        clock=lambda: NOW,
    )
    reach = run.use_case.stored_features.reach_days
    store_handbook(run, real_data / "handbook", DayRange(DAY - timedelta(days=reach), DAY))
    return run


def test_a_real_day_replayed_event_by_event_equals_the_batch(run: Run, real_data: Path) -> None:
    features = run.use_case.stored_features
    store_features(run, DayRange.single(DAY), features)
    result = parity(run, DAY)
    assert (
        result.events
        == result.compared
        == len(pd.read_parquet(real_data / "handbook" / f"{DAY}.parquet"))
        > 9_000
    )
    assert (result.mismatches, result.holds) == (dict.fromkeys(features.names, 0), True)


def test_every_customer_and_terminal_of_a_real_day_gets_online(run: Run, real_data: Path) -> None:
    account = materialize(run, DayRange.single(DAY)).accounts[DAY]
    columns = {"customer": "CUSTOMER_ID", "terminal": "TERMINAL_ID"}
    features = run.use_case.stored_features
    expected = {
        name: distinct(real_data / "handbook", column, state_reach_days(features, name))
        for name, column in columns.items()
    }
    assert account.entities == expected


def distinct(folder: Path, column: str, days: int) -> int:
    """How many values of the column the days up to `DAY` have."""
    files = [folder / f"{DAY - timedelta(days=back)}.parquet" for back in range(days)]
    return int(
        pd.concat([pd.read_parquet(file, columns=[column]) for file in files])[column].nunique()
    )
