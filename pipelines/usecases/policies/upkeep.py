"""How long what is kept is kept, and when files are tidied up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class UpkeepPolicy:
    """`versions_days`: how long earlier versions of a table can be read, and a release be reproduced from them;
    `state_versions_days`: the same of the tables of state, written whole every night from the others;
    `settled_days`: how old a day is before its files are put together; `backups`: how many of the ledger are kept;
    `airflow_days`: how long Airflow's logs and the rows of its own database are kept.
    """

    versions_days: int = 100
    state_versions_days: int = 7
    settled_days: int = 7
    backups: int = 12
    airflow_days: int = 90

    def __post_init__(self) -> None:
        if self.backups < 1:
            raise ValueError(f"backups = {self.backups}: at least one is kept")
        if self.airflow_days < 7:
            raise ValueError(f"airflow_days = {self.airflow_days}: at least a week is kept, for retries and back-fills")
