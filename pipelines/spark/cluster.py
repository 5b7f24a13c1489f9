"""A standalone Spark cluster: its master and its workers as programs, and how the Connect server
computes there.

All share a secret of the home (`spark.authenticate`) and speak encrypted. Master and workers tell
how they are on pages of loopback only, since those ask nobody who he is.
"""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import ConfigurationError
from pipelines.base.ports import LOCALHOST
from pipelines.base.secrets import secret
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.spark.session import java_environment, java_options, quoted

SECRET = "spark-cluster"
PAGES = {"master": 8080, "worker": 8081}
"""Ports of the pages, unless Spark's own variables SPARK_MASTER_WEBUI_PORT and
SPARK_WORKER_WEBUI_PORT say another.
"""

_DAEMON_MEMORY = "512m"
_CLOSED = {
    "spark.authenticate": "true",
    "spark.network.crypto.enabled": "true",
    "spark.network.crypto.cipher": "AES/GCM/NoPadding",
    "spark.master.rest.enabled": "false",
    "spark.master.ui.decommission.allow.mode": "DENY",
    "spark.ui.killEnabled": "false",
}


def cluster_options(settings: Settings) -> dict[str, str]:
    """Options of a Connect server that computes on the cluster of the settings; none where there is
    no cluster.
    """
    if settings.spark_master is None:
        return {}
    return {
        **_CLOSED,
        "spark.master": settings.spark_master,
        "spark.cores.max": str(settings.spark_cores),
        "spark.executor.memory": settings.spark_executor_memory,
        "spark.executor.extraJavaOptions": _executor_java_options(settings),
        "spark.driver.host": (
            urlsplit(settings.spark_remote).hostname if settings.spark_remote else None
        )
        or LOCALHOST,
        "spark.driver.bindAddress": settings.bind,
    }


def _executor_java_options(settings: Settings) -> str:
    """As everywhere, but for options of Spark's own, which executors have from the driver and
    refuse to find here.
    """
    return quoted(option for option in java_options(settings) if not option.startswith("-Dspark."))


def secret_arguments(settings: Settings) -> list[str]:
    """How a program of the cluster learns the secret, which may not stand on a command line: by a
    file of the home.
    """
    if settings.spark_master is None:
        return []
    path = settings.home / "spark" / "cluster.conf"
    options = {**_CLOSED, "spark.authenticate.secret": secret(settings, SECRET)}
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(
        path, lambda partial: _write_private(partial, text), what="the options of the Spark cluster"
    )
    return ["--properties-file", str(path)]


def master_command(settings: Settings) -> list[str]:
    """The cluster's master, on the host and port of its address."""
    address = urlsplit(_require_master(settings))
    where = ["--host", str(address.hostname), "--port", str(address.port)]
    return [*_program("org.apache.spark.deploy.master.Master"), *where, *secret_arguments(settings)]


def worker_command(settings: Settings) -> list[str]:
    """A worker; how many cores and how much memory it lends, SPARK_WORKER_CORES and
    SPARK_WORKER_MEMORY say.
    """
    master = _require_master(settings)
    host = LOCALHOST if settings.bind == LOCALHOST else socket.gethostbyname(socket.gethostname())
    folder = str(settings.home / "spark" / "work")
    where = ["--host", host, "--work-dir", folder]
    return [
        *_program("org.apache.spark.deploy.worker.Worker"),
        *where,
        *secret_arguments(settings),
        master,
    ]


def daemon_environment(settings: Settings) -> dict[str, str]:
    """What master and workers run in: a worker's executors run our functions, in our
    environment.
    """
    inherited = {key: value for key, value in os.environ.items() if key != "SPARK_REMOTE"}
    ours = {
        "SPARK_DAEMON_MEMORY": _DAEMON_MEMORY,
        "SPARK_DAEMON_JAVA_OPTS": quoted(java_options(settings)),
        **java_environment(),
        "SPARK_LOCAL_IP": LOCALHOST,
        "PYSPARK_PYTHON": sys.executable,
        "PYTHONPATH": str(CHECKOUT),
    }
    return {**inherited, **ours}


def master_healthy(_: Settings) -> bool:
    """Whether the master leads its cluster."""
    return _told("master").get("status") == "ALIVE"


def worker_healthy(_: Settings) -> bool:
    """Whether the worker has found its master."""
    return bool(_told("worker").get("masterurl"))


def _told(role: str) -> dict[str, object]:
    port = os.environ.get(f"SPARK_{role.upper()}_WEBUI_PORT", PAGES[role])
    try:
        answer = httpx.get(f"http://{LOCALHOST}:{port}/json/", timeout=5, trust_env=False)
        return dict(answer.json()) if answer.is_success else {}
    except (httpx.HTTPError, ValueError):
        return {}


def _require_master(settings: Settings) -> str:
    if settings.spark_master is None:
        raise ConfigurationError(
            "there is no Spark cluster",
            where="TOLLGATE_SPARK_MASTER",
            expected="the address of its master, spark://HOST:PORT",
            found="nothing",
            next_step="set it to the same address for master, workers and the Spark Connect server",
            runbook="docs/runbooks/services.md",
        )
    return settings.spark_master


def _program(name: str) -> list[str]:
    return [str(Path(str(find_spec("pyspark").origin)).parent / "bin" / "spark-class"), name]  # type: ignore[union-attr]


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
