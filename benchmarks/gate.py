"""Is the gate any good?

Its verdicts on pairs of models whose difference is known, beside a gate that compares points.

`python -m benchmarks.gate` (`make bench-gate`) prints tables for `benchmarks/README.md`. Aims: of
the candidates that are truly worse at most 1 % let through, of the truly better ones at most 20 %
refused.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.gate_pairs import Pair
    from benchmarks.gate_truth import Truth
    from pipelines.usecases.definition import UseCase

BANKS = 30
PROCESSES = 2
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A pair: the truth about the candidate, and what either gate decided.

    `loss` is the primary metric that production would lose by it (negative: gain), `slice_losses`
    the same by slice. `truth` is worse, equal or better by these; `verdict` the gate's decision,
    `failed` the checks behind it.
    """

    kind: str
    seed: int
    loss: float
    slice_losses: dict[str, float]
    truth: str
    verdict: str
    failed: list[str]
    point_loss: float
    seconds: float

    @property
    def point_verdict(self) -> str:
        """A gate that compares point values: not lower than the champion on the test days."""
        return "approved" if self.point_loss <= 0 else "refused"


def judge_bank(folder: str, number: int) -> list[Outcome]:
    """All pairs of the bank with that number."""
    from benchmarks.gate_pairs import pairs_of
    from benchmarks.gate_truth import read_truth
    from benchmarks.gate_worlds import BenchWorld, bench_use_case

    use_case = bench_use_case()
    bank = BenchWorld(1_000 + number, use_case)
    return [
        judge_pair(pair, read_truth(Path(folder), pair.condition))
        for pair in pairs_of(bank, number)
    ]


def judge_pair(pair: Pair, truth: Truth) -> Outcome:
    """Both gates on one pair, and the truth about it."""
    from benchmarks.gate_truth import losses
    from benchmarks.gate_worlds import bench_use_case
    from pipelines.releases.verdict import CANDIDATE, CHAMPION
    from pipelines.training.evaluate import evaluate

    use_case, bank, began = bench_use_case(), pair.bank, time.process_time()
    evaluation = evaluate(
        bank.seen(pair.frame),
        use_case,
        pair.candidate,
        pair.champion.scorer,
        pair.champion.as_of,
        golden=bank.golden,
    )
    seconds = time.process_time() - began
    metric = use_case.model.primary_metric
    points = [evaluation.figures[name][metric] for name in (CHAMPION, CANDIDATE)]
    loss, by_slice = losses(truth, use_case, pair.candidate.scorer, pair.champion.scorer)
    return Outcome(
        kind=pair.kind,
        seed=bank.seed,
        loss=loss,
        slice_losses=by_slice,
        truth=truth_of(loss, by_slice, use_case),
        verdict=evaluation.verdict.decision,
        failed=[check.name for check in evaluation.verdict.checks if check.outcome == "failed"],
        point_loss=points[0] - points[1],
        seconds=seconds,
    )


def truth_of(loss: float, slice_losses: dict[str, float], use_case: UseCase) -> str:
    """Worse where more than the policy's margin is lost, overall or on a slice; better where more
    than it is gained.
    """
    margin, slice_margin = use_case.model.champion_margin, use_case.evidence.slice_margin
    if loss > margin or any(lost > slice_margin for lost in slice_losses.values()):
        return "worse"
    return "better" if loss < -margin else "equal"


def outcomes(banks: int) -> Iterator[Outcome]:
    """The outcomes of all pairs of so many banks, as they come."""
    from benchmarks.gate_truth import CONDITIONS, write_truth
    from benchmarks.gate_worlds import bench_use_case

    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        for condition in CONDITIONS:
            write_truth(Path(folder), condition, bench_use_case())
        os.environ |= ONE_THREAD
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            tasks = [pool.apply_async(judge_bank, (folder, number)) for number in range(banks)]
            for task in tasks:
                yield from task.get()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the tables, and write the outcomes where asked."""
    from benchmarks.gate_table import tables

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--banks", type=int, default=BANKS, help="simulated banks, three to five pairs each"
    )
    parser.add_argument("--json", type=Path, help="write every pair's outcome to this file")
    chosen = parser.parse_args(arguments)
    measured = []
    for outcome in outcomes(chosen.banks):
        measured.append(outcome)
        print(
            f"{outcome.truth:<7} {outcome.verdict:<15} {outcome.kind}", file=sys.stderr, flush=True
        )
    print(tables(measured))
    if chosen.json:
        chosen.json.write_text(json.dumps([asdict(outcome) for outcome in measured], indent=1))


if __name__ == "__main__":
    main()
