"""One night by size: seconds and memory of each stage, from 10,000 to 1,000,000 transactions a day.

`python -m benchmarks.scale` prints rows for the table in `benchmarks/README.md`; `python -m benchmarks.scale 100000
400000:hot` measures those sizes only (`hot`: a tenth of all transactions happen at one terminal; `alone`: without a
server, each stage starts and ends a Spark of its own). Aim, at 400,000: five minutes and 6 GiB on two cores.

As in a nightly run each stage is a process that asks the Spark Connect server, which has seen a night of a small bank
before. Memory is that of the server and all its processes, Python's workers included, and of the stage's own. A bank's
history (37 days: what the windows reach back to) is set up before and not counted; neither is the release.
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
from pipelines.platform import processes
from pipelines.platform.airflow_secrets import secret_file
from pipelines.platform.ports import answers
from pipelines.platform.settings import CHECKOUT, Settings
from pipelines.platform.spark_token import SECRET
from tests.servers import free_port

STAGES = ("ingest", "features", "score", "monitor")
SIZES = ("10000", "100000", "100000:hot", "400000", "400000:hot", "400000:alone", "1000000")
SMALL_BANK = 2_000
TOLLGATE = str(Path(sys.executable).parent / "tollgate")


@dataclass(frozen=True)
class Night:
    """A night at a size: rows, and what is said of it after a colon."""

    size: str
    usages: dict[str, Usage]

    def to_markdown(self) -> str:
        """A row: size, each stage's seconds and peak, all seconds, the largest peak."""
        rows, _, kind = self.size.partition(":")
        told = {"": "", "hot": ", a tenth at one terminal", "alone": ", Spark started by each stage"}[kind]
        cells = [f"{one.seconds:.0f} s, {one.peak / GIB:.1f} GiB" for one in self.usages.values()]
        seconds = sum(one.seconds for one in self.usages.values())
        peak = max(one.peak for one in self.usages.values())
        return f"| {int(rows):,}{told} | {' | '.join(cells)} | **{seconds:.0f} s, {peak / GIB:.1f} GiB** |"


def night(size: str, folder: Path) -> Night:
    """Set a bank up in the folder (where it is not there yet) and run the stages of its night."""
    rows, _, kind = size.partition(":")
    home, small = folder / "home", folder / "small"
    _prepare(home, rows, hot=kind == "hot")
    if kind == "alone":
        return Night(size, _stages(size, Settings.build(home=home).environment()))
    _prepare(small, str(SMALL_BANK))
    with spark_server(home) as (server, remote):
        key = secret_file(Settings.build(home=small), SECRET)
        key.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(secret_file(Settings.build(home=home), SECRET), key)
        _stages("warming up", Settings.build(home=small, spark_remote=remote).environment())
        return Night(size, _stages(size, Settings.build(home=home, spark_remote=remote).environment(), server))


def _prepare(home: Path, rows: str, *, hot: bool = False) -> None:
    if not (home / "landing").is_dir():
        command = [sys.executable, "-m", "benchmarks.scale_home", str(home), rows, *(["hot"] if hot else [])]
        subprocess.run(command, check=True, cwd=CHECKOUT, stdout=sys.stderr)


def _stages(name: str, settings: Mapping[str, str], *beside: int) -> dict[str, Usage]:
    usages = {}
    for stage in STAGES:
        command = [TOLLGATE, "run", stage, "--from", str(NIGHT), "--to", str(NIGHT)]
        usages[stage] = measured(command, {**os.environ, **settings}, *beside)
        print(f"{name} {stage}: {usages[stage]}", file=sys.stderr, flush=True)
    return usages


@contextmanager
def spark_server(home: Path) -> Iterator[tuple[int, str]]:
    """A Spark Connect server as `tollgate up` starts it: its process, and its address."""
    settings, folder = Settings.build(home=home, spark_port=free_port()), home.parent / "server"
    environment = {**os.environ, **settings.environment()}
    command = [TOLLGATE, "component", "spark"]
    record = processes.start("spark", command, environment=environment, folder=folder, port=0)
    try:
        while not answers(settings.spark_port):
            assert record.leader(), processes.last_lines(processes.log_path(folder, "spark"))
            time.sleep(0.2)
        yield record.pid, f"sc://127.0.0.1:{settings.spark_port}"
    finally:
        processes.stop(folder, [record], patience=30)


def main(sizes: list[str]) -> None:
    """Print the table."""
    print("| transactions a day | " + " | ".join(STAGES) + " | all, largest |")
    print("|---|" + "---|" * (len(STAGES) + 1))
    for size in sizes or SIZES:
        with tempfile.TemporaryDirectory(prefix="bench-scale-") as folder:
            print(night(size, Path(folder)).to_markdown(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
