"""Do the services that run here let us in, and nobody else?

Airflow, MLflow's UI, Spark Connect, the online scorer.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlsplit

import httpx

from pipelines.airflow.api import USER, AirflowApi, passwords_file
from pipelines.airflow.chain_state import paused_dags, paused_told
from pipelines.airflow.server import spark_remote
from pipelines.base.certificates import certificate_of
from pipelines.base.errors import ConfigurationError, PermanentError, StoreError
from pipelines.base.findings import Finding, guarded
from pipelines.base.ports import LOCALHOST, answers, home_of_service
from pipelines.base.secrets import known_secret, secret_file
from pipelines.base.settings import Settings
from pipelines.mlflow.password_gate import SECRET
from pipelines.services.local import status
from pipelines.spark.session import server_version

SPARK_PORT = 15002
"""Spark Connect's own, where an address has none."""

_PORTS = {"http": 80, "https": 443}

CERTIFICATE_DAYS = 14
"""Days that a certificate should still be valid: time to notice, and to have another one made."""

ANOTHER_HOME = (
    "let TOLLGATE_HOME be the home that it was started with, or give this home's services other"
    " ports"
)
IN_ITS_PLACE = "end what listens there, or choose another port (docs/settings.md)"


def services(settings: Settings) -> Iterator[Finding]:
    """Those that `tollgate up` has started and that are gone; then each that answers: whether it
    takes our password.
    """
    for each in status(settings):
        if each.state == "another home's":
            detail = (
                "its record came along in a copy: pid and port are those of"
                f" {_owner_of(each.address)}"
            )
            yield Finding(
                f"{each.name} service", ok=False, found=detail, advice="`tollgate home adopt`"
            )
        if each.state in {"dead", "starting"}:
            state = "it ended by itself" if each.state == "dead" else f"no answer at {each.address}"
            detail = f"{state}; its log is {each.log}"
            yield Finding(
                f"{each.name} service", ok=False, found=detail, advice="docs/runbooks/services.md"
            )
    for check in (spark_connect, mlflow_ui, airflow):
        yield from guarded(check, settings)


def spark_connect(settings: Settings) -> Iterator[Finding]:
    """Whether the Connect server runs plans for our token, and for no other."""
    url = spark_remote(settings)
    where = url.partition(";")[0].rstrip("/")
    if not settings.spark_remote and (
        stranger_home := _of_another_home(settings, settings.spark_port)
    ):
        yield Finding(
            "spark connect", ok=False, found=f"{where} {stranger_home}", advice=ANOTHER_HOME
        )
        return
    if not _reached(where):
        advice = "start it there, or correct TOLLGATE_SPARK_REMOTE"
        named = f"nobody answers at {where}"
        yield (
            Finding("spark connect", False, named, advice)
            if settings.spark_remote
            else _silent("spark connect", where)
        )
        return
    try:
        version = server_version(url, settings)
    except (ConfigurationError, StoreError) as error:
        stranger = isinstance(error, ConfigurationError)
        detail, advice = (error.what, ANOTHER_HOME) if stranger else (error.found, error.next_step)
        yield Finding("spark connect", ok=False, found=f"{where}: {detail}", advice=advice)
        return
    anybody = ";" not in url and _takes_any_token(where, settings)
    detail = f"{where}, Spark {version}, takes {'any' if anybody else 'our'} token"
    yield Finding("spark connect", not anybody, detail, "`tollgate down`, `tollgate up`")


def _takes_any_token(where: str, settings: Settings) -> bool:
    try:
        server_version(f"{where}/;authorization=Bearer%20none", settings)
    except (ConfigurationError, StoreError):
        return False
    return True


def mlflow_ui(settings: Settings) -> Iterator[Finding]:
    """Whether MLflow's server takes our password, and asks for one."""
    where = settings.mlflow_url or f"http://{LOCALHOST}:{settings.mlflow_port}"
    not_ours = _absent_or_of_another_home(
        "mlflow ui", where, settings, "mlflow_url", settings.mlflow_port
    )
    if not_ours is not None:
        yield not_ours
        return
    password = known_secret(settings, SECRET)
    try:
        with httpx.Client(base_url=where, timeout=5, trust_env=False) as http:
            asks = http.get("/version").status_code == httpx.codes.UNAUTHORIZED
            ours = http.get("/version", auth=(USER, password)) if password else None
    except httpx.HTTPError as error:
        yield Finding(
            "mlflow ui", ok=False, found=f"{where}: {type(error).__name__}", advice=IN_ITS_PLACE
        )
        return
    if not asks:
        yield Finding(
            "mlflow ui", ok=False, found=f"{where} does not ask for a password", advice=IN_ITS_PLACE
        )
    elif ours is None:
        detail = f"{where} asks for a password, and {secret_file(settings, SECRET)} does not exist"
        yield Finding("mlflow ui", ok=False, found=detail, advice=ANOTHER_HOME)
    else:
        detail = (
            f"{where}, MLflow {ours.text}, takes our password"
            if ours.is_success
            else f"{where} refuses our password"
        )
        yield Finding("mlflow ui", ours.is_success, detail, ANOTHER_HOME)


def airflow(settings: Settings) -> Iterator[Finding]:
    """Whether Airflow's parts are healthy, and whether it takes our password."""
    api = AirflowApi(settings)
    not_ours = _absent_or_of_another_home(
        "airflow", api.url, settings, "airflow_url", settings.airflow_port
    )
    if not_ours is not None:
        yield not_ours
        return
    try:
        ill = [f"{name} is {state}" for name, state in api.health().items() if state != "healthy"]
    except (StoreError, PermanentError) as error:
        yield Finding(
            "airflow",
            ok=False,
            found=f"{api.url}: {error.found or error.what}",
            advice=error.next_step,
        )
        return
    try:
        api.token()
        detail = f"{api.url}, takes our password" + "".join(f"; {each}" for each in ill)
        yield Finding("airflow", not ill, detail, "docs/runbooks/services.md")
        if paused := paused_dags(settings, settings.use_case):
            yield Finding(
                "airflow dags", False, paused_told(settings, paused), "docs/runbooks/services.md"
            )
    except ConfigurationError:
        detail = f"{api.url} asks for a password, and {passwords_file(settings)} has none"
        yield Finding("airflow", ok=False, found=detail, advice=ANOTHER_HOME)
    except PermanentError:
        yield Finding(
            "airflow", ok=False, found=f"{api.url} refuses our password", advice=ANOTHER_HOME
        )
    except StoreError as error:
        yield Finding(
            "airflow",
            ok=False,
            found=f"{api.url}: {error.found or error.what}",
            advice=error.next_step,
        )


def scorer(settings: Settings) -> Iterator[Finding]:
    """The online scorer, where one runs: whether it answers as it should; its certificate, where it
    has one.
    """
    where = settings.serve_url or f"{settings.serve_scheme}://{LOCALHOST}:{settings.serve_port}"
    yield from guarded(certificate, settings)
    not_ours = _absent_or_of_another_home(
        "scorer", where, settings, "serve_url", settings.serve_port
    )
    if not_ours is not None:
        yield not_ours
        return
    try:
        readiness = httpx.get(f"{where}/ready", timeout=5, trust_env=False, verify=False).json()
        problems = "; ".join(readiness["problems"])
        detail = f"{where}, {readiness['release'] or 'no release'}" + (
            f": {problems}" if problems else ""
        )
        yield Finding(
            "scorer", ok=bool(readiness["ready"]), found=detail, advice="docs/runbooks/serving.md"
        )
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        advice = "end what listens there, or choose another port with TOLLGATE_SERVE_PORT"
        yield Finding("scorer", ok=False, found=f"{where}: {type(error).__name__}", advice=advice)


def certificate(settings: Settings) -> Iterator[Finding]:
    """The scorer's certificate: whom it is for, how long still, and whether it is the one that is
    shown to callers.
    """
    on_disk = certificate_of(settings)
    if on_disk is None:
        return
    left = int(on_disk.days_left(datetime.now(UTC)))
    detail = f"{', '.join(on_disk.names)}: {left} days left"
    yield Finding(
        "certificate",
        left >= CERTIFICATE_DAYS,
        detail,
        "have it renewed; a running scorer takes it by itself",
    )
    if answers(settings.serve_port):
        shown = ssl.PEM_cert_to_DER_cert(
            ssl.get_server_certificate((LOCALHOST, settings.serve_port), timeout=5)
        )
        same = sha256(shown).hexdigest() == on_disk.sha256
        yield Finding(
            "certificate shown",
            same,
            "as on disk" if same else "another one",
            "docs/runbooks/serving.md",
        )


def _of_another_home(settings: Settings, port: int) -> str:
    """What to say of a port on which another home's service listens; nothing where that is not
    seen.
    """
    home = home_of_service(port)
    return (
        f"runs for the home at {home}"
        if home is not None and home.resolve() != settings.home
        else ""
    )


def _owner_of(address: str) -> str:
    """Whose service listens at an address of this machine."""
    home = home_of_service(urlsplit(address).port or 0)
    return f"the home at {home}" if home else "another home"


def _reached(url: str) -> bool:
    """Whether somebody listens there; Spark's own client would try for minutes."""
    parts = urlsplit(url)
    try:
        port = parts.port or _PORTS.get(parts.scheme, SPARK_PORT)
        socket.create_connection((parts.hostname or LOCALHOST, port), timeout=5).close()
    except OSError:
        return False
    return True


def _absent_or_of_another_home(
    name: str, where: str, settings: Settings, setting: str, port: int
) -> Finding | None:
    """What to say of a service that does not answer, or is another home's; None for one to look
    into.

    A service that `setting` finds at an address of its own has nothing to do with who listens at
    `port` here.
    """
    absent = _absence(name, where, settings, setting, port)
    if absent is not None:
        return absent
    stranger_home = "" if getattr(settings, setting) else _of_another_home(settings, port)
    if not stranger_home:
        return None
    return Finding(name, ok=False, found=f"{where} {stranger_home}", advice=ANOTHER_HOME)


def _absence(name: str, where: str, settings: Settings, setting: str, port: int) -> Finding | None:
    """What to say of a service that does not answer at `where`; None where it does.

    Where `setting` gives it an address it has to answer there. On this machine, at `port`, it need
    not run; in a container nothing but one service does, so that silence there says nothing of the
    others.
    """
    variable = f"TOLLGATE_{setting.upper()}"
    if getattr(settings, setting):
        advice = f"start it there, or correct {variable} (docs/deploy.md)"
        return (
            None if _reached(where) else Finding(name, False, f"nobody answers at {where}", advice)
        )
    if answers(port):
        return None
    if settings.command_prefix:
        return Finding(name, ok=True, found=f"not looked at: {variable} does not say where it runs")
    return _silent(name, where)


def _silent(name: str, where: str) -> Finding:
    return Finding(name, ok=True, found=f"nothing listens on {where}")
