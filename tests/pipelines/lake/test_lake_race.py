"""Two Spark drivers write one table on an object store that has no conditional put: nothing of
either is lost.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.spark.jar_list import DELTA_JARS, S3_JARS
from pipelines.spark.jars import missing_jars
from pipelines.usecases.registry import load
from tests.conftest import QUICK
from tests.guarantees.plugin import Tried
from tests.object_store import REGION, make_bucket, s3

pytestmark = pytest.mark.slow

FIRST = date(2026, 11, 1)
WRITES = 4


@pytest.mark.guarantee(
    "two drivers on one lake", fault="two Spark drivers replace days of one new table on S3 at once"
)
def test_two_drivers_on_one_table_lose_nothing(tmp_path: Path, tried: Tried) -> None:
    if missing_jars(Settings.from_environment().jars, DELTA_JARS + S3_JARS):
        pytest.skip("the jars of a lake on S3 are not there (make services)")
    spawn = multiprocessing.get_context("spawn")
    with (
        pytest.MonkeyPatch.context() as patch,
        s3(patch) as endpoint,
        spawn.Manager() as manager,
        ProcessPoolExecutor(2, mp_context=spawn) as pool,
    ):
        make_bucket(endpoint, "bank")
        given = {
            "lake": "s3://bank/lake",
            "ledger": f"sqlite:///{tmp_path / 'ledger.sqlite'}",
            "s3_endpoint": endpoint,
            "s3_region": REGION,
        }
        start = manager.Barrier(2)
        results = list(
            pool.map(write_days, [given] * 2, [tmp_path / "a", tmp_path / "b"], [0, 1], [start] * 2)
        )
    token_of: dict[int, int] = {}
    for result in results:
        token_of |= result["commits"]
    assert sorted(token_of) == list(range(2 * WRITES)), "each commit has a version of its own"
    history = max((result["history"] for result in results), key=len)
    assert history == [token_of[version] for version in sorted(token_of)]
    assert history == sorted(set(history)), "tokens grow with versions"
    assert max(
        (result["rows"] for result in results), key=lambda rows: sum(rows.values())
    ) == dict.fromkeys((str(FIRST + timedelta(days=n)) for n in range(2 * WRITES)), 10)
    tried(2 * WRITES, "every commit has a version of its own and all rows are there")


def write_days(given: Mapping[str, Any], home: Path, number: int, start: Any) -> dict[str, Any]:
    """Each process writes every second day; its commits' tokens by version, and what it sees at its
    end.
    """
    settings = Settings.build(
        **given, home=home, spark_memory="1g", spark_cores=1, spark_java_options=QUICK
    )
    run = Run(settings, load("fraud"), run_id=f"driver-{number}")
    frame = run.spark.range(10).withColumnRenamed("id", "n")
    run.lake.exists("things")
    start.wait(600)
    commits = {}
    for n in range(number, 2 * WRITES, 2):
        day = FIRST + timedelta(days=n)
        rows = frame.selectExpr("n", f"DATE'{day}' AS day")
        version = run.lake.replace_days(
            rows, "things", DayRange.single(day), provenance=run.provenance("race")
        )
        commits[version] = run.lake.history("things")[-1 - version].metadata.get("fence")
    seen = run.lake.read("things").groupBy("day").count().collect()
    return {
        "commits": commits,
        "history": [
            commit.metadata.get("fence") for commit in reversed(run.lake.history("things"))
        ],
        "rows": {str(row["day"]): row["count"] for row in seen},
    }
