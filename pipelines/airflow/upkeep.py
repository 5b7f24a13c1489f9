"""What Airflow leaves behind, removed when it is old: logs of its tasks and parts, rows of its
database.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.accounts.maintain import AirflowUpkeepAccount
from pipelines.airflow import server as airflow_server
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings

TABLES = (
    "log",
    "job",
    "dag_run",
    "task_instance",
    "task_instance_history",
    "task_reschedule",
    "xcom",
    "asset_event",
    "partitioned_asset_key_log",
    "import_error",
    "callback",
    "deadline",
    "revoked_token",
)
"""What grows with each run.

`airflow db clean` keeps the newest run of each DAG, whatever its age.
"""

PATIENCE = 1800
"""Seconds for `airflow db clean`; what it has done by then stays done."""


@dataclass(frozen=True, kw_only=True)
class AirflowTended:
    """Log files removed and their bytes; whether old rows were removed, and why not where it was
    tried and failed.
    """

    log_files: int
    log_bytes: int
    rows_cleaned: bool
    problem: str = ""

    def account(self) -> AirflowUpkeepAccount:
        """What the ledger keeps."""
        return AirflowUpkeepAccount(
            log_files=self.log_files,
            log_bytes=self.log_bytes,
            rows_cleaned=self.rows_cleaned,
            problem=self.problem,
        )


def tend_airflow(settings: Settings, *, before: datetime) -> AirflowTended:
    """Remove logs last written before that instant (UTC), and rows of the database that are older.

    A database that cannot be cleaned is told in `problem` and fails nothing: the next run tries
    again.
    """
    files, size = _remove_old_files(settings.home / "airflow" / "logs", before.timestamp())
    if not _has_database(settings):
        return AirflowTended(log_files=files, log_bytes=size, rows_cleaned=False)
    problem = _clean_rows(settings, before)
    return AirflowTended(log_files=files, log_bytes=size, rows_cleaned=not problem, problem=problem)


def _remove_old_files(folder: Path, before: float) -> tuple[int, int]:
    """Remove the files, then the folders that are empty; links are not followed."""
    files = size = 0
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            with suppress(FileNotFoundError):
                status = path.lstat()
                if status.st_mtime < before:
                    path.unlink()
                    files, size = files + 1, size + status.st_size
        if Path(place) != folder:
            with suppress(OSError):  # there is something in it
                Path(place).rmdir()
    return files, size


def _has_database(settings: Settings) -> bool:
    return bool(settings.airflow_database) or (settings.home / "airflow" / "airflow.db").is_file()


def _clean_rows(settings: Settings, before: datetime) -> str:
    """Run `airflow db clean`; why it failed, or nothing.

    Within a task Airflow forbids its database to what the task starts; upkeep may, so the mark of a
    task is left out.
    """
    command = [
        *airflow_server.command("db"),
        "clean",
        "--clean-before-timestamp",
        before.isoformat(),
    ]
    command += [
        "--tables",
        ",".join(TABLES),
        "--skip-archive",
        "--yes",
        "--error-on-cleanup-failure",
    ]
    environment = airflow_server.environment(settings)
    environment = {
        name: value for name, value in environment.items() if not name.startswith("_AIRFLOW")
    }
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            umask=0o077,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return mask_passwords(f"{type(error).__name__}: {error}")
    if done.returncode == 0:
        return ""
    return mask_passwords(" ".join((done.stdout + done.stderr).splitlines()[-3:]))
