"""A nightly schedule by partition that does not mistake a backfill for the night before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.timezone import coerce_datetime, utcnow
from airflow.timetables.base import DagRunInfo
from airflow.timetables.trigger import CronPartitionTimetable

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

BACKFILL = "backfill"


class NightlyTimetable(CronPartitionTimetable):
    """`CronPartitionTimetable`, except that after a backfill the next scheduled run is the next
    tick from now.

    Airflow 3.3 takes the newest run, backfilled or scheduled, for the last one of the schedule, and
    dates a backfilled run by its partition, a tick too early. So it would schedule last night's run
    on top of a backfill that has just done that day, and one that nobody asked for after a backfill
    of older days.
    """

    def run_info_from_dag_run(self, *, dag_run: DagRun) -> DagRunInfo:
        """What the schedule should take the run for: a backfilled one for the tick that has passed
        last.
        """
        info = super().run_info_from_dag_run(dag_run=dag_run)
        if dag_run.run_type != BACKFILL:
            return info
        return info._replace(run_after=self._align_to_prev(coerce_datetime(utcnow())))
