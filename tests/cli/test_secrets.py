"""What settings hold in secret is told by no command, and stands in no file of the home, when
nothing answers.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from pipelines.base.errors import NotArrivedError
from pipelines.base.settings import Settings
from pipelines.nightly.monitor.incidents import stage_failed
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.cli.calling import called
from tests.guarantees.plugin import Tried

CANARY = "c4n4ry-7b1f"
NOBODY = "127.0.0.1:9"
SERVERS = {
    "TOLLGATE_LEDGER": f"postgresql://ann:{CANARY}@{NOBODY}/ledger",
    "TOLLGATE_ONLINE_STORE": f"redis://:{CANARY}@{NOBODY}/0",
    "TOLLGATE_ONLINE_REGISTRY": f"postgresql://ann:{CANARY}@{NOBODY}/feast",
    "TOLLGATE_AIRFLOW_DATABASE": f"postgresql://ann:{CANARY}@{NOBODY}/airflow",
    "TOLLGATE_MLFLOW": f"http://ann:{CANARY}@{NOBODY}",
    "TOLLGATE_SPARK_REMOTE": f"sc://{NOBODY}/;token={CANARY}",
    "AWS_SECRET_ACCESS_KEY": CANARY,
}
RECEIVERS = {
    "TOLLGATE_NOTIFY_WEBHOOK": f"http://ann:{CANARY}@{NOBODY}/{CANARY}",
    "TOLLGATE_NOTIFY_SLACK": f"http://{NOBODY}/services/{CANARY}",
    "TOLLGATE_NOTIFY_PAGERDUTY": CANARY,
    "TOLLGATE_NOTIFY_PAGERDUTY_URL": f"http://{NOBODY}/v2",
}
COMMANDS = (
    ["status"],
    ["status", "--json"],
    ["which", "--json"],
    ["releases"],
    ["report"],
    ["oncall", "--send"],
    ["oncall", "--json"],
    ["doctor"],
)


@pytest.mark.guarantee(
    "secrets and card numbers", fault="canaries in every secret setting, and no server that answers"
)
@pytest.mark.parametrize("away", [True, False], ids=["no ledger", "no receiver"])
def test_no_secret_is_told(
    new_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    away: bool,
    tried: Tried,
) -> None:
    for name, value in (
        {**SERVERS, **RECEIVERS} if away else {**SERVERS, **RECEIVERS, "TOLLGATE_LEDGER": ""}
    ).items():
        monkeypatch.setenv(name, value)
    if not away:
        run = Run(Settings.from_environment(), load("fraud"), actor="test")
        stage_failed(
            run, "ingest", date(2026, 11, 7), NotArrivedError("transactions have not arrived")
        )
        assert len(run.ledger.waiting_messages()) == 3, "no receiver takes it"
    codes = []
    for command in COMMANDS:
        code, out, err = called(capsys, *command)
        assert CANARY not in out + err, command
        codes.append(code)
    failed = sum(code != 0 for code in codes)
    assert failed, "so that something was told of what did not answer"
    files = [path for path in new_home.rglob("*") if path.is_file()] if new_home.exists() else []
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
    assert files or away
    beside = f", nor in {len(files)} files" if files else ""
    tried(
        len(codes),
        f"no canary in what {len(codes)} commands said, {failed} of which failed{beside}",
    )
