"""A small lake with something to learn: feature rows, events and reports over enough days to train
and test on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.base.arrow_types import arrow_type
from pipelines.base.days import DayRange
from pipelines.run import Run
from pipelines.usecases.definition import UseCase
from tests.accounts import ingest_account
from tests.pipelines.lake_rows import replace_rows

AS_OF = date(2026, 11, 9)
DAYS = DayRange(AS_OF - timedelta(days=49), AS_OF - timedelta(days=1))
ROWS_A_DAY = 600
TELLING = "terminal_fraud_rate_7d"


@dataclass(frozen=True)
class History:
    """Pandas frames as the lake's tables of the same names hold them."""

    features: pd.DataFrame
    transactions: pd.DataFrame
    fraud_reports: pd.DataFrame


def small_use_case() -> UseCase:
    """The fraud use case with a model that is fitted in a second and nothing to search."""
    from pipelines.usecases.fraud import USE_CASE

    quick = {"num_boost_round": 40, "max_depth": 4, "learning_rate": 0.2}
    return replace(
        USE_CASE, model=replace(USE_CASE.model, feature_set="baseline", fixed=quick, search=())
    )


def make_history(
    run: Run, days: DayRange = DAYS, *, seed: int = 5, only_rule: bool = False
) -> History:
    """Frauds with very large amounts, and with middling ones where `TELLING` is high, which no
    straight line finds.

    With `only_rule` the declared rule is the whole truth, so that nothing can beat it. Each fraud
    is reported exactly seven days later; besides, every fiftieth event is reported in the days
    after `AS_OF`, when a model is made already.
    """
    rng = np.random.default_rng(seed)
    rows = len(days) * ROWS_A_DAY
    number = np.repeat(np.arange(len(days)), ROWS_A_DAY)
    values = {
        feature.name: _values(rng, rows, feature.dtype)
        for feature in run.use_case.stored_features.features
    }
    values["amount"] = np.round(rng.gamma(2.0, 30.0, rows), 2)
    values[TELLING] = np.where(rng.random(rows) < 0.05, rng.uniform(0.3, 1.0, rows), 0.0)
    risk = np.where(values["amount"] > 220, 0.7, 0.002)
    risk = np.where((values[TELLING] > 0) & (np.abs(values["amount"] - 60) < 25), 0.8, risk)
    fraud = values["amount"] > 220 if only_rule else rng.random(rows) < risk
    start = pd.Timestamp(days.first, tz="UTC")
    time = start + pd.to_timedelta(number * 86_400 + rng.integers(0, 86_400, rows), unit="s")
    keys = {
        "transaction_id": np.arange(1, rows + 1),
        "event_time": time.as_unit("us"),
        "customer_id": rng.integers(1, 3000, rows),
        "terminal_id": rng.integers(1, 500, rows),
    }
    day = [days.first + timedelta(days=int(n)) for n in number]
    features = pd.DataFrame({**keys, **values, "day": day})
    transactions = pd.DataFrame({**keys, "amount": values["amount"], "day": day, "source_day": day})
    return History(features, transactions, _reports(features, fraud))


def store_history(run: Run, history: History) -> None:
    """Write the history into the run's lake."""
    store_table(run, "features", history.features)
    store_table(run, "transactions", history.transactions)
    store_table(run, "fraud_reports", history.fraud_reports)
    record_ingested(run)


def record_ingested(run: Run) -> None:
    """Say in the run's ledger that all days are ingested."""
    ingested = {day: ingest_account(state="arrived") for day in DAYS}
    run.ledger.record_stages(ingested, "done", run_id="setup", at=run.clock())


def store_table(run: Run, table: str, frame: pd.DataFrame) -> None:
    """Replace all days that the frame holds; the columns of a feed get their declared types."""
    days = DayRange(frame["day"].min(), frame["day"].max())
    rows = pa.Table.from_pandas(frame, preserve_index=False)
    for feed in run.use_case.feeds:
        for column in feed.columns if feed.name == table else ():
            place = rows.schema.get_field_index(column.name)
            values = rows[column.name]
            if column.type.startswith("decimal"):
                values = pc.round(values, 2)
            rows = rows.set_column(place, column.name, values.cast(arrow_type(column.type)))
    replace_rows(run, table, rows, days)


def _values(rng: np.random.Generator, rows: int, dtype: str) -> np.ndarray:
    return rng.poisson(5, rows).astype(np.int64) if dtype == "int64" else rng.gamma(4.0, 10.0, rows)


def _reports(features: pd.DataFrame, fraud: np.ndarray) -> pd.DataFrame:
    late = ~fraud & (features["transaction_id"] % 50 == 0).to_numpy()
    after = pd.Timestamp(AS_OF, tz="UTC") + pd.to_timedelta(
        features["transaction_id"] % 5 + 1, unit="h"
    )
    reported_at = (features["event_time"] + pd.Timedelta(days=7)).where(~late, after)
    reports = pd.DataFrame(
        {"transaction_id": features["transaction_id"], "reported_at": reported_at}
    )[fraud | late]
    day = reports["reported_at"].dt.date
    return reports.assign(day=day, source_day=day).sort_values("reported_at")
