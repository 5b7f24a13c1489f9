"""The compose file holds to its schema, to our rules for what runs in production, and to what
exists in the code.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest
import yaml

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.services.components import COMPONENTS
from tests.docker.stack import (
    COMPOSE,
    DOCKER,
    OURS,
    PLACE,
    bound_files,
    is_errand,
    mounted_secrets,
    secret_folders,
    services,
    stack,
)

BIN = Path(sys.executable).parent
SERVICES = sorted(services())


def test_it_holds_to_the_compose_specification() -> None:
    command = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_has_nothing_that_its_linter_minds() -> None:
    done = subprocess.run([BIN / "hadolint", DOCKER / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened_limited_and_looked_after(name: str) -> None:
    service = services()[name]
    assert service["user"].split(":")[0] not in {"", "0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True, "PID 1 without a handler would not hear that it shall end"
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["logging"]["options"], "a log without a limit fills the disk"
    assert service["profiles"]
    if is_errand(service):
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["healthcheck"]["test"]
        assert service["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_pinned(name: str) -> None:
    image = services()[name]["image"]
    if image.startswith(OURS):
        assert image == f"tollgate:{version()}"
        assert (CHECKOUT / services()[name]["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[a-z/]+:v?\d+\.\d+[\w.-]*@sha256:[0-9a-f]{64}", image)


def version() -> str:
    match = re.search(
        r'^version = "(.+)"$', (CHECKOUT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert match
    return match[1]


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_on_loopback_and_only_from_where_they_lead_out(name: str) -> None:
    service = services()[name]
    assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    if service.get("ports"):
        assert "outside" in service["networks"]


def test_data_is_behind_networks_that_lead_nowhere() -> None:
    networks = stack()["networks"]
    assert {name for name, network in networks.items() if not network.get("internal")} == {
        "outside"
    }
    assert {name for name in SERVICES if "outside" in services()[name].get("networks", [])} == {
        "airflow-api-server",
        "airflow-scheduler",
        "grafana",
        "mlflow",
        "scorer",
    }
    assert services()["spark"]["networks"] == ["data", "compute"]


def test_what_is_waited_for_exists_and_is_waited_for_in_the_right_way() -> None:
    for name, service in services().items():
        for other, how in service.get("depends_on", {}).items():
            wanted = (
                "service_completed_successfully"
                if is_errand(services()[other])
                else "service_healthy"
            )
            assert how == {"condition": wanted}, (name, other)
            assert set(service["profiles"]) <= set(services()[other]["profiles"]), (name, other)


def test_what_is_mounted_exists() -> None:
    files = list(bound_files())
    assert len(files) >= 6
    assert [path for path in files if not path.exists()] == []
    volumes = chain.from_iterable(service.get("volumes", []) for service in services().values())
    named = {volume["source"] for volume in volumes if volume["type"] == "volume"}
    assert named == stack()["volumes"].keys()


def test_each_of_our_services_runs_a_component_that_exists() -> None:
    ours = {
        name: service for name, service in services().items() if service["image"].startswith(OURS)
    }
    run = {
        name: service["command"] for name, service in ours.items() if "entrypoint" not in service
    }
    assert run == {
        component.name: ["tollgate", "component", component.name] for component in COMPONENTS
    }
    for component in COMPONENTS:
        if component.healthy:
            check = ["CMD", "tollgate", "component", component.name, "--check"]
            assert services()[component.name]["healthcheck"]["test"] == check
        else:
            assert is_errand(services()[component.name])


@pytest.mark.parametrize("name", SERVICES)
def test_the_environment_names_settings_and_holds_no_password(name: str) -> None:
    environment = services()[name].get("environment", {})
    ours = {
        key.removeprefix("TOLLGATE_").lower() for key in environment if key.startswith("TOLLGATE_")
    }
    assert ours - Settings.model_fields.keys() == set()
    Settings.from_environment(
        {key: value for key, value in environment.items() if key.startswith("TOLLGATE_")}
    )
    named_secrets = set(
        chain.from_iterable(PLACE.findall(str(value)) for value in environment.values())
    )
    given = secret_folders()
    assert named_secrets <= (
        given[mounted_secrets(services()[name]) or ""].keys() if named_secrets else set()
    )
    for key, value in environment.items():
        if re.search(r"PASSWORD|SECRET|KEY|TOKEN", key):
            assert PLACE.fullmatch(value) or value.startswith("/run/secrets/"), key
        assert not re.search(r"://[^/{@]*:[^/{@]+@", str(value)), key


def test_every_service_finds_its_secrets_and_only_its_own() -> None:
    given = secret_folders()
    mounted = {name: mounted_secrets(service) for name, service in services().items()}
    assert {folder for folder in mounted.values() if folder} == given.keys()
    assert {
        name for name, folder in mounted.items() if folder not in {None, "tollgate", name}
    } == set()
    made = {
        volume["target"].removeprefix("/secrets/") for volume in services()["secrets"]["volumes"]
    }
    assert made == {*given, "all", "/objects"}


def test_the_image_has_the_folders_that_lend_their_owner_to_volumes() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    folders_made = re.search(r"for folder in ([\w ]+);", text)
    assert folders_made
    wanted = {volume["target"] for volume in services()["secrets"]["volumes"]}
    assert {f"/secrets/{name}" for name in folders_made[1].split()} | {"/objects"} == wanted


def test_the_image_is_built_from_what_the_context_holds() -> None:
    allowed = {
        line[1:]
        for line in (CHECKOUT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    lines = re.findall(r"^COPY ([^-].+)$", (DOCKER / "Dockerfile").read_text(), re.MULTILINE)
    copied = set(chain.from_iterable(line.split()[:-1] for line in lines))
    assert copied == allowed
    assert [name for name in copied if not (CHECKOUT / name).exists()] == []


def test_prometheus_scrapes_what_the_compose_file_has() -> None:
    scrape = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
    (job,) = scrape["scrape_configs"]
    ((host, port),) = (target.split(":") for target in job["static_configs"][0]["targets"])
    assert services()[host]["ports"] == [
        f"127.0.0.1:{port}:{Settings.model_fields['airflow_port'].default}"
    ]
    assert set(services()[host]["networks"]) & set(services()["prometheus"]["networks"]) >= {
        "control"
    }
    targets = {volume["target"] for volume in services()["prometheus"]["volumes"]}
    assert str(Path(job["authorization"]["credentials_file"]).parent) in targets
    assert set(scrape["rule_files"]) <= targets


def test_grafana_is_provisioned_with_a_dashboard_on_its_source() -> None:
    provisioning = DOCKER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    board = json.loads((DOCKER / "grafana" / "dashboards" / "tollgate.json").read_text())
    used = {panel["datasource"]["uid"] for panel in board["panels"]}
    assert used == {source["uid"]}
    host, port = source["url"].removeprefix("http://").split(":")
    assert f"http://127.0.0.1:{port}/-/ready" in services()[host]["healthcheck"]["test"]
    assert set(services()[host]["networks"]) & set(services()["grafana"]["networks"])
    assert "ports" not in services()[host], (
        "it has no login: Grafana, which has one, is asked instead"
    )
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "tollgate.yaml").read_text())[
        "providers"
    ]
    targets = {volume["target"] for volume in services()["grafana"]["volumes"]}
    assert provider["options"]["path"] in targets
