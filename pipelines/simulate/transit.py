"""What has happened but has not been sent yet: late rows and fraud reports, by the day on which
they come.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, cast

import numpy as np

from pipelines.simulate.day import SimulatedDay
from pipelines.simulate.tables import Times, reports_table, transactions_table
from pipelines.simulate.transactions import Transactions
from pipelines.simulate.world import Ints


@dataclass
class InTransit:
    """Filled day by day in order, emptied on the day that something is due."""

    rows: dict[date, list[Transactions]] = field(default_factory=lambda: defaultdict(list))
    reports: dict[date, list[tuple[Ints, Times]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, made: SimulatedDay) -> None:
        """Take over what a day leaves for itself and later days."""
        for days_late in np.unique(made.lateness[made.lateness > 0]):
            arrives = made.day + timedelta(days=int(days_late))
            self.rows[arrives].append(made.events[made.lateness == days_late])
        reported = np.flatnonzero(~np.isnat(made.reported_at))
        days = made.reported_at[reported].astype("datetime64[D]")
        for day in np.unique(days):
            due = reported[days == day]
            self.reports[cast("date", day.item())].append(
                (made.events.transaction_id[due], made.reported_at[due])
            )

    def reports_due(self, day: date) -> Any:
        """The `fraud_reports` table (Arrow) of a day, in order of time; empty where nothing is
        reported.
        """
        parts = self.reports.pop(day, [])
        ids = [np.empty(0, np.int64), *(ids for ids, _ in parts)]
        times = [np.empty(0, "datetime64[us]"), *(times for _, times in parts)]
        return reports_table(np.concatenate(ids), np.concatenate(times))

    def rows_due(self, day: date) -> list[Any]:
        """`transactions` tables (Arrow) of earlier days' rows that come on this day."""
        return [transactions_table(rows) for rows in self.rows.pop(day, [])]
