"""What nobody of the product has written is named, folder by folder; a damaged golden set stops no
deletion.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.base.settings import Settings
from pipelines.importing.landed.claims import SCHEMA, Claims
from pipelines.maintenance.erasure.files import delete_from_golden_sets, unknown_files
from pipelines.maintenance.erasure.imported import delete_from_imports, delete_old_claims
from pipelines.maintenance.erasure.subject import Subject
from pipelines.releases.signing import sign
from pipelines.run import Run
from pipelines.training.golden_store import write_golden
from pipelines.usecases.registry import load

SUBJECT = Subject(unit="customer_id", keys=(627,), event="transaction_id", events=frozenset({1}))


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, load("fraud"), run_id="test", actor="test")


def put(home: Path, *names: str) -> None:
    for name in names:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


OURS = (
    "ledger.sqlite-wal",
    "mlflow.sqlite",
    "fraud/reports/2026-11-02.html",
    "fraud/reports/2026-11-02-drift.html",
    "fraud/reports/index.html",
    "fraud/reports/releases/fraud-20261102-0a.html",
    "keys/ids.key",
    "backups/ledger-2026-11-02.jsonl.gz",
    "serving/keys.json",
    "serving/answers/fraud/closed/lock",
    "serving/answers/fraud/open/worker-0-a1.arrows",
    "serving/answers/fraud/day=2026-11-02/hour=09/worker-0-a1.parquet",
    "serving/journal/fraud/000000000001.journal",
    "serving/journal/fraud/lock",
    "serving/figures/fraud/0.json",
    "airflow/anything",
    "services/airflow.log",
    "releases/fraud-20261102-0a/model.ubj",
    "releases/fraud-20261102-0a/manifest.sig",
    "lake/fraud/alerts/_delta_log/00000000000000000000.json",
    "lake/fraud/alerts/day=2026-11-02/part-0.snappy.parquet",
)
STRANGE = (
    "alerts-old.csv",
    "ledger.sqlite.bak",
    "old lists/a.csv",
    "fraud/reports/week.xlsx",
    "fraud/reports/2026-11-02.html~",
    "keys/cards.txt",
    "keys/trusted/a.txt",
    "backups/ledger.tar",
    "releases/fraud-20261102-0a/cases.csv",
    "serving/answers/fraud/copy.parquet",
    "serving/answers/fraud/day=2026-11-02/copy.csv",
    "serving/answers/fraud/day=2026-11-02 (copy)/hour=09/worker-0-a1.parquet",
    "serving/journal/fraud/copy.csv",
    "lake/fraud/export.csv",
    "lake/fraud/alerts/export.xlsx",
)


def test_what_no_part_of_the_product_has_written_is_named(run: Run) -> None:
    home = run.settings.home
    sign(home, b"content")
    put(home, *OURS)
    assert unknown_files(run) == []
    put(home, *STRANGE)
    (home / "fraud" / "reports" / "linked.html").symlink_to(home / "mlflow.sqlite")
    named = [file.path for file in unknown_files(run)]
    assert named == sorted(
        [
            *(name.replace("old lists/a.csv", "old lists") for name in STRANGE),
            "fraud/reports/linked.html",
        ]
    )


def test_what_imports_keep_of_the_card_goes_and_the_claims_of_others_stay(run: Run) -> None:
    claims = Claims.of(run.folder, "transactions")
    days = [date(2026, 11, 2), date(2026, 11, 3)]
    keys = ["1", "11", "627,x,2026-11-02", "8,x,2026-11-02"]
    rows = [{"key": key, "source": "bank.csv", "label": 0, "due": None} for key in keys]
    for day in days:
        claims.write(day, pa.Table.from_pylist(rows, schema=SCHEMA))
    put(
        run.settings.home,
        "fraud/imports/transactions/2026-11-04.parquet",
        "fraud/imports/transactions/copy.csv",
    )
    assert sum(delete_from_imports(run, SUBJECT, dry_run=True).by_file.values()) == 4
    deleted = delete_from_imports(run, SUBJECT, dry_run=False)
    assert sum(deleted.by_file.values()) == 4
    assert [unread_file.path for unread_file in deleted.unread] == [
        "fraud/imports/transactions/2026-11-04.parquet"
    ]
    assert [file.path for file in unknown_files(run)] == ["fraud/imports/transactions/copy.csv"]
    assert claims.read(days[0])["key"].to_pylist() == ["11", "8,x,2026-11-02"]
    assert delete_old_claims(run, days[1], dry_run=False) == 1
    assert claims.days() == [days[1], date(2026, 11, 4)]


def test_a_damaged_golden_set_is_named_and_the_case_goes_from_the_others(run: Run) -> None:
    home = run.settings.home
    cases = pd.DataFrame({"customer_id": [627, 8], "label": [1.0, 0.0]})
    for name in ("good", "damaged", "cut"):
        write_golden(run.folder, name, cases, {"features": {}})
    (run.folder / "golden" / "damaged" / "manifest.json").write_bytes("{geprüft".encode("cp1252"))
    (run.folder / "golden" / "cut" / "cases.parquet").write_bytes(b"PAR1")
    put(home, "fraud/golden/cases.xlsx", "fraud/golden/good copy/cases.parquet")
    for dry_run in (True, False):
        deleted = delete_from_golden_sets(run, SUBJECT, dry_run=dry_run)
        assert deleted.by_file == {"good": 1}
        assert {unread_file.path for unread_file in deleted.unread} == {
            "fraud/golden/cases.xlsx",
            "fraud/golden/cut",
            "fraud/golden/damaged",
            "fraud/golden/good copy",
            "fraud/golden/good copy/cases.parquet",
        }
    assert not (run.folder / "golden" / "good").exists()
