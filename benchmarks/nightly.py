"""One night through Airflow: wall-clock of the chain for about 10,000 rows, and how much of it is
orchestration.

`python -m benchmarks.nightly` prints rows for the table in `benchmarks/README.md`. Aim: at most 60
s a night on two cores. A world of 5,000 customers is loaded in bulk, a model trained, the services
started; a first day warms the Spark server up, then each night is run alone. *Stages* is the time
inside the stage functions on the way from ingest to monitor (materialize runs beside score);
*orchestration* is all the rest: scheduling, forking, parsing, reporting.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipelines.airflow.api import AirflowApi, DagRun, TaskRun
from pipelines.airflow.names import Orchestration
from pipelines.base.days import DayRange
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.ledger.ledger import Ledger

START = date(2026, 1, 1)
HISTORY_DAYS = 70
NIGHTS = 3
STAGES = {
    "ingest": "ingest",
    "features": "offline.build_features",
    "score": "score",
    "monitor": "watch.monitor",
}
_SECONDS = re.compile(r"done in ([0-9.]+) s")


@dataclass(frozen=True)
class Night:
    """A night's rows and seconds: from the first task's start to the last one's end, and inside
    each stage.
    """

    day: date
    rows: int
    wall: float
    stages: dict[str, float]

    @property
    def orchestration(self) -> float:
        """Seconds that were spent outside the stages."""
        return self.wall - sum(self.stages.values())

    def to_markdown(self) -> str:
        """A row: night, rows, wall-clock, orchestration, each stage."""
        rest = f"{self.orchestration:.1f} s ({self.orchestration / self.wall:.0%})"
        stages = ", ".join(f"{name} {seconds:.1f}" for name, seconds in self.stages.items())
        return f"| {self.day} | {self.rows:,} | {self.wall:.1f} s | {rest} | {stages} |"


def nights(home: Path) -> list[Night]:
    """Set everything up in `home`, run a warm-up day and `NIGHTS` nights, and take it down
    again.
    """
    ports = dict(zip(("spark_port", "airflow_port", "mlflow_port"), _free_ports(3), strict=True))
    settings = Settings.build(home=home, **ports)
    live = DayRange.of_length(START + timedelta(days=HISTORY_DAYS), NIGHTS + 1)
    history = ("--from", str(START), "--to", str(live.first - timedelta(days=1)))
    _tollgate(
        settings,
        "simulate",
        "--start",
        str(START),
        "--days",
        str(HISTORY_DAYS + NIGHTS + 1),
        "--seed",
        "1",
    )
    try:
        _tollgate(settings, "up")
        connected = settings.model_copy(
            update={"spark_remote": f"sc://127.0.0.1:{settings.spark_port}"}
        )
        _tollgate(connected, "run", "ingest", *history)
        _tollgate(connected, "run", "features", *history)
        _tollgate(connected, "train", "--as-of", str(live.first))
        for day in live:
            _tollgate(settings, "backfill", "--from", str(day), "--to", str(day))
        return [_night(settings, day) for day in live if day != live.first]
    finally:
        _tollgate(settings, "down")


def _night(settings: Settings, day: date) -> Night:
    api, names = AirflowApi(settings), Orchestration(settings.use_case)
    figures = {}
    for stage, task_id in STAGES.items():
        run = api.runs(names.dag_id(stage), str(day))[-1]
        figures[stage] = (run, next(task for task in api.tasks(run) if task.task_id == task_id))
    begun, ended = figures["ingest"][0].started, figures["monitor"][1].ended
    assert begun is not None
    assert ended is not None
    rows = (
        Ledger(settings.ledger, settings.use_case)
        .latest("ingest", first=day, last=day)[day]
        .account.rows_in
    )
    stages = {stage: _seconds(api, run, task) for stage, (run, task) in figures.items()}
    return Night(day=day, rows=rows, wall=(ended - begun).total_seconds(), stages=stages)


def _seconds(api: AirflowApi, run: DagRun, task: TaskRun) -> float:
    """Seconds inside the stage function, as the task's log says."""
    match = _SECONDS.search(api.log(run, task))
    assert match is not None, f"the log of {task.task_id} tells no seconds"
    return float(match[1])


def _tollgate(settings: Settings, *arguments: str) -> None:
    command = [str(Path(sys.executable).parent / "tollgate"), *arguments]
    subprocess.run(
        command,
        env={**os.environ, **settings.environment()},
        cwd=CHECKOUT,
        check=True,
        stdout=sys.stderr,
    )


def _free_ports(count: int) -> list[int]:
    servers = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in servers]
    for server in servers:
        server.close()
    return ports


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        measured = nights(Path(folder) / "home")
    print("| night | rows | wall-clock | of that orchestration | inside the stages, s |")
    print("|---|---|---|---|---|")
    for night in measured:
        print(night.to_markdown())


if __name__ == "__main__":
    main()
