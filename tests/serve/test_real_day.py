"""A whole real day through HTTP, in order: the features and the scores of the night, all of
them.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from features.kernel import NEVER, Events, compute
from pipelines.base.days import DayRange, midnight
from pipelines.releases.scorer import load_champion
from pipelines.serve.engine.engine import LiveEngine
from tests.pipelines.releases.boosters import make_bundle, make_champion
from tests.serve.nights import make_run, micros, write_night
from tests.serve.serving import served

DAY = date(2018, 7, 25)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WEEK = 7 * 86_400_000_000
ROWS = 64


def handbook_events(folder: Path, days: DayRange) -> Events:
    """The handbook's days, by (time, id); each fraud is reported seven days after it happened."""
    raw = pd.concat(
        [pd.read_parquet(folder / "handbook" / f"{day}.parquet") for day in days], ignore_index=True
    )
    raw = raw.sort_values(["TX_DATETIME", "TRANSACTION_ID"], ignore_index=True)
    time = raw["TX_DATETIME"].to_numpy().astype("datetime64[us]").astype(np.int64)
    return Events(
        id=raw["TRANSACTION_ID"].to_numpy(np.int64),
        time=time,
        cents=np.round(raw["TX_AMOUNT"].to_numpy(float) * 100).astype(np.int64),
        reported=np.where(raw["TX_FRAUD"] == 1, time + WEEK, NEVER),
        keys={
            "customer": raw["CUSTOMER_ID"].to_numpy(np.int64),
            "terminal": raw["TERMINAL_ID"].to_numpy(np.int64),
        },
    )


def table_of(events: Events, which: slice) -> pa.Table:
    """Events as a client sends them by Arrow."""
    amounts = pa.array(
        [f"{cents // 100}.{cents % 100:02d}" for cents in events.cents[which].tolist()]
    )
    return pa.table(
        {
            "transaction_id": events.id[which],
            "event_time": pa.array(events.time[which]).view(pa.timestamp("us", "UTC")),
            "customer_id": events.keys["customer"][which],
            "terminal_id": events.keys["terminal"][which],
            "amount": amounts.cast(pa.decimal128(12, 2)),
        }
    )


@pytest.mark.real
@pytest.mark.slow
def test_a_real_day_through_http_has_the_features_and_scores_of_the_night(
    real_data: Path, tmp_path: Path
) -> None:
    events = handbook_events(real_data, DayRange(DAY - timedelta(days=40), DAY))
    start = micros(midnight(DAY))
    today = np.flatnonzero(events.time >= start)
    due = np.flatnonzero((events.reported >= start) & (events.reported < start + 86_400_000_000))
    due = due[np.argsort(events.reported[due], kind="stable")].tolist()
    run = make_run(tmp_path / "home")
    write_night(run, events, DAY - timedelta(days=1), datetime(2018, 7, 25, 2, tzinfo=UTC))
    make_champion(run, make_bundle(tmp_path / "home", run.use_case.feature_sets["extended"]))
    answers = []
    with served(tmp_path / "home", opened=lambda: LiveEngine(run), any_time=True) as service:
        client = service.client(attempts=10)
        first = int(today[0])
        while first < len(events):
            while due and events.reported[due[0]] <= events.time[first]:
                reports = due.pop(0)
                at = EPOCH + timedelta(microseconds=int(events.reported[reports]))
                assert (
                    client.report(
                        [{"transaction_id": int(events.id[reports]), "reported_at": at}]
                    ).known
                    == 1
                )
            past = min(first + ROWS, len(events))
            if due:
                past = min(
                    past, max(first + 1, int(np.searchsorted(events.time, events.reported[due[0]])))
                )
            answers.append(client.score_table(table_of(events, slice(first, past)), features=True))
            first = past
    answered = pa.concat_tables(answers)
    scorer = load_champion(run)
    stored = run.use_case.stored_features
    values = compute([stored[name] for name in scorer.feature_names], events, today)
    matrix = np.column_stack([values[name].astype(float) for name in scorer.feature_names])
    assert answered.num_rows == len(today) > 9_000
    assert answered["score"].to_pylist() == scorer.score(matrix).tolist()
    for number, name in enumerate(scorer.feature_names):
        assert answered[f"feature.{name}"].to_pylist() == matrix[:, number].tolist(), name
