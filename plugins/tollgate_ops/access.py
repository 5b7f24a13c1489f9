"""Who may see and who may act: Airflow's own users, roles and tokens decide (decision 0220).

Who may read the scoring DAG sees the pages; who may edit it may move the pointer, as both change
what is scored.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request

from pipelines.airflow.names import Orchestration
from pipelines.base.settings import Settings

STAGE = "score"


def guarded_dag() -> str:
    """The DAG whose permissions are asked for."""
    return Orchestration(Settings.from_environment().use_case).dag_id(STAGE)


def may_read(request: Request, user: GetUserDep) -> None:
    """Raises 401 without a valid token, 403 where the user may not read the DAG."""
    requires_access_dag(method="GET", param_dag_id=guarded_dag())(request, user)


def may_act(request: Request, user: GetUserDep) -> None:
    """Raises 401 without a valid token, 403 where the user may not edit the DAG."""
    requires_access_dag(method="PUT", param_dag_id=guarded_dag())(request, user)


def acts(user: GetUserDep) -> bool:
    """Whether the user may edit the DAG: whether the pages show what can be done."""
    return bool(
        get_auth_manager().is_authorized_dag(
            method="PUT", details=DagDetails(id=guarded_dag()), user=user
        )
    )


Acts = Annotated[bool, Depends(acts)]
