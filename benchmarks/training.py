"""Training by size: seconds and memory of a fit from a frame in memory, in batches, and in batches
kept on disk.

`python -m benchmarks.training` prints rows for the table in `benchmarks/README.md`. Rows are those
of 31 features as Parquet files of half a million, as the lake has them by day. *memory* is what the
train stage does: a pandas frame of float64 columns, and from it XGBoost's bins. *batches* reads
file after file into `QuantileDMatrix`, so that only the bins stay; *disk* into
`ExtMemQuantileDMatrix`, which keeps those in files too. The booster is the use case's, with fewer
rounds: each further one takes as long as the last.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xgboost as xgb

from benchmarks.process_tree import GIB, measured
from pipelines.training.fitting import BINS, booster_settings, compact_matrix_of, fit_booster
from pipelines.usecases.fraud import USE_CASE

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROWS_A_FILE = 500_000
ROUNDS = 5
LABEL = "label"
FEATURES = USE_CASE.feature_sets[USE_CASE.model.feature_set].features
NAMES = [feature.name for feature in FEATURES]
PARAMETERS = {**USE_CASE.model.fixed, **USE_CASE.model.search[0], "num_boost_round": ROUNDS}
RUNS = (("memory", 1), ("memory", 2), ("batches", 2), ("disk", 2), ("batches", 8), ("disk", 8))
"""How, and how many million rows."""


def write_rows(folder: Path, files: int) -> None:
    """Random rows of the features' dtypes, one in fifty positive by what the first two columns
    hold.
    """
    for number in range(files):
        rng = np.random.default_rng(number)
        columns = {
            feature.name: rng.poisson(5, ROWS_A_FILE)
            if feature.dtype == "int64"
            else rng.gamma(2.0, 30.0, ROWS_A_FILE).round(2)
            for feature in FEATURES
        }
        label = rng.random(ROWS_A_FILE) < columns[NAMES[0]] * (1 + columns[NAMES[1]]) / 18_000
        pq.write_table(
            pa.table({**columns, LABEL: label.astype(np.float64)}), folder / f"{number:03}.parquet"
        )


class Batches(xgb.DataIter):
    """The files one after the other, float32; at most one of them is in memory."""

    def __init__(self, files: list[Path], cache: str | None = None) -> None:
        self.files, self.at = files, 0
        super().__init__(cache_prefix=cache)

    def reset(self) -> None:
        """Begin anew: XGBoost goes through the batches several times."""
        self.at = 0

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over the next file; False where there is none."""
        if self.at == len(self.files):
            return False
        table = pq.read_table(self.files[self.at])
        matrix = np.empty((table.num_rows, len(NAMES)), dtype=np.float32)
        for index, name in enumerate(NAMES):
            matrix[:, index] = table[name].to_numpy()
        input_data(data=matrix, label=table[LABEL].to_numpy(), feature_names=NAMES)
        self.at += 1
        return True


def fit(way: str, files: list[Path], scratch: Path) -> xgb.Booster:
    """Fit to the rows of the files: in `memory`, by `batches`, or with the bins on `disk`."""
    if way == "memory":
        frame = pa.concat_tables([pq.read_table(path) for path in files]).to_pandas()
        for name in NAMES:
            frame[name] = frame[name].astype(np.float64)
        label: NDArray[np.float64] = frame[LABEL].to_numpy()
        return fit_booster(compact_matrix_of(frame, NAMES), label, NAMES, PARAMETERS, seed=1)
    settings = booster_settings(NAMES, PARAMETERS, seed=1)
    threads = {"nthread": settings["nthread"], "max_bin": settings[BINS]}
    if way == "batches":
        data: xgb.DMatrix = xgb.QuantileDMatrix(Batches(files), **threads)
    else:
        data = xgb.ExtMemQuantileDMatrix(Batches(files, str(scratch / "cache")), **threads)
    return xgb.train(settings, data, num_boost_round=ROUNDS)


def main(runs: list[tuple[str, int]]) -> None:
    """Print the table."""
    print("| how | rows | seconds | peak memory | rows in a GiB |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        write_rows(Path(folder), max(millions for _, millions in runs) * 1_000_000 // ROWS_A_FILE)
        for way, millions in runs:
            usage = measured(
                [sys.executable, "-m", "benchmarks.training", way, str(millions), folder],
                os.environ,
            )
            rows = millions * 1_000_000
            peak = f"{usage.peak / GIB:.1f} GiB | {rows / usage.peak * GIB / 1e6:.1f} million"
            print(f"| {way} | {rows:,} | {usage.seconds:.0f} s | {peak} |", flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [way, millions, folder]:
            chosen = sorted(Path(folder).glob("*.parquet"))[
                : int(millions) * 1_000_000 // ROWS_A_FILE
            ]
            with tempfile.TemporaryDirectory() as scratch:
                fit(way, chosen, Path(scratch))
        case [] | [_] as given:
            main(
                [(way, int(size)) for way, _, size in (option.partition(":") for option in given)]
                or list(RUNS)
            )
        case given:
            main([(way, int(size)) for way, _, size in (option.partition(":") for option in given)])
