"""The simulated world resembles the public handbook data: the same distributions, up to the luck of
the draw.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.simulate.incidents import Effects
from pipelines.simulate.transactions import transactions_of
from pipelines.simulate.world import WorldSize, build_world
from tests.pipelines.simulate.worlds import START

DAYS = 60
pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def real(real_data: Path) -> pd.DataFrame:
    """Sixty handbook days from 2018-05-06 on, when compromised terminals and cards have reached
    their usual number.
    """
    names = {
        "TX_DATETIME": "time",
        "CUSTOMER_ID": "customer",
        "TERMINAL_ID": "terminal",
        "TX_AMOUNT": "amount",
    }
    files = sorted((real_data / "handbook").glob("*.parquet"))[35 : 35 + DAYS]
    frame = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
    return frame.rename(columns=names | {"TX_FRAUD_SCENARIO": "scenario"})


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    world, frames = build_world(WorldSize(seed=3)), []
    for number in range(DAYS):
        events = transactions_of(world, START + timedelta(days=number), Effects())
        columns = {
            "time": events.event_time,
            "customer": events.customer_id,
            "terminal": events.terminal_id,
        }
        frames.append(
            pd.DataFrame(columns | {"amount": events.cents / 100, "scenario": events.scenario})
        )
    return pd.concat(frames, ignore_index=True)


def _daily(frame: pd.DataFrame, column: str) -> float:
    return float(frame.groupby(frame.time.dt.date)[column].nunique().mean())


def test_volume_and_who_is_active(real: pd.DataFrame, simulated: pd.DataFrame) -> None:
    assert len(simulated) == pytest.approx(len(real), rel=0.03)
    for column in ("customer", "terminal"):
        assert _daily(simulated, column) == pytest.approx(_daily(real, column), rel=0.03)
    reach = [frame.groupby("customer").terminal.nunique().mean() for frame in (simulated, real)]
    assert reach[0] == pytest.approx(reach[1], rel=0.05)
    spread = [frame.groupby(frame.time.dt.date).size().std() for frame in (simulated, real)]
    assert spread[0] == pytest.approx(spread[1], rel=0.3)


def test_amounts(real: pd.DataFrame, simulated: pd.DataFrame) -> None:
    levels = [0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    np.testing.assert_allclose(
        simulated.amount.quantile(levels), real.amount.quantile(levels), rtol=0.06
    )


def test_hours(real: pd.DataFrame, simulated: pd.DataFrame) -> None:
    shares = [
        frame.time.dt.hour.value_counts(normalize=True).sort_index() for frame in (simulated, real)
    ]
    assert (shares[0] - shares[1]).abs().max() < 0.002


def test_fraud_by_scenario(real: pd.DataFrame, simulated: pd.DataFrame) -> None:
    assert (simulated.scenario > 0).mean() == pytest.approx((real.scenario > 0).mean(), rel=0.15)
    for scenario in (1, 2, 3):
        shares = [(frame.scenario == scenario).mean() for frame in (simulated, real)]
        assert shares[0] == pytest.approx(shares[1], rel=0.3)
    stolen = [frame[frame.scenario == 3].amount.median() for frame in (simulated, real)]
    assert stolen[0] == pytest.approx(stolen[1], rel=0.25)
