"""Cost: seconds per training and per 1,000 predictions, from what the stages' runs recorded of
themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipelines.accounts.account import Account
from pipelines.accounts.cost import CostAccount
from pipelines.ledger.ledger import StageRecord
from pipelines.ops.measure import Measure, median_of, plural

GROUP = "Cost"
NOT_RECORDED = "not recorded: only runs through Airflow or `tollgate run` record their time"
SPARK_APART = (
    "CPU of the task's own process; Spark's server works apart, so wall seconds are {wall:,.1f}"
)


def cost_measures(history: Sequence[StageRecord[Account]]) -> list[Measure]:
    """Medians over the runs of a stage; targets are not set before a site knows what a second costs
    it.
    """
    runs = [record.account for record in history if isinstance(record.account, CostAccount)]
    training = [run for run in runs if run.stage == "train"]
    scoring = [run for run in runs if run.stage == "score" and run.rows]
    return [
        _measure("CPU per training", "seconds", training, [1.0] * len(training), "training"),
        _measure(
            "CPU per 1,000 predictions",
            "seconds per 1,000 predictions",
            scoring,
            [1000 / run.rows for run in scoring],
            "scoring run",
        ),
    ]


def _measure(
    name: str, unit: Any, runs: Sequence[CostAccount], scales: Sequence[float], what: str
) -> Measure:
    cpu = [run.cpu_seconds * scale for run, scale in zip(runs, scales, strict=True)]
    wall = [run.wall_seconds * scale for run, scale in zip(runs, scales, strict=True)]
    wall_median = median_of(wall)
    basis = (
        f"median of {plural(len(runs), what)}; {SPARK_APART.format(wall=wall_median)}"
        if wall_median is not None
        else NOT_RECORDED
    )
    return Measure(group=GROUP, name=name, unit=unit, value=median_of(cpu), basis=basis)
