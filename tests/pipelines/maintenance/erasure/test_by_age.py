"""Days beyond the retention policy go from lake, landing zone and home; a policy that goes too far
is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.accounts.audit import DeletionDetail
from pipelines.maintenance.erasure.by_age import delete_by_age, unread_of
from pipelines.run import Run
from pipelines.usecases.policies.retention import RetentionPolicy
from tests.pipelines.nightly.ingest.landing_days import events, land
from tests.pipelines.watched_lake import FIRST, make_world, store

TODAY = FIRST + timedelta(days=61)
KEPT = {"features": 60, "landing": 60, "alert_lists": 59, "reports": 61}


@pytest.mark.slow
def test_what_is_older_than_its_days_goes_and_nothing_else(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run = replace(run, use_case=replace(run.use_case, retention=RetentionPolicy(days=KEPT)))
    store(run, make_world(3, rows=60))
    landing, folder = run.landing, run.folder
    days = [FIRST + timedelta(days=n) for n in range(3)]
    for day in days:
        land(landing, day, events(day, 2))
    for kind, ending in (("alerts", ".csv"), ("reports", ".html"), ("reports", "-drift.html")):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for day in days:
            (folder / kind / f"{day}{ending}").write_text("x")
    (folder / "reports" / "index.html").write_text("x")
    (folder / "alerts" / "old.xlsx").write_bytes(b"PK\x03\x04\0")
    (folder / "reports" / "old.pdf").write_text("x")
    versions = run.lake.versions(["features", "transactions"])

    counted = delete_by_age(run, TODAY, dry_run=True)
    assert run.lake.versions(["features", "transactions"]) == versions
    deleted = delete_by_age(run, TODAY)
    assert {name: part.deleted for name, part in deleted.items()} == {
        "features": 60,
        "landing": 3,
        "alert_lists": 2,
        "reports": 0,
    }
    assert {name: part.deleted for name, part in counted.items()} == {
        n: part.deleted for n, part in deleted.items()
    }
    assert [unread_file.path for unread_file in unread_of(deleted)] == [
        "fraud/alerts/old.xlsx",
        "fraud/reports/old.pdf",
    ]
    assert unread_of(deleted) == unread_of(counted)
    left = run.lake.read("features").groupBy("day").count().toArrow().to_pylist()
    assert sorted((row["day"], row["count"]) for row in left) == [(day, 60) for day in days[1:]]
    assert run.lake.version("transactions") == versions["transactions"]
    assert landing.days("transactions") == days[1:]
    assert sorted(path.name for path in (folder / "alerts").iterdir()) == [
        f"{days[2]}.csv",
        "old.xlsx",
    ]
    assert len(list((folder / "reports").iterdir())) == 8
    detail = run.ledger.audit_entries(DeletionDetail)[0].detail
    assert detail.tables["features"].to_json() == deleted["features"].to_json()
    assert not any(part.deleted for part in delete_by_age(run, TODAY).values())
    assert len(run.ledger.audit_entries(DeletionDetail)) == 1
