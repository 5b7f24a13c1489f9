"""The batch compilation on Spark: however it is cut into tasks, the rows are those of one call of
the kernel.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from features.batch import compute_features
from features.definition import EventSchema, FeatureSet
from features.kernel import NEVER, Events, compute
from features.layout import Layout
from pipelines.base.days import DayRange
from tests.features.kinds import EVERY_KIND

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.slow

HISTORY = DayRange(date(2026, 1, 1), date(2026, 3, 20))
TARGET = DayRange(date(2026, 3, 1), date(2026, 3, 20))


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    """3,000 events on whole hours; a tenth of them at one terminal; a fifth reported, some of them
    late.
    """
    random = np.random.default_rng(7)
    size = 3_000
    hours = random.integers(0, len(HISTORY) * 24, size)
    time = pd.Timestamp(HISTORY.start) + pd.to_timedelta(hours, unit="h")
    delays = pd.to_timedelta(random.choice([1, 7, 7, 9, 30], size), unit="D")
    return pd.DataFrame(
        {
            "transaction_id": random.permutation(size),
            "event_time": time,
            "customer_id": random.integers(0, 40, size),
            "terminal_id": np.where(random.random(size) < 0.1, 0, random.integers(1, 60, size)),
            "cents": random.integers(0, 30_000, size),
            "reported_at": (time + delays).where(random.random(size) < 0.2),
        }
    )


@pytest.fixture(scope="module")
def events(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    amounts = [Decimal(int(cents)).scaleb(-2) for cents in rows.cents]
    frame = spark.createDataFrame(rows.assign(amount=amounts))
    return frame.withColumn("amount", frame["amount"].cast("decimal(12,2)"))


@pytest.fixture(scope="module")
def expected(rows: pd.DataFrame) -> pd.DataFrame:
    """What the kernel says in one call over everything."""
    ordered = rows.sort_values(["event_time", "transaction_id"]).reset_index(drop=True)
    wanted = np.flatnonzero(
        (ordered.event_time >= TARGET.start) & (ordered.event_time < TARGET.end)
    )
    values = compute(EVERY_KIND.features, _columns(ordered), wanted)
    return pd.DataFrame({"transaction_id": ordered.transaction_id[wanted].to_numpy(), **values})


def _columns(rows: pd.DataFrame) -> Events:
    return Events(
        id=rows.transaction_id.to_numpy(),
        time=_micros(rows.event_time).to_numpy(),
        cents=rows.cents.to_numpy(),
        reported=rows.reported_at.astype("datetime64[us, UTC]")
        .astype("int64")
        .where(rows.reported_at.notna(), NEVER)
        .to_numpy(),
        keys={"customer": rows.customer_id.to_numpy(), "terminal": rows.terminal_id.to_numpy()},
    )


def _micros(times: pd.Series) -> pd.Series:
    return times.astype("datetime64[us, UTC]").astype("int64")


@pytest.mark.guarantee(
    "ten times the volume",
    fault="the layouts of small and large volumes, on the same events",
    seen="the same bits",
)
@pytest.mark.parametrize(
    "layout",
    [Layout(), Layout(stripes=3), Layout(buckets=2), Layout(stripes=20, buckets=3)],
    ids=str,
)
def test_every_layout_gives_the_same_bits(
    events: DataFrame, expected: pd.DataFrame, layout: Layout
) -> None:
    computed = compute_features(events, EVERY_KIND, TARGET, layout=layout).toPandas()
    computed = computed.sort_values(["event_time", "transaction_id"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(computed[expected.columns], expected, check_exact=True)


def test_the_result_holds_keys_features_and_day(events: DataFrame) -> None:
    frame = compute_features(events, EVERY_KIND, DayRange.single(TARGET.last))
    types = dict(frame.dtypes)
    assert frame.columns == [
        "transaction_id",
        "event_time",
        "customer_id",
        "terminal_id",
        *EVERY_KIND.names,
        "day",
    ]
    assert types["event_time"] == "timestamp"
    assert all(
        types[f.name] == ("bigint" if f.dtype == "int64" else "double") for f in EVERY_KIND.features
    )
    rows = frame.select("event_time", "day").collect()
    assert {row.day for row in rows} == {TARGET.last}
    assert [row.event_time for row in rows] == sorted(row.event_time for row in rows)
    assert all(row.event_time.date() == row.day for row in rows)


def test_ids_and_keys_may_be_text(events: DataFrame, expected: pd.DataFrame) -> None:
    """Numbers as text of fixed width sort as the numbers do, so the features are the same."""
    from pyspark.sql import functions as f

    columns = {
        name: f.format_string("%09d", name)
        for name in ("transaction_id", "customer_id", "terminal_id")
    }
    computed = compute_features(
        events.withColumns(columns), EVERY_KIND, TARGET, layout=Layout(stripes=2, buckets=2)
    )
    computed = (
        computed.toPandas().sort_values(["event_time", "transaction_id"]).reset_index(drop=True)
    )
    assert computed.transaction_id.astype("int64").tolist() == expected.transaction_id.tolist()
    names = list(EVERY_KIND.names)
    pd.testing.assert_frame_equal(computed[names], expected[names], check_exact=True)


def test_nothing_in_nothing_out(events: DataFrame) -> None:
    assert (
        compute_features(events.limit(0), EVERY_KIND, TARGET, layout=Layout(stripes=2)).count() == 0
    )


def test_a_null_key_is_named(events: DataFrame) -> None:
    from pyspark.sql import functions as f

    broken = events.withColumn(
        "customer_id", f.when(f.col("customer_id") > 0, f.col("customer_id"))
    )
    with pytest.raises(Exception, match="events lack 'customer_id'"):
        compute_features(broken, EVERY_KIND, TARGET).count()


def test_other_entities_other_names(spark: SparkSession) -> None:
    """Nothing in the engine knows fraud: another schema with one kind of entity works alike."""
    from features.definition import Entity, RequestAmount, WindowCount
    from tests.features.kinds import TEXTS

    schema = EventSchema(
        id="ride",
        time="started",
        amount="fare",
        entities=(Entity(name="station", key="station_code", description="where rides begin"),),
    )
    features = FeatureSet(
        name="rides",
        description="…",
        schema=schema,
        features=(RequestAmount(**TEXTS), WindowCount(entity="station", days=1, **TEXTS)),
    )
    start = datetime(2026, 5, 1, tzinfo=UTC)
    rides = [
        (n, start + timedelta(hours=9 * n), "ABC"[n % 2], Decimal("1.50"), None) for n in range(6)
    ]
    frame = spark.createDataFrame(
        rides,
        "ride bigint, started timestamp, station_code string, fare decimal(5,2), seen timestamp",
    )
    computed: Any = compute_features(
        frame, features, DayRange(date(2026, 5, 1), date(2026, 5, 2)), reported_at="seen"
    ).toPandas()
    assert computed.station_tx_count_1d.tolist() == [1, 1, 2, 2, 2, 2]
    assert computed.amount.tolist() == [1.5] * 6
