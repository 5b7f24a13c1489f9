"""Names of what Airflow runs: DAGs, tasks, pools and assets, shared by the DAGs and by those who
watch them.

The default use case's DAGs have the stages' plain names; another use case's begin with its own
name.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.base.settings import DEFAULT_USE_CASE

CHAIN = ("ingest", "features", "score", "monitor")
"""The DAGs that a day runs through, in order; each follows the assets of the one before."""

BESIDE = ("train", "train_weekly", "deadlines", "parity", "served", "maintain")
"""The DAGs beside the chain."""

WRITERS = ("ingest", "features", "materialize", "score", "monitor", "train")
"""The stages that write; each writes tables of its own, one run at a time."""


SCHEDULED = "/scheduled__"
"""What the run id of a stage contains that the schedule started, and nobody by hand or by a
backfill.
"""


@dataclass(frozen=True)
class Orchestration:
    """The names that belong to one use case."""

    use_case: str

    def dag_id(self, stage: str) -> str:
        """`ingest` for the default use case, `<use case>_ingest` for others."""
        return stage if self.use_case == DEFAULT_USE_CASE else f"{self.use_case}_{stage}"

    @property
    def chain(self) -> tuple[str, ...]:
        """DAG ids of the nightly chain, in order."""
        return tuple(self.dag_id(stage) for stage in CHAIN)

    @property
    def dag_ids(self) -> tuple[str, ...]:
        """All DAG ids of the use case."""
        return (*self.chain, *(self.dag_id(name) for name in BESIDE))

    @property
    def declaration_dag(self) -> str:
        """The DAG that stands for all others where the declaration does not load."""
        return f"{self.use_case}_declaration"

    def pool(self, stage: str) -> str:
        """The pool of one slot that makes `stage` the only writer of its tables."""
        return f"{self.use_case}_{stage}"

    @property
    def pools(self) -> dict[str, str]:
        """Every pool by name, with what it is for."""
        return {self.pool(stage): f"one writer: {stage} of {self.use_case}" for stage in WRITERS}

    def asset(self, what: str) -> str:
        """Name of an asset: a table of the lake, the online state, the drift signal, the
        release.
        """
        return f"{self.use_case}.{what}"

    def held_back(self, stage: str) -> tuple[str, ...]:
        """DAG ids that do not run for a day on which `stage` has failed."""
        if stage not in CHAIN:
            return ()
        return self.chain[CHAIN.index(stage) + 1 :]
