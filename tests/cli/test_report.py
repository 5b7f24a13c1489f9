"""`tollgate status` and `tollgate report` as a user types them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.base.settings import Settings
from pipelines.cli.main import build_app
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import ingest_account

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    monkeypatch.delenv("TOLLGATE_LEDGER", raising=False)
    run = Run(settings, load("fraud"), clock=lambda: AT)
    account = {
        "state": "arrived",
        "rows_in": 1234,
        "accepted": 1230,
        "quarantined": 4,
        "duplicates": 0,
    }
    run.ledger.record_stage(date(2026, 11, 7), ingest_account(**account), "done", run_id="r", at=AT)
    refused = {"reason": "too many bad rows: 31 of 1,000"}
    run.ledger.record_stage(
        date(2026, 11, 8), ingest_account(**refused), "refused", run_id="r", at=AT
    )
    return settings.home


def test_status_prints_the_table_and_what_needs_a_look(home: Path) -> None:
    result = CliRunner().invoke(build_app(), ["status"])
    assert result.exit_code == 0
    assert "1,234" in result.output
    assert "2026-11-08: ingest refused: too many bad rows" in result.output
    rows = [line for line in result.output.splitlines() if re.match(r"2026-11-0[78]  ", line)]
    assert [row[:10] for row in rows] == ["2026-11-07", "2026-11-08"]
    assert max(map(len, rows)) <= 80


def test_status_as_json_is_one_document(home: Path) -> None:
    result = CliRunner().invoke(
        build_app(), ["status", "--json", "--from", "2026-11-07", "--to", "2026-11-07"]
    )
    document = json.loads(result.output)
    assert [row["day"] for row in document["days"]] == ["2026-11-07"]
    assert document["champion"] is None
    assert document["newest"] == {"ingest": "2026-11-07"}


def test_report_writes_the_file_and_says_where(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.html"
    result = CliRunner().invoke(build_app(), ["report", "--to", "2026-11-08", "--out", str(out)])
    assert str(out) in result.output.replace("\n", "")
    assert "too many bad rows" in out.read_text()


def test_a_reversed_range_is_refused(home: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pipelines.cli.main",
        "status",
        "--from",
        "2026-11-08",
        "--to",
        "2026-11-07",
    ]
    code = "from pipelines.cli.main import main; import sys; main(sys.argv[3:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *command[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "reversed" in done.stderr


def test_status_loads_no_engine(home: Path) -> None:
    code = (
        "import sys; from pipelines.cli.main import main\n"
        "try: main(['status'])\n"
        "except SystemExit: pass\n"
        "heavy = {'pyspark', 'pandas', 'evidently', 'mlflow', 'feast', 'xgboost', "
        "'great_expectations', 'airflow'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
