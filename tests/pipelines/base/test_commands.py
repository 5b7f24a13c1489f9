"""Commands that messages suggest stand as they have to be typed here: in a container with what
leads into it.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pipelines.alerting.notice import notice
from pipelines.base.commands import about_use_case, as_typed
from pipelines.base.errors import GateError, StoreError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.cli.main import main
from pipelines.cli.output import print_error, print_table
from pipelines.doctor.services import mlflow_ui, scorer
from pipelines.services.service_list import SERVICES
from plugins.tollgate_airflow.failure import block
from tests.servers import free_port

PREFIX = "docker compose exec airflow-scheduler python docker/entrypoint.py"
ERROR = GateError(
    "refused", next_step="look, then `tollgate run ingest --from D --to D`; see `tollgate status`"
)


@pytest.fixture
def contained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOLLGATE_COMMAND_PREFIX", PREFIX)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tollgate status", f"{PREFIX} tollgate status"),
        ("`tollgate run ingest --from D`, then tollgate train", None),
        ("tollgate-ledger and s3://tollgate/landing", "tollgate-ledger and s3://tollgate/landing"),
        ("bin/tollgate status", "bin/tollgate status"),
        ("nothing to type", "nothing to type"),
        (f"{PREFIX} tollgate status", f"{PREFIX} tollgate status"),
    ],
)
def test_each_command_gets_the_prefix_once(text: str, expected: str | None) -> None:
    wanted = text.replace("tollgate ", f"{PREFIX} tollgate ") if expected is None else expected
    assert as_typed(text, PREFIX) == wanted
    assert as_typed(as_typed(text, PREFIX), PREFIX) == wanted
    assert as_typed(text, "") == text


def test_what_a_supervisor_does_is_not_suggested_as_a_command() -> None:
    typed = as_typed("start it with `tollgate up`, or look at `tollgate status`", PREFIX)
    assert "tollgate up" not in typed
    assert "its container (docs/deploy.md)" in typed
    assert f"`{PREFIX} tollgate status`" in typed


@pytest.mark.usefixtures("contained")
def test_errors_tables_and_json_of_commands_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(ERROR)
    assert f"`{PREFIX} tollgate run ingest" in capsys.readouterr().err
    print_table("t", ["check", "what to do"], [["x", "tollgate doctor"]])
    assert "docker/entrypoint.py" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["run", "ingest", "--from", "2026-11-08", "--to", "2026-11-07", "--json"])
    assert json.loads(capsys.readouterr().out)["error"]["next step"].startswith("swap the ends")


@pytest.mark.usefixtures("contained")
def test_the_block_of_a_failed_task_has_it() -> None:
    context = {
        "dag_run": SimpleNamespace(partition_key="2026-11-07"),
        "task_instance": SimpleNamespace(dag_id="ingest", task_id="ingest", try_number=1),
        "exception": ERROR,
    }
    text = block(context, "fraud", "ingest")
    assert f"{PREFIX} tollgate backfill --from 2026-11-07 --to 2026-11-07" in text
    assert text.count("tollgate run ingest") == text.count(f"{PREFIX} tollgate run ingest") == 1


@pytest.mark.usefixtures("contained")
def test_notices_have_it() -> None:
    incident = {
        "incident_id": 1,
        "severity": "critical",
        "kind": "gate",
        "subject": "ingest",
        "summary": "refused",
        "opened_at": "2026-11-07",
        "detail": {"next_step": "tollgate status"},
    }
    text = notice("opened", incident, use_case="fraud")
    assert text["next_step"] == f"{PREFIX} tollgate status"
    assert text["next_step"] in text["text"]


def test_without_the_setting_messages_are_as_they_were(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TOLLGATE_COMMAND_PREFIX", raising=False)
    print_error(StoreError("away", next_step="start it with `tollgate up`"))
    assert "start it with `tollgate up`" in capsys.readouterr().err


def test_the_prefixes_of_the_deployments_lead_where_commands_work() -> None:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yaml").read_text())
    scheduler = compose["services"]["airflow-scheduler"]
    prefix = scheduler["environment"]["TOLLGATE_COMMAND_PREFIX"]
    assert prefix in (CHECKOUT / "docs" / "deploy.md").read_text()
    assert prefix.split()[3] == "airflow-scheduler"
    for setting, service, port in [
        ("MLFLOW", "mlflow", "mlflow_port"),
        ("SERVE", "scorer", "serve_port"),
    ]:
        address = scheduler["environment"][f"TOLLGATE_{setting}_URL"]
        assert address == f"http://{service}:{Settings.model_fields[port].default}"
        assert set(compose["services"][service]["networks"]) & set(scheduler["networks"])
    values = yaml.safe_load((CHECKOUT / "docker" / "kubernetes" / "values.yaml").read_text())
    given = {entry["name"]: entry["value"] for entry in values["env"]}
    assert given["TOLLGATE_COMMAND_PREFIX"].endswith("-- python /opt/tollgate/docker/entrypoint.py")
    assert "deployment/tollgate-scheduler" in given["TOLLGATE_COMMAND_PREFIX"]


def test_mlflow_takes_requests_by_the_name_that_the_settings_give_it(settings: Settings) -> None:
    (service,) = (service for service in SERVICES if service.name == "mlflow")
    command = service.command(settings.model_copy(update={"mlflow_url": "http://mlflow:5480"}))
    names = command[command.index("--allowed-hosts") + 1]
    assert names == "127.0.0.1:*,localhost:*,mlflow:5480"


@contextmanager
def answering(answer: dict[str, Any], *, status: int = 200) -> Iterator[str]:
    """A server that gives one answer to everybody; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to standard error."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def elsewhere(settings: Settings) -> Settings:
    """Settings of a container in which none of the services runs."""
    ports = {f"{name}_port": free_port() for name in ("mlflow", "serve")}
    return settings.model_copy(update={**ports, "command_prefix": PREFIX})


def test_doctor_asks_services_where_the_settings_say_that_they_are(elsewhere: Settings) -> None:
    ready = {"ready": True, "release": "fraud-1", "problems": []}
    with answering(ready) as address:
        (checks,) = scorer(elsewhere.model_copy(update={"serve_url": address}))
        assert (checks.ok, checks.found) == (True, f"{address}, fraud-1")
        (checks,) = mlflow_ui(elsewhere.model_copy(update={"mlflow_url": address}))
        assert (checks.ok, checks.found) == (False, f"{address} does not ask for a password")


@pytest.mark.parametrize(("check", "setting"), [(scorer, "serve_url"), (mlflow_ui, "mlflow_url")])
def test_a_service_elsewhere_that_is_away_is_not_ok(
    elsewhere: Settings, check: Any, setting: str
) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    (checks,) = check(elsewhere.model_copy(update={setting: address}))
    assert (checks.ok, checks.found) == (False, f"nobody answers at {address}")
    assert f"TOLLGATE_{setting.upper()}" in checks.advice


@pytest.mark.parametrize("check", [scorer, mlflow_ui])
def test_in_a_container_silence_of_the_own_ports_is_not_said_to_be_well(
    elsewhere: Settings, check: Any
) -> None:
    (checks,) = check(elsewhere)
    assert "nothing listens" not in checks.found
    assert "not looked at: TOLLGATE_" in checks.found


def test_a_command_about_another_use_case_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOLLGATE_USE_CASE", raising=False)
    text = "tollgate which; then `tollgate rollback --reason WHY`, or tollgate up"
    named = "tollgate -u bike which; then `tollgate -u bike rollback --reason WHY`, or tollgate up"
    assert as_typed(text, "", use_case="bike") == named
    assert as_typed(named, "", use_case="bike") == named, "once"
    assert as_typed(text, "", use_case="fraud") == text, "it is the one without the option"
    monkeypatch.setenv("TOLLGATE_USE_CASE", "bike")
    assert as_typed(text, "", use_case="bike") == text
    in_container = "docker compose exec cli tollgate -u returns which"
    assert as_typed("tollgate which", "docker compose exec cli", use_case="returns") == in_container


def test_the_option_is_repeated_and_what_is_said_of_another_names_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TOLLGATE_USE_CASE", raising=False)
    with about_use_case("bike"):
        assert as_typed("tollgate which", "") == "tollgate -u bike which"
        assert as_typed("tollgate which", "", use_case="returns") == "tollgate -u returns which"
        assert as_typed("tollgate which", "", use_case="fraud") == "tollgate which"
    assert as_typed("tollgate which", "") == "tollgate which"
