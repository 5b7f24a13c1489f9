"""A DAG that asks a person as `train` does, about the release that its run names: no training
before the question.

Airflow of the tests has it beside our own DAGs (`tests/dags/world.py`). What a training's verdict
is depends on the model; whether a person's answer reaches the ledger must not be seen only where
the verdict happens to ask for one.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import (
    DAG,
    Asset,
    Param,
    PartitionedAssetTimetable,
    TaskGroup,
    get_current_context,
    task,
)

from plugins.tollgate_airflow.approving import TRAIN, promote_approved, release_approval

NEVER = PartitionedAssetTimetable(assets=Asset("nobody-updates-this"))
"""Runs are of a day, as those of `train`, and start by hand."""

with DAG("asking", schedule=NEVER, params={"approval": Param({}, type="object")}):

    @task(task_id=TRAIN)
    def train() -> dict[str, Any]:
        """The part of a training's account that asks."""
        return {"approval": get_current_context()["params"]["approval"]}

    trained = train()
    with TaskGroup("person"):
        ask = release_approval("fraud")

        @task
        def promote() -> dict[str, Any]:
            """As in `train`."""
            return promote_approved("fraud", get_current_context(), ask.task_id)

        trained >> ask >> promote()
