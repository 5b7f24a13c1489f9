"""The ground truth: what really happened, and how each day was simulated.

The pipeline never reads this folder.

`world.json` keeps the world's size and each simulated day's plan, so that a later call goes on with
the same world: a day's files are a function of this record alone. `<day>.parquet` lists the day's
frauds and reported transactions.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.base.errors import ConfigurationError
from pipelines.landing.part_files import encode
from pipelines.object_store.storage import LocalStorage
from pipelines.simulate.day import DayPlan, SimulatedDay
from pipelines.simulate.incidents import INCIDENTS
from pipelines.simulate.reports import Reporting
from pipelines.simulate.tables import truth_table
from pipelines.simulate.world import WorldSize

_RECORD = "world.json"


class Truth:
    """The truth folder of one world; raises `ConfigurationError` where it holds another world or is
    damaged.
    """

    def __init__(self, folder: Path, size: WorldSize) -> None:
        self.storage = LocalStorage(folder)
        self.size = size
        self.plans = self._read()

    def write(self, made: SimulatedDay) -> None:
        """Keep what happened on a day, in place of what an earlier call wrote."""
        table = truth_table(made.events, made.reported_at)
        self.storage.write(f"{made.day}.parquet", encode(table, "parquet"))

    def record(self, day: date, plan: DayPlan) -> None:
        """Remember how the day was simulated, once its files are written."""
        if self.plans.get(day) != plan or self.storage.read(_RECORD) is None:
            self.plans[day] = plan
            days = {str(day): _plan_to_json(plan) for day, plan in sorted(self.plans.items())}
            self.storage.write(
                _RECORD, json.dumps({"world": asdict(self.size), "days": days}, indent=1).encode()
            )

    def _read(self) -> dict[date, DayPlan]:
        content = self.storage.read(_RECORD)
        if content is None:
            return {}
        try:
            document = json.loads(content)
            size = WorldSize(**document["world"])
            plans = {
                date.fromisoformat(day): _plan_from_json(plan)
                for day, plan in document["days"].items()
            }
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._damaged(f"{type(error).__name__}: {error}") from error
        if size != self.size:
            raise self._another_world(size)
        return plans

    def _damaged(self, problem: str) -> ConfigurationError:
        return ConfigurationError(
            "the record of the simulated world cannot be read",
            where=f"{self.storage.address}/{_RECORD}",
            expected="the file that `tollgate simulate` wrote",
            found=problem,
            next_step="put the file back, or simulate into another TOLLGATE_HOME",
        )

    def _another_world(self, recorded: WorldSize) -> ConfigurationError:
        return ConfigurationError(
            "this home holds days of another simulated world",
            where=f"{self.storage.address}/{_RECORD}",
            expected=(
                f"--customers {self.size.customers} --terminals {self.size.terminals} --seed"
                f" {self.size.seed}"
            ),
            found=(
                f"--customers {recorded.customers} --terminals {recorded.terminals} --seed"
                f" {recorded.seed}"
            ),
            next_step=(
                "give those numbers to go on with that world, or use another TOLLGATE_HOME for a"
                " new one"
            ),
        )


def _plan_to_json(plan: DayPlan) -> dict[str, Any]:
    return {
        "incidents": list(plan.incidents),
        "file_format": plan.file_format,
        **asdict(plan.reporting),
    }


def _plan_from_json(plan: dict[str, Any]) -> DayPlan:
    unknown = [name for name in plan["incidents"] if name not in INCIDENTS]
    if unknown:
        raise ValueError(f"unknown incidents: {', '.join(map(str, unknown))}")
    return DayPlan(
        tuple(plan["incidents"]), Reporting(plan["spread"], plan["unreported"]), plan["file_format"]
    )
