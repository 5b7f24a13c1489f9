"""The services that run locally: each with its command, environment, port, and how one sees that it
is up.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pipelines.airflow import server as airflow_server
from pipelines.base.addresses import for_mlflow
from pipelines.base.ports import LOCALHOST, answers
from pipelines.base.settings import CHECKOUT, Settings, is_remote
from pipelines.mlflow import password_gate as mlflow_gate
from pipelines.mlflow.tracking import artifact_store_environment
from pipelines.spark import token as spark_token
from pipelines.spark.cluster import cluster_options, secret_arguments
from pipelines.spark.session import java_environment, server_options


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service: how it is started, on which port, and how one sees that it is up."""

    name: str
    title: str
    setting: str
    port: Callable[[Settings], int]
    command: Callable[[Settings], list[str]]
    environment: Callable[[Settings], Mapping[str, str]]
    healthy: Callable[[Settings], bool]
    prepare: Callable[[Settings], object] = lambda _: None
    scheme: str = "http"

    def address(self, settings: Settings) -> str:
        """Where it is reached."""
        return f"{self.scheme}://{LOCALHOST}:{self.port(settings)}"


def _spark_command(settings: Settings) -> list[str]:
    options = (
        server_options(settings)
        | cluster_options(settings)
        | {
            "spark.connect.grpc.binding.address": settings.bind,
            "spark.connect.grpc.binding.port": str(settings.spark_port),
        }
    )
    submit = Path(str(find_spec("pyspark").origin)).parent / "bin" / "spark-submit"  # type: ignore[union-attr]
    server = "org.apache.spark.sql.connect.service.SparkConnectServer"
    arguments: list[str] = []
    for key, value in options.items():
        arguments += ["--conf", f"{key}={value}"]
    return [
        str(submit),
        "--class",
        server,
        *secret_arguments(settings),
        *arguments,
        "spark-internal",
    ]


def _spark_environment(settings: Settings) -> dict[str, str]:
    """The server's Python workers run our functions, in our environment; it must not be its own
    client.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "SPARK_REMOTE"}
    token = {spark_token.VARIABLE: spark_token.server_token(settings)}
    ours = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(CHECKOUT), **java_environment()}
    return {**inherited, **token, **ours}


def _mlflow_command(settings: Settings) -> list[str]:
    return [
        *(
            sys.executable,
            "-m",
            "mlflow",
            "server",
            "--host",
            settings.bind,
            "--port",
            str(settings.mlflow_port),
        ),
        *(
            "--app-name",
            mlflow_gate.APP,
            "--allowed-hosts",
            _mlflow_names(settings),
            "--workers",
            "1",
        ),
    ]


def _mlflow_names(settings: Settings) -> str:
    """The names by which it may be asked: loopback's, and that of the address that the settings
    give it.
    """
    elsewhere = [urlsplit(settings.mlflow_url).netloc] if settings.mlflow_url else []
    return ",".join([f"{LOCALHOST}:*", "localhost:*", *elsewhere])


def _mlflow_environment(settings: Settings) -> dict[str, str]:
    """Where its stores are goes by the environment: a command line, and a password in it, is
    anybody's to read.
    """
    remote = is_remote(settings.mlflow_artifacts)
    return {
        **os.environ,
        **settings.environment(),
        "MLFLOW_BACKEND_STORE_URI": for_mlflow(settings.mlflow),
        # an address without the home's path (home_artifacts), as everything that MLflow stores
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": settings.mlflow_artifacts if remote else "tollgate:/",
        **artifact_store_environment(settings),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        # its background jobs judge answers of language models: eight processes, 2 GB, for nothing
        # that is done here
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _mlflow_healthy(settings: Settings) -> bool:
    try:
        return httpx.get(
            f"http://{LOCALHOST}:{settings.mlflow_port}/health", timeout=2, trust_env=False
        ).is_success
    except httpx.HTTPError:
        return False


SERVICES = (
    Service(
        name="spark",
        title="the Spark Connect server",
        setting="TOLLGATE_SPARK_PORT",
        port=lambda settings: settings.spark_port,
        command=_spark_command,
        environment=_spark_environment,
        healthy=lambda settings: answers(settings.spark_port),
        scheme="sc",
    ),
    Service(
        name="mlflow",
        title="MLflow's UI",
        setting="TOLLGATE_MLFLOW_PORT",
        port=lambda settings: settings.mlflow_port,
        command=_mlflow_command,
        environment=_mlflow_environment,
        healthy=_mlflow_healthy,
        prepare=mlflow_gate.login,
    ),
    Service(
        name="airflow",
        title="Airflow",
        setting="TOLLGATE_AIRFLOW_PORT",
        port=lambda settings: settings.airflow_port,
        command=lambda _: airflow_server.command(),
        environment=airflow_server.environment,
        healthy=airflow_server.is_healthy,
        prepare=airflow_server.make_database,
    ),
)
