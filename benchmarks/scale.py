"""One night by size: seconds and memory of each stage, from 10,000 to 1,000,000 transactions a day.

`python -m benchmarks.scale` prints rows for the table in `benchmarks/README.md`; `python -m
benchmarks.scale 100000 400000:hot` measures those sizes only (`hot`: a tenth of all transactions
happen at one terminal; `cluster`: the server computes on a standalone cluster, two workers of one
core; `alone`: without a server, each stage starts and ends a Spark of its own). Aim, at 400,000:
five minutes and 6 GiB on two cores.

As in a nightly run each stage is a process that asks the Spark Connect server, which has seen a
night of a small bank before. Memory is that of the server and all its processes, Python's workers
included, and of the stage's own; on the cluster also that of master, workers and executors. A
bank's history (37 days: what the windows reach back to) is set up before and not counted; neither
is the release.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.process_tree import GIB, Usage, measured
from benchmarks.scale_home import NIGHT
from pipelines.base.ports import LOCALHOST, answers
from pipelines.base.secrets import secret_file
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.services import processes
from pipelines.spark.token import SECRET
from tests.servers import free_port

STAGES = ("ingest", "features", "score", "monitor")
SIZES = ("10000", "100000", "400000", "400000:hot", "400000:cluster", "1000000")
SMALL_BANK = 2_000
WORKERS = ("spark-worker-1", "spark-worker-2")
WORKER_MEMORY = "1500m"
TOLLGATE = str(Path(sys.executable).parent / "tollgate")


KINDS = {
    "": "",
    "hot": ", a tenth at one terminal",
    "cluster": ", on a cluster of two workers",
    "alone": ", Spark started by each stage",
}


@dataclass(frozen=True)
class Night:
    """A night at a size: rows, and what is said of it after a colon."""

    size: str
    usages: dict[str, Usage]

    def to_markdown(self) -> str:
        """A row: size, each stage's seconds and peak, all seconds, the largest peak."""
        rows, _, kind = self.size.partition(":")
        title = KINDS[kind]
        cells = [
            f"{usage.seconds:.0f} s, {usage.peak / GIB:.1f} GiB" for usage in self.usages.values()
        ]
        seconds = sum(usage.seconds for usage in self.usages.values())
        peak = max(usage.peak for usage in self.usages.values())
        return (
            f"| {int(rows):,}{title} | {' | '.join(cells)} | **{seconds:.0f} s, {peak / GIB:.1f}"
            " GiB** |"
        )


def night(size: str, folder: Path) -> Night:
    """Set a bank up in the folder (where it is not there yet) and run the stages of its night."""
    rows, _, kind = size.partition(":")
    home, small = folder / "home", folder / "small"
    _prepare(home, rows, hot=kind == "hot")
    if kind == "alone":
        return Night(size, _stages(size, Settings.build(home=home).environment()))
    _prepare(small, str(SMALL_BANK))
    with spark_server(home, cluster=kind == "cluster") as (servers, remote):
        key = secret_file(Settings.build(home=small), SECRET)
        key.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(secret_file(Settings.build(home=home), SECRET), key)
        _stages("warming up", Settings.build(home=small, spark_remote=remote).environment())
        return Night(
            size,
            _stages(size, Settings.build(home=home, spark_remote=remote).environment(), *servers),
        )


def _prepare(home: Path, rows: str, *, hot: bool = False) -> None:
    if not (home / "landing").is_dir():
        command = [
            sys.executable,
            "-m",
            "benchmarks.scale_home",
            str(home),
            rows,
            *(["hot"] if hot else []),
        ]
        subprocess.run(command, check=True, cwd=CHECKOUT, stdout=sys.stderr)


def _stages(name: str, settings: Mapping[str, str], *beside: int) -> dict[str, Usage]:
    usages = {}
    for stage in STAGES:
        command = [TOLLGATE, "run", stage, "--from", str(NIGHT), "--to", str(NIGHT)]
        usages[stage] = measured(command, {**os.environ, **settings}, *beside)
        print(f"{name} {stage}: {usages[stage]}", file=sys.stderr, flush=True)
    return usages


@contextmanager
def spark_server(home: Path, *, cluster: bool = False) -> Iterator[tuple[list[int], str]]:
    """A Spark Connect server as `tollgate up` starts it, or one on a cluster: the processes, and
    its address.
    """
    settings, folder = Settings.build(home=home, spark_port=free_port()), home.parent / "server"
    records: list[processes.ProcessRecord] = []

    def start(name: str, component: str, settings: Settings, **extras: str) -> None:
        environment = {**os.environ, **settings.environment(), **extras}
        command = [TOLLGATE, "component", component]
        records.append(
            processes.start(name, command, environment=environment, folder=folder / name, port=0)
        )

    def wait_for(port: int) -> None:
        while not answers(port):
            record = records[-1]
            assert record.leader(), processes.last_lines(
                processes.log_path(folder / record.name, record.name)
            )
            time.sleep(0.2)

    try:
        if cluster:
            port = free_port()
            changes = {
                "spark_master": f"spark://{LOCALHOST}:{port}",
                "spark_executor_memory": WORKER_MEMORY,
            }
            settings = settings.model_copy(update=changes)
            start(
                "spark-master", "spark-master", settings, SPARK_MASTER_WEBUI_PORT=str(free_port())
            )
            wait_for(port)
            lent = {"SPARK_WORKER_CORES": "1", "SPARK_WORKER_MEMORY": WORKER_MEMORY}
            for name in WORKERS:
                start(
                    name, "spark-worker", settings, SPARK_WORKER_WEBUI_PORT=str(free_port()), **lent
                )
        start("spark", "spark", settings)
        wait_for(settings.spark_port)
        yield [record.pid for record in records], f"sc://{LOCALHOST}:{settings.spark_port}"
    finally:
        for record in reversed(records):
            processes.stop(folder / record.name, [record], patience=30)


def main(sizes: list[str]) -> None:
    """Print the table."""
    print("| transactions a day | " + " | ".join(STAGES) + " | all, largest |")
    print("|---|" + "---|" * (len(STAGES) + 1))
    for size in sizes or SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
            print(night(size, Path(folder)).to_markdown(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
