"""An executor whose tasks need not import their libraries: the workers are forked from a process that has done so.

Great Expectations, Evidently, Feast, MLflow and XGBoost take 2 to 7 seconds each to import. Airflow forks its workers
from the scheduler and each task from a worker, so what is imported once before the first fork is shared by every task.
Only libraries are preloaded, never our own code: an edited stage takes effect with the next task.
"""

from __future__ import annotations

import importlib
import time

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


class PreloadedExecutor(LocalExecutor):
    """`LocalExecutor` with the stages' libraries imported before its workers are forked."""

    serve_logs = False
    """Logs are read from disk here; Airflow's log server would listen on every interface."""

    def start(self) -> None:
        """Import the libraries, then fork the workers."""
        begun = time.monotonic()
        for module in PRELOADED:
            importlib.import_module(module)
        self.log.info("imported %d libraries for all tasks in %.1f s", len(PRELOADED), time.monotonic() - begun)
        super().start()
