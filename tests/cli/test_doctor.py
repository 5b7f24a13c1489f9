"""`tollgate doctor` finds what is wrong and says what to do."""

from __future__ import annotations

import http.server
import socketserver
import threading
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.base.settings import Settings
from pipelines.doctor.machine import Finding, diagnose
from pipelines.ledger.ledger import Ledger
from pipelines.services import local as services
from pipelines.services import processes
from tests.ports import free_port
from tests.production import production
from tests.serve.processes import until


def _by_name(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(settings)}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """On ports where nothing listens, whatever else runs on this machine."""
    return settings.model_copy(
        update={f"{name}_port": free_port() for name in ("spark", "airflow", "mlflow", "serve")}
    )


def test_a_machine_that_was_set_up_is_fit(settings: Settings) -> None:
    checks = _by_name(settings)
    assert {"python", "packages", "java", "spark jars", "ledger"} <= set(checks)
    assert {name for name, finding in checks.items() if not finding.ok} <= {"disk"}
    services = ("spark connect", "mlflow ui", "airflow", "scorer")
    assert all(checks[name].found.startswith("nothing listens on ") for name in services)


def test_a_ledger_that_was_written_to_tomorrow_is_told(settings: Settings) -> None:
    ledger = Ledger(settings.ledger, "fraud")
    ledger.record_stage(
        date(2026, 11, 7), IngestAccount(), "done", run_id="r", at=datetime.now(UTC)
    )
    assert "clock" not in _by_name(settings)
    ahead = datetime.now(UTC) + timedelta(days=1)
    ledger.record_stage(date(2026, 11, 7), FeaturesAccount(), "done", run_id="r", at=ahead)
    checks = _by_name(settings)["clock"]
    assert not checks.ok
    assert f"{ahead:%Y-%m-%d %H:%M}" in checks.found
    assert "timedatectl" in checks.advice


def test_what_asks_for_no_password_or_is_no_mlflow_is_told(settings: Settings) -> None:
    with socketserver.TCPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ports = dict.fromkeys(("mlflow_port", "airflow_port"), server.server_address[1])
        checks = _by_name(settings.model_copy(update=ports))
        server.shutdown()
    assert (checks["mlflow ui"].ok, checks["airflow"].ok) == (False, False)
    assert "does not ask for a password" in checks["mlflow ui"].found
    assert checks["airflow"].advice


def test_a_spark_server_that_is_named_and_away_is_told_at_once(settings: Settings) -> None:
    remote = f"sc://127.0.0.1:{settings.spark_port}/;authorization=Bearer%20secret-canary"
    checks = _by_name(settings.model_copy(update={"spark_remote": remote}))["spark connect"]
    assert (checks.ok, checks.found) == (
        False,
        f"nobody answers at sc://127.0.0.1:{settings.spark_port}",
    )
    assert "TOLLGATE_SPARK_REMOTE" in checks.advice


def test_a_service_that_has_ended_by_itself_is_told(settings: Settings) -> None:
    folder = services.folder(settings)
    folder.mkdir(parents=True)
    started = processes.start(
        "mlflow", ["/bin/true"], environment={}, folder=folder, port=settings.mlflow_port
    )
    until(lambda: started.leader() is None)
    checks = _by_name(settings)["mlflow service"]
    assert not checks.ok
    assert "it ended by itself; its log is " in checks.found
    assert checks.advice == "docs/runbooks/services.md"


def test_missing_java_and_jars_are_told_with_what_to_install(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    checks = _by_name(settings.model_copy(update={"jars": tmp_path}))
    assert not checks["java"].ok
    assert "openjdk-17-jre-headless" in checks["java"].advice
    assert not checks["spark jars"].ok
    assert "make setup" in checks["spark jars"].advice


def test_servers_that_answer_are_named_and_those_that_do_not_are_told_without_a_password(
    settings: Settings,
) -> None:
    names = ["ledger", "landing", "lake", "mlflow artefacts", "online store"]
    names += ["airflow database", "online registry", "mlflow"]
    with production() as (given, servers):
        served = settings.model_copy(update=given)
        checks = _by_name(served)
        assert [name for name in names if not checks[name].ok] == []
        for server in servers:
            server.stop()
        silent = _by_name(served.model_copy(update={"landing": "s3://no-such-bucket/x"}))
        assert [name for name in names if silent[name].ok] == ["lake", "mlflow artefacts"]
        assert all(finding.advice for finding in silent.values() if not finding.ok)
        printed = f"{checks} {silent}"
        assert not [server for server in servers if server.password in printed]
        for server in servers:
            server.start()


def test_a_corrupt_ledger_is_told(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "ledger.sqlite").write_bytes(
        b"nothing that sqlite would know, for sure not" * 100
    )
    finding = _by_name(settings)["ledger"]
    assert not finding.ok
    assert "restore it from a backup" in finding.advice
