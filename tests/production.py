"""The servers of the production profile, all of them real, new and empty, and the settings that
lead to them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipelines.base.settings import Settings
from pipelines.spark.jar_list import DELTA_JARS, S3_JARS
from pipelines.spark.jars import missing_jars
from tests.object_store import REGION, make_bucket, s3
from tests.servers import Server, new_database, postgresql, redis, redis_url


@contextmanager
def production() -> Iterator[tuple[dict[str, Any], list[Server]]]:
    """Settings, without a home, and the servers behind them: lake and landing zone on S3,
    databases, online store.
    """
    jars = Settings.from_environment().jars
    if missing_jars(jars, DELTA_JARS + S3_JARS):
        pytest.skip(f"the jars of a lake on S3 are not in {jars} (make services)")
    with (
        pytest.MonkeyPatch.context() as patch,
        s3(patch) as endpoint,
        databases() as (given, servers),
    ):
        make_bucket(endpoint, "bank")
        further = {
            "landing": "s3://bank/landing",
            "lake": "s3://bank/lake",
            "s3_endpoint": endpoint,
            "s3_region": REGION,
            "airflow_database": new_database(servers[0]),
            "mlflow": new_database(servers[0]),
            "mlflow_artifacts": "s3://bank/mlflow",
        }
        yield given | further, servers


@contextmanager
def databases() -> Iterator[tuple[dict[str, Any], list[Server]]]:
    """Settings that put ledger and registry into PostgreSQL and the states into Redis, and these
    two servers.
    """
    with postgresql() as base, redis() as cache:
        given = {
            "ledger": new_database(base),
            "online_store": redis_url(cache),
            "online_registry": new_database(base),
        }
        yield given, [base, cache]
