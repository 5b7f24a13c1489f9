"""What Airflow is told of: our timetable."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from plugins.tollgate_airflow.timetable import NightlyTimetable


class TollgatePlugin(AirflowPlugin):
    """Registered in every component of Airflow, since each of them reads the schedules."""

    name = "tollgate"
    timetables = (NightlyTimetable,)
