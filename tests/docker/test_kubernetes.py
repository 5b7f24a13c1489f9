"""What Kubernetes is told: components and settings that exist, nothing as root, no password, no
user of the chart's.
"""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.base.settings import Settings
from pipelines.serve.processes.supervisor import MARGIN
from pipelines.services.components import COMPONENTS
from tests.docker.stack import DOCKER, PLACE, secret_folders, services

VALUES: dict[str, Any] = yaml.safe_load((DOCKER / "kubernetes" / "values.yaml").read_text())
OBJECTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((DOCKER / "kubernetes" / "home-spark-mlflow.yaml").read_text())
)
SCORER: list[dict[str, Any]] = list(
    yaml.safe_load_all((DOCKER / "kubernetes" / "scorer.yaml").read_text())
)
PODS = {
    "apiServer": "airflow-api-server",
    "scheduler": "airflow-scheduler",
    "dagProcessor": "airflow-dag-processor",
    "triggerer": "airflow-triggerer",
    "migrateDatabaseJob": "airflow-migrate",
}


@pytest.mark.parametrize("section", PODS)
def test_the_chart_s_pods_run_our_components(section: str) -> None:
    given = VALUES[section]
    assert given["args"] == ["tollgate", "component", PODS[section]]
    if section in {"scheduler", "dagProcessor", "triggerer"}:
        assert given["livenessProbe"]["command"] == [*given["args"], "--check"]
        assert given["logGroomerSidecar"] == {"enabled": False}, (
            "its script is in Airflow's own image"
        )
    if section != "migrateDatabaseJob":
        assert given["waitForMigrations"] == {"enabled": False}, "it would ask another database"
        assert given["resources"].keys() == {"requests", "limits"}


def test_the_environment_is_that_of_the_compose_file_elsewhere() -> None:
    given = {entry["name"]: entry["value"] for entry in VALUES["env"]}
    folder = given.pop("SECRETS_FOLDER")
    assert given.keys() == services()["airflow-scheduler"]["environment"].keys()
    settings = {key: value for key, value in given.items() if key.startswith("TOLLGATE_")}
    assert {
        key.removeprefix("TOLLGATE_").lower() for key in settings
    } <= Settings.model_fields.keys()
    Settings.from_environment(settings)
    named_secrets = set(chain.from_iterable(PLACE.findall(value) for value in given.values()))
    assert named_secrets == secret_folders()["tollgate"].keys()
    mounted = {mount["name"]: mount["mountPath"] for mount in VALUES["volumeMounts"]}
    assert mounted["tollgate-secrets"] == folder
    assert not folder.startswith("/run"), "a pod's own token is mounted below it"


def test_airflow_s_address_is_the_chart_s_service() -> None:
    given = {entry["name"]: entry["value"] for entry in VALUES["env"]}
    assert (
        given["TOLLGATE_AIRFLOW_URL"]
        == f"http://tollgate-api-server:{VALUES['ports']['apiServer']}"
    )
    assert VALUES["ports"]["apiServer"] == Settings.model_fields["airflow_port"].default
    (spark,) = (item for item in OBJECTS if item["kind"] == "Service")
    (port,) = spark["spec"]["ports"]
    assert given["TOLLGATE_SPARK_REMOTE"] == f"sc://{spark['metadata']['name']}:{port['port']}"


def test_no_service_s_variables_are_taken_for_settings() -> None:
    """Kubernetes gives every pod `<SERVICE>_PORT` and `<SERVICE>_SERVICE_HOST` of each service
    beside it.
    """
    names = {item["metadata"]["name"] for item in OBJECTS + SCORER if item["kind"] == "Service"}
    names |= {"tollgate-api-server"}
    given = {
        f"{name.upper().replace('-', '_')}_{suffix}"
        for name, suffix in product(names, ("PORT", "SERVICE_HOST"))
    }
    assert not given & {f"TOLLGATE_{field.upper()}" for field in Settings.model_fields}


def test_the_chart_brings_no_user_and_no_database_of_its_own() -> None:
    assert VALUES["webserver"]["defaultUser"] == {"enabled": False}
    for part in ("postgresql", "redis", "statsd", "pgbouncer"):
        assert VALUES[part] == {"enabled": False}
    assert set(VALUES["enableBuiltInSecretEnvVars"].values()) == {False}


def test_nothing_runs_as_root_or_writes_into_the_image() -> None:
    pods = [
        item["spec"]["template"]["spec"]
        for item in OBJECTS + SCORER
        if item["kind"] == "Deployment"
    ]
    assert len(pods) == 3
    components = {component.name for component in COMPONENTS}
    for pod in pods:
        (container,) = pod["containers"]
        assert container["args"][:2] == ["tollgate", "component"]
        assert container["args"][2] in components
        assert pod["securityContext"] == VALUES["securityContexts"]["pod"]
        assert container["securityContext"] == VALUES["securityContexts"]["containers"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert container["resources"].keys() == {"requests", "limits"}
        mounts = {mount["name"] for mount in container["volumeMounts"]}
        assert mounts == {volume["name"] for volume in pod["volumes"]}
    claims = {
        item["metadata"]["name"] for item in OBJECTS if item["kind"] == "PersistentVolumeClaim"
    }
    wanted = {volume["persistentVolumeClaim"]["claimName"] for volume in VALUES["volumes"][:1]}
    assert wanted == claims


def test_the_scorer_s_pod_is_asked_where_it_listens_and_has_time_to_end() -> None:
    pod = SCORER[0]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    port = Settings.model_fields["serve_port"].default
    assert container["args"] == ["tollgate", "component", "scorer"]
    assert container["ports"] == [{"containerPort": port}]
    probes = [
        container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    ]
    assert {(probe["port"], probe["scheme"]) for probe in probes} == {(port, "HTTPS")}
    assert SCORER[1]["spec"]["ports"] == [{"port": port}]
    given = {entry["name"]: entry["value"] for entry in container["env"]}
    settings = Settings.from_environment(given)
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert settings.serve_tls_certificate == Path(mounted["tls"]) / "tls.crt", (
        "a Secret of type kubernetes.io/tls"
    )
    assert settings.serve_tls_key == Path(mounted["tls"]) / "tls.key"
    assert given["TOLLGATE_SERVE_WORKERS"] == container["resources"]["limits"]["cpu"]
    assert (
        pod["terminationGracePeriodSeconds"]
        > Settings.model_fields["serve_drain_seconds"].default + MARGIN
    )
