"""`tollgate doctor` finds what is wrong and says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.platform.diagnosis import Finding, diagnose
from pipelines.platform.settings import Settings
from tests.production import production


def _by_name(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(settings)}


def test_a_machine_that_was_set_up_is_fit(settings: Settings) -> None:
    found = _by_name(settings)
    assert {"python", "packages", "java", "spark jars", "ledger"} <= set(found)
    assert {name for name, finding in found.items() if not finding.ok} <= {"disk"}


def test_missing_java_and_jars_are_told_with_what_to_install(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    found = _by_name(settings.model_copy(update={"jars": tmp_path}))
    assert not found["java"].ok
    assert "openjdk-17-jre-headless" in found["java"].advice
    assert not found["spark jars"].ok
    assert "make setup" in found["spark jars"].advice


def test_servers_that_answer_are_named_and_those_that_do_not_are_told_without_a_password(settings: Settings) -> None:
    names = ["ledger", "landing", "lake", "mlflow artefacts", "online store"]
    names += ["airflow database", "online registry", "mlflow"]
    with production() as (given, servers):
        served = settings.model_copy(update=given)
        found = _by_name(served)
        assert [name for name in names if not found[name].ok] == []
        for server in servers:
            server.stop()
        silent = _by_name(served.model_copy(update={"landing": "s3://no-such-bucket/x"}))
        assert [name for name in names if silent[name].ok] == ["lake", "mlflow artefacts"]
        assert all(finding.advice for finding in silent.values() if not finding.ok)
        told = f"{found} {silent}"
        assert not [server for server in servers if server.password in told]
        for server in servers:
            server.start()


def test_a_corrupt_ledger_is_told(settings: Settings) -> None:
    settings.home.mkdir(parents=True)
    (settings.home / "ledger.sqlite").write_bytes(b"nothing that sqlite would know, for sure not" * 100)
    finding = _by_name(settings)["ledger"]
    assert not finding.ok
    assert "restore it from a backup" in finding.advice
