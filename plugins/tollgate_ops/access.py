"""Who may see and who may act: Airflow's own users, roles and tokens decide (decision 0220).

Who may read a use case's scoring DAG sees its pages; who may edit it may move the pointer, as both
change what is scored.
"""

from __future__ import annotations

from typing import Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, Request

from pipelines.airflow.names import Orchestration
from pipelines.base.settings import Settings

STAGE = "score"


def use_case_of(request: Request) -> str:
    """The use case that the address names (`/u/NAME/…`), else the one of the settings."""
    named = request.path_params.get("use_case")
    return str(named) if named else Settings.from_environment().use_case


def guarded_dag(use_case: str) -> str:
    """The DAG whose permissions are asked for."""
    return Orchestration(use_case).dag_id(STAGE)


def may_read(request: Request, user: GetUserDep) -> None:
    """Raises 401 without a valid token, 403 where the user may not read the DAG."""
    dag_id = guarded_dag(use_case_of(request))
    requires_access_dag(method="GET", param_dag_id=dag_id)(request, user)


def may_act(request: Request, user: GetUserDep) -> None:
    """Raises 401 without a valid token, 403 where the user may not edit the DAG."""
    dag_id = guarded_dag(use_case_of(request))
    requires_access_dag(method="PUT", param_dag_id=dag_id)(request, user)


def may_see(user: BaseUser, use_case: str) -> bool:
    """Whether the user may read the use case's DAG."""
    details = DagDetails(id=guarded_dag(use_case))
    return bool(get_auth_manager().is_authorized_dag(method="GET", details=details, user=user))


def acts(request: Request, user: GetUserDep) -> bool:
    """Whether the user may edit the DAG: whether the pages show what can be done."""
    details = DagDetails(id=guarded_dag(use_case_of(request)))
    return bool(get_auth_manager().is_authorized_dag(method="PUT", details=details, user=user))


Acts = Annotated[bool, Depends(acts)]
