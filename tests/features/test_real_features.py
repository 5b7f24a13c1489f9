"""Ten days of the public data: every row and column of the batch equals DuckDB's join of every pair
of events.

Counts, flags, amounts, means, maxima, gaps and rates are equal to the bit; only a standard
deviation, which takes a root, may differ in its last digits (1e-9 here: DuckDB's numerator is
exact, but is rounded before the root).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pandas as pd
import pytest

from features.batch import compute_features
from features.definition import FeatureSet, WindowDeviation
from features.feature import Feature
from features.layout import Layout
from pipelines.base.days import DayRange
from pipelines.usecases.fraud import USE_CASE
from tests.features.kinds import EVERY_KIND
from tests.oracles.features_duckdb import features

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.slow, pytest.mark.real]

TEN_DAYS = DayRange(date(2018, 6, 1), date(2018, 6, 10))
STORED = USE_CASE.stored_features
WANTED = FeatureSet(
    name="wanted",
    description="what the lake stores, and every other kind",
    schema=STORED.schema,
    features=(
        *STORED.features,
        *(other for other in EVERY_KIND.features if other.name not in STORED.names),
    ),
)
# A fifth of the reports comes later than after seven days, so that rates are not those of a plain
# window.
EVENTS = """
    SELECT TRANSACTION_ID AS id, TX_DATETIME AS t, CUSTOMER_ID AS customer, TERMINAL_ID AS terminal,
           round(TX_AMOUNT * 100)::BIGINT AS cents,
           CASE WHEN TX_FRAUD = 1 THEN TX_DATETIME
                + INTERVAL 1 DAY * (7 + CASE WHEN TRANSACTION_ID % 5 = 0 THEN TRANSACTION_ID % 20 ELSE 0 END)
           END AS reported
    FROM read_parquet([{files}])
"""  # noqa: E501


@pytest.fixture(scope="module")
def connection(real_data: Path) -> duckdb.DuckDBPyConnection:
    """Ten days and the 37 before them as `events`, the ten days as `queries`."""
    days = TEN_DAYS.widened(before=WANTED.reach_days)
    files = ", ".join(f"'{real_data}/handbook/{day}.parquet'" for day in days)
    made = duckdb.connect()
    made.sql(f"CREATE TABLE events AS {EVENTS.format(files=files)}")
    made.sql(f"CREATE TABLE queries AS SELECT id FROM events WHERE t >= '{TEN_DAYS.first}'")
    return made


@pytest.fixture(scope="module")
def expected(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return features(connection, WANTED.features)


@pytest.fixture(scope="module")
def computed(spark: SparkSession, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """What the engine makes of the same rows, on Spark, in two stripes."""
    events = connection.sql(
        """SELECT id AS transaction_id, t::TIMESTAMPTZ AS event_time, customer AS customer_id,
                  terminal AS terminal_id, (cents / 100)::DECIMAL(12, 2) AS amount, reported::TIMESTAMPTZ AS reported_at
           FROM events"""  # noqa: E501
    )
    connection.sql("SET TimeZone = 'UTC'")
    frame = spark.createDataFrame(events.to_arrow_table())
    return (
        compute_features(frame, WANTED, TEN_DAYS, layout=Layout(stripes=2))
        .toPandas()
        .sort_values("transaction_id")
        .reset_index(drop=True)
    )


def test_every_row_is_there(computed: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert len(computed) > 90_000
    assert computed["transaction_id"].tolist() == expected["id"].tolist()


@pytest.mark.parametrize("feature", WANTED.features, ids=lambda feature: feature.name)
def test_every_value_is_equal(
    computed: pd.DataFrame, expected: pd.DataFrame, feature: Feature
) -> None:
    ours, expected_values = computed[feature.name].to_numpy(), expected[feature.name].to_numpy()
    assert ours.dtype == feature.dtype
    if _rooted(feature):
        np.testing.assert_allclose(ours, expected_values, rtol=1e-9, atol=1e-9)
    else:
        np.testing.assert_array_equal(ours, expected_values)


def test_the_data_is_worth_the_test(computed: pd.DataFrame) -> None:
    """Ties of instant within a customer, frauds in windows, and terminals without history all
    occur.
    """
    assert computed.duplicated(["customer_id", "event_time"]).any()
    assert (computed["terminal_fraud_rate_7d"] > 0).sum() > 500
    assert (computed["terminal_tx_count_1d"] == 0).sum() > 10_000


def _rooted(feature: Feature) -> bool:
    return isinstance(feature, WindowDeviation) or any(_rooted(part) for part in feature.inputs)


def test_the_handbook_set_is_among_them() -> None:
    baseline: FeatureSet = USE_CASE.feature_sets["baseline"]
    assert set(baseline.names) <= set(WANTED.names)
    assert len(baseline.names) == 15
