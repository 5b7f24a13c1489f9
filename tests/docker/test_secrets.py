"""Passwords: made once, each service its own, filled into addresses whatever signs they hold; on
the real servers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psycopg
import pytest
import redis as redis_client
from redis.exceptions import AuthenticationError, NoPermissionError

from pipelines.base.settings import Settings
from pipelines.online.address import OnlineAddress
from tests.docker.stack import DOCKER, services
from tests.ports import free_port
from tests.servers import Server, postgresql, postgresql_url, running

AWKWARD = "p/a@b#c?d%e f:g+h&i=j'k\"l{m}$n\\o"
SHOW = "import json, os; print(json.dumps(dict(os.environ)))"


def entered(
    folder: Path, environment: dict[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    """What the command says that the entrypoint becomes."""
    become = [sys.executable, str(DOCKER / "entrypoint.py"), *command]
    variables = {"PATH": os.environ["PATH"], "SECRETS_FOLDER": str(folder), **environment}
    return subprocess.run(become, env=variables, capture_output=True, text=True)


def generated(folder: Path) -> None:
    subprocess.run([sys.executable, str(DOCKER / "make_secrets.py"), str(folder)], check=True)


def test_addresses_are_built_from_files_whatever_a_password_holds(tmp_path: Path) -> None:
    for name in ("ledger", "airflow", "feast", "mlflow", "redis", "s3_key", "s3_secret"):
        (tmp_path / name).write_text(f"{name}{AWKWARD}\n")
    given = {
        key: str(value) for key, value in services()["airflow-scheduler"]["environment"].items()
    }
    document = json.loads(entered(tmp_path, given, sys.executable, "-c", SHOW).stdout)
    settings = Settings.from_environment(document)
    for url in (
        settings.ledger,
        settings.airflow_database,
        settings.online_registry,
        settings.mlflow,
    ):
        parts = urlsplit(str(url))
        assert parts.hostname == "postgres"
        assert unquote(str(parts.password)) == f"{parts.username}{AWKWARD}".replace("tollgate", "")
    assert OnlineAddress.of(settings).redis_options()["password"] == f"redis{AWKWARD}"
    assert document["AWS_SECRET_ACCESS_KEY"] == f"s3_secret{AWKWARD}", "no address: as it is"
    assert document["TOLLGATE_LAKE"] == "s3://tollgate/lake"


def test_a_missing_secret_is_named_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("x")
    given = {"TOLLGATE_LEDGER": "postgresql://{ledger}@a/b", "AWS_SECRET_ACCESS_KEY": "{s3_secret}"}
    done = entered(tmp_path, given, sys.executable, "-c", "print('started')")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"no secret s3_secret in {tmp_path}" in done.stderr


def test_others_variables_are_left_alone(tmp_path: Path) -> None:
    given = {"GREETING": "{name}", "TOLLGATE_NOTIFY_SENDER": "plain"}
    document = json.loads(entered(tmp_path, given, sys.executable, "-c", SHOW).stdout)
    assert {key: document[key] for key in given} == given
    assert "no such command: nowhere" in entered(tmp_path, {}, "nowhere").stderr


def test_passwords_are_made_once_and_differ(tmp_path: Path) -> None:
    generated(tmp_path / "a")
    first = {
        path.relative_to(tmp_path / "a"): path.read_text()
        for path in (tmp_path / "a").rglob("*")
        if path.is_file()
    }
    shutil.rmtree(tmp_path / "a" / "redis")
    generated(tmp_path / "a")
    again = {path: (tmp_path / "a" / path).read_text() for path in first}
    assert again == first
    kept = [content for path, content in first.items() if path.parts[0] == "all"]
    assert len(set(kept)) == len(kept) == 11
    assert all(len(content) >= 32 for content in kept)
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "a" / "all").iterdir()} == {
        "0o400"
    }
    assert all(content not in str(first[Path("redis/users.acl")]) for content in kept), (
        "Redis gets a digest"
    )


@pytest.mark.slow
@pytest.mark.services
def test_postgresql_makes_a_database_for_each_owner_and_nobody_else(tmp_path: Path) -> None:
    generated(tmp_path)
    psql = max(Path("/usr/lib/postgresql").glob("*/bin/psql"), default=None)
    with postgresql() as server:
        command = [
            str(psql),
            "-v",
            "ON_ERROR_STOP=1",
            "--no-psqlrc",
            "-f",
            str(DOCKER / "postgres" / "databases.sql"),
        ]
        variables = {"SECRETS_FOLDER": str(tmp_path / "postgres"), "PATH": os.environ["PATH"]}
        subprocess.run(
            [*command, postgresql_url(server, "postgres")],
            env=variables,
            check=True,
            capture_output=True,
        )
        names = ("ledger", "airflow", "feast", "mlflow")
        for name in names:
            password = (tmp_path / "tollgate" / name).read_text()
            where = {"host": "127.0.0.1", "port": server.port, "user": name, "password": password}
            with psycopg.connect(**where, dbname=name) as connection:
                connection.execute("CREATE TABLE ours (a int)")
            for other in set(names) - {name}:
                with pytest.raises(psycopg.OperationalError, match="permission denied"):
                    psycopg.connect(**where, dbname=other)


@pytest.mark.slow
@pytest.mark.services
def test_redis_takes_its_configuration_and_lets_nobody_in_without_the_password(
    tmp_path: Path,
) -> None:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("no redis-server here (Debian: apt-get install redis-server)")
    generated(tmp_path)
    password = (tmp_path / "tollgate" / "redis").read_text()
    port = free_port()
    command = [
        program,
        str(DOCKER / "redis" / "redis.conf"),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    command += ["--aclfile", str(tmp_path / "redis" / "users.acl")]
    with running(Server("redis", command, tmp_path, port, password)):
        with redis_client.Redis(port=port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
        with redis_client.Redis(port=port, password=password) as client:
            client.hset("key", mapping={"a": 1})
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendonly") == {"appendonly": "yes"}
            for command in ("SHUTDOWN", "CONFIG SET maxmemory 1", "ACL LIST"):
                with pytest.raises(NoPermissionError):
                    client.execute_command(*command.split())
