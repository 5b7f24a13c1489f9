"""What Airflow is told of: our timetable, and the Model Ops pages."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from plugins.tollgate_airflow.timetable import NightlyTimetable
from plugins.tollgate_ops.mounted import external_view, fastapi_app


class TollgatePlugin(AirflowPlugin):
    """Registered in every component of Airflow, since each of them reads the schedules."""

    name = "tollgate"
    timetables = (NightlyTimetable,)
    fastapi_apps = [fastapi_app()]  # noqa: RUF012
    external_views = [external_view()]  # noqa: RUF012
