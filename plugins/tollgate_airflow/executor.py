"""An executor whose tasks need not import their libraries: the workers are forked from a process
that has done so.

Great Expectations, Evidently, Feast, MLflow and XGBoost take 2 to 7 seconds each to import. Airflow
forks its workers from the scheduler and each task from a worker, so what is imported once before
the first fork is shared by every task. Only libraries are preloaded, never our own code: an edited
stage takes effect with the next task.

Nor need the scheduler look five times a second whether a task has ended: it is woken when one has.
"""

from __future__ import annotations

import importlib
import time
from multiprocessing.connection import wait

from airflow.executors.local_executor import LocalExecutor

PRELOADED = (
    "airflow.sdk.execution_time.task_runner",
    "airflow.dag_processing.dagbag",
    "numpy",
    "pandas",
    "pyarrow.parquet",
    "sqlalchemy",
    "pyspark.sql.connect.session",
    "pyspark.sql.connect.functions",
    "great_expectations",
    "feast",
    "xgboost",
    "evidently",
    "mlflow",
)


LIVELY = 1.0
"""Seconds after a task began or ended in which more is likely to follow: a chain's next task, a
run's end.
"""

REST = 0.8
"""Seconds that the scheduler is held up at most afterwards; with its own sleep, it looks about once
a second.
"""


class PreloadedExecutor(LocalExecutor):
    """`LocalExecutor` with the stages' libraries imported before its workers are forked, and a
    scheduler that rests.
    """

    serve_logs = False
    """Logs are read from disk here; Airflow's log server would listen on every interface."""

    _known: frozenset[object] = frozenset()
    """What ran when it was last looked at, which was when something had begun or ended."""

    _moved = 0.0

    def start(self) -> None:
        """Import the libraries, then fork the workers."""
        begun = time.monotonic()
        for module in PRELOADED:
            importlib.import_module(module)
        self.log.info(
            "imported %d libraries for all tasks in %.1f s",
            len(PRELOADED),
            time.monotonic() - begun,
        )
        super().start()

    def sync(self) -> None:
        """Read which tasks have ended; where none has begun or ended for a while, wait for the next
        end, but briefly.

        The scheduler calls this in every round; a round costs some 20 ms of CPU, and a task
        computes for seconds.
        """
        if self._known != self.running:
            self._known, self._moved = frozenset(self.running), time.monotonic()
        if time.monotonic() - self._moved > LIVELY:
            wait([self.result_queue._reader], timeout=REST)
        super().sync()
