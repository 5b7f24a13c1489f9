"""Small worlds and what they send, for the simulator's tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq

from pipelines.base.days import DayRange
from pipelines.landing.landing import Landing
from pipelines.object_store.storage import LocalStorage
from pipelines.simulate.day import DayPlan
from pipelines.simulate.delivery import Sent, simulate
from pipelines.simulate.world import WorldSize

SIZE = WorldSize(customers=300, terminals=500, seed=5)
START = date(2026, 11, 1)


def day(number: int) -> date:
    """The day so many days after START."""
    return START + timedelta(days=number)


class Home:
    """A landing zone and a truth folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.landing = Landing(LocalStorage(folder / "landing"))

    def simulate(
        self,
        first: int,
        last: int,
        plans: Mapping[int, DayPlan] | None = None,
        size: WorldSize = SIZE,
    ) -> list[Sent]:
        """Simulate days number `first` to `last`, those in `plans` by their plan."""
        by_day = {day(number): plan for number, plan in (plans or {}).items()}
        days = DayRange(day(first), day(last))
        return list(simulate(self.landing, self.folder / "truth", size, days, by_day))

    def files(self) -> dict[str, bytes]:
        """Every file, by its path."""
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def rows(self, feed: str, number: int) -> pd.DataFrame:
        """The verified rows of a landed day."""
        paths = self.landing.fetch(feed, day(number), self.folder / "scratch")
        tables = [
            pq.read_table(path) if path.suffix == ".parquet" else pc.read_csv(path)
            for path in paths
        ]
        return pa.concat_tables(tables).to_pandas()

    def truth(self, number: int) -> pd.DataFrame:
        """What really happened on a day: frauds and reported transactions."""
        return pq.read_table(self.folder / "truth" / f"{day(number)}.parquet").to_pandas()
