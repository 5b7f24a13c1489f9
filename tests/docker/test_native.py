"""The commands of the compose file on this machine: its environment, its secrets, its entrypoint,
real servers.

What needs a Docker engine (networks, volumes, limits) is not seen here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, product
from pathlib import Path

import boto3
import httpx
import psycopg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipelines.airflow.api import USER, AirflowApi
from pipelines.airflow.names import Orchestration
from pipelines.mlflow.password_gate import login
from pipelines.mlflow.tracking import Tracking
from tests.docker.machine import Machine, command_line, settings_of
from tests.docker.stack import DOCKER
from tests.object_store import s3
from tests.pipelines.mlflow.test_tracking import example_record
from tests.ports import free_port
from tests.servers import postgresql, postgresql_url

pytestmark = [pytest.mark.slow, pytest.mark.services]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """PostgreSQL and S3 as the compose file sets them up, its errands done, four of its components
    up.
    """
    folder = tmp_path_factory.mktemp("native")
    subprocess.run(
        [sys.executable, str(DOCKER / "make_secrets.py"), str(folder / "secrets")], check=True
    )
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        server, endpoint = stack.enter_context(postgresql()), stack.enter_context(s3(patch))
        make_databases(postgresql_url(server, "postgres"), folder / "secrets" / "postgres")
        ports = {name: free_port() for name in ("airflow", "mlflow", "spark")}
        places = {
            "@postgres:5432/": f"@127.0.0.1:{server.port}/",
            "http://s3:8333": endpoint,
            "http://airflow-api-server:8480": f"http://127.0.0.1:{ports['airflow']}",
        }
        machine = Machine(folder / "home", folder / "secrets", places, ports)
        stack.callback(machine.stop)
        machine.run("buckets")
        machine.run("airflow-migrate")
        machine.start("mlflow", "airflow-api-server")
        machine.start("metrics-token")
        yield machine


def make_databases(url: str, secrets: Path) -> None:
    psql = str(max(Path("/usr/lib/postgresql").glob("*/bin/psql")))
    command = [psql, "-v", "ON_ERROR_STOP=1", "-f", str(DOCKER / "postgres" / "databases.sql"), url]
    variables = {"SECRETS_FOLDER": str(secrets), "PATH": os.environ["PATH"]}
    subprocess.run(command, env=variables, check=True, capture_output=True)


def test_the_errands_leave_a_bucket_a_database_with_pools_and_passwords(machine: Machine) -> None:
    settings = settings_of(machine, "airflow-migrate")
    buckets = boto3.client("s3", endpoint_url=settings.s3_endpoint).list_buckets()["Buckets"]
    assert [bucket["Name"] for bucket in buckets] == ["tollgate"]
    assert settings.airflow_database is not None
    with psycopg.connect(settings.airflow_database) as connection:
        pools = dict(connection.execute("SELECT pool, slots FROM slot_pool").fetchall())
    assert {name: pools[name] for name in Orchestration("fraud").pools} == dict.fromkeys(
        Orchestration("fraud").pools, 1
    )
    assert AirflowApi(settings).dags() == {}, "the password in the home opens the API"


def test_prometheus_gets_its_metrics_with_the_token_of_a_viewer_and_nobody_without(
    machine: Machine,
) -> None:
    settings = settings_of(machine, "metrics-token")
    token = (settings.home / "monitoring" / "token").read_text()
    url = f"{settings.airflow_url}/ops/metrics"
    assert httpx.get(url, timeout=60).status_code == 401
    scraped = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    assert scraped.status_code == 200
    assert "tollgate_releases" in {
        family.name for family in text_string_to_metric_families(scraped.text)
    }
    pools = f"{settings.airflow_url}/api/v2/pools"
    body = {"name": "x", "slots": 1}
    assert (
        httpx.post(
            pools, headers={"Authorization": f"Bearer {token}"}, json=body, timeout=60
        ).status_code
        == 403
    )


def test_mlflow_serves_what_a_training_recorded_in_postgresql_and_s3(
    machine: Machine,
) -> None:
    settings = settings_of(machine, "airflow-scheduler")
    record = example_record()
    made = Tracking(settings, "fraud").record(record)
    url = f"http://127.0.0.1:{settings.mlflow_port}"
    paths = (
        "/",
        "/version",
        "/get-artifact",
        "/api/2.0/mlflow/experiments/search",
        "/ajax-api/2.0/mlflow-artifacts",
    )
    strangers = [None, (USER, "wrong"), ("", ""), ("nobody", login(settings)[1])]
    assert {
        httpx.get(f"{url}{path}", auth=stranger, timeout=60).status_code
        for path, stranger in product(paths, strangers)
    } == {401}
    assert (
        httpx.post(
            f"{url}/api/2.0/mlflow/experiments/create", json={"name": "x"}, timeout=60
        ).status_code
        == 401
    )
    with httpx.Client(base_url=url, auth=login(settings), timeout=60) as server:
        run = (
            server.get("/api/2.0/mlflow/runs/get", params={"run_id": made.run_id})
            .raise_for_status()
            .json()["run"]
        )
        assert {
            metric["key"]: metric["value"] for metric in run["data"]["metrics"]
        } == record.metrics
        assert run["info"]["artifact_uri"].startswith("s3://tollgate/mlflow/fraud/")
        card = server.get("/get-artifact", params={"run_uuid": made.run_id, "path": "card.md"})
        assert card.content == record.files["card.md"]
    bucket = boto3.resource("s3", endpoint_url=settings.s3_endpoint).Bucket("tollgate")
    assert any(
        item.key.endswith("model.ubj") for item in bucket.objects.filter(Prefix="mlflow/fraud/")
    )
    assert not (settings.home / "mlflow").exists()
    assert not list(settings.home.rglob("*.sqlite"))


def test_no_secret_is_on_a_command_line_or_in_a_log(machine: Machine) -> None:
    kept = [path.read_bytes() for path in (machine.secrets / "all").iterdir()]
    kept += [path.read_bytes() for path in (machine.home / "airflow").glob("*.key")]
    assert all(
        path.stat().st_mode & 0o077 == 0 for path in (machine.home / "airflow").glob("*.key")
    )
    members = list(chain.from_iterable(record.members() for record in machine.started))
    assert len(members) >= len(machine.started)
    for process in members:
        line = command_line(process).encode()
        assert not any(secret in line for secret in kept), process.name()
    logs = [
        *machine.home.parent.glob("*/*.log"),
        *machine.home.rglob("*.log"),
        *machine.home.rglob("*.cfg"),
    ]
    assert len(logs) >= len(machine.started)
    for log in logs:
        assert not any(secret in log.read_bytes() for secret in kept), log


def test_a_signal_reaches_the_program_itself(machine: Machine) -> None:
    record = next(record for record in machine.started if record.name == "mlflow")
    process = record.leader()
    assert process is not None
    assert "mlflow" in process.cmdline(), "neither the entrypoint nor tollgate stands between"
    process.terminate()
    process.wait(120)
    assert not machine.is_well("mlflow")
