"""Is this machine fit, and does all that the settings name answer?

Each check says what it found, and what to do.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from packaging.requirements import Requirement

from pipelines.base.addresses import is_redis, with_our_driver
from pipelines.base.code_identity import identify
from pipelines.base.findings import Check, Finding, guarded
from pipelines.base.home import place_warning, placement
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import CHECKOUT, Settings, is_remote
from pipelines.base.user_name import WAY_OUT, user_name
from pipelines.doctor.services import scorer, services
from pipelines.lake.delta_health import (
    RUNBOOK,
    checksum_damages,
    damages,
    landed_checksum_damages,
    tables_of,
)
from pipelines.ledger.ledger import Ledger
from pipelines.object_store.storage import open_storage
from pipelines.online.address import PATIENCE, OnlineAddress
from pipelines.spark.jars import jars_of, missing_jars
from pipelines.spark.session import JAVA_VERSIONS, require_java

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much the clocks of several machines may differ."""

FREE_DISK = 5 * 1024**3
"""Bytes below which a day's run may not find room: a demo home takes about 1 GiB."""


def diagnose(settings: Settings) -> list[Finding]:
    """Run every check; never raises for what a check may find."""
    checks: tuple[Check, ...] = (
        _python,
        _packages,
        _code,
        _user,
        _java,
        _jars,
        _home,
        _ledger,
        _landing,
        _lake,
        _online_store,
        _journal,
        _databases,
        services,
        scorer,
    )
    findings: list[Finding] = []
    for check in checks:
        findings += guarded(check, settings)
    return findings


def _python(_: Settings) -> Iterator[Finding]:
    running = ".".join(map(str, sys.version_info[:3]))
    yield Finding(
        "python", sys.version_info[:2] == (3, 11), running, "use Python 3.11 (make setup PYTHON=…)"
    )


def _packages(_: Settings) -> Iterator[Finding]:
    wrong = []
    for text in requires("tollgate") or []:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            installed = "missing"
        if installed == "missing" or not requirement.specifier.contains(
            installed, prereleases=True
        ):
            wrong.append(f"{requirement} (found {installed})")
    yield Finding("packages", not wrong, ", ".join(wrong) or "as locked", "run `make setup`")


def _code(_: Settings) -> Iterator[Finding]:
    """Whether commits of the lake, releases and pages can name the code that made them."""
    code = identify(CHECKOUT, CHECKOUT / ".code-version")
    yield Finding(
        "code",
        code.is_known,
        f"commit {code.version}" if code.is_known else code.problem,
        code.remedy,
    )


def _user(_: Settings) -> Iterator[Finding]:
    name = user_name()
    yield Finding(
        "user",
        name is not None,
        name or f"user id {os.getuid()} has no name: Spark cannot run",
        WAY_OUT,
    )


def _java(_: Settings) -> Iterator[Finding]:
    output = subprocess.run(
        [require_java(), "-version"], capture_output=True, text=True, timeout=60, check=True
    ).stderr
    first = output.splitlines()[0]
    major = first.split('"')[1].split(".")[0] if '"' in first else ""
    fit = major in {str(v) for v in JAVA_VERSIONS}
    yield Finding(
        "java",
        fit,
        first,
        f"install Java {' or '.join(map(str, JAVA_VERSIONS))} and point JAVA_HOME at it",
    )


def _jars(settings: Settings) -> Iterator[Finding]:
    missing = [jar.file_name for jar in missing_jars(settings.jars, jars_of(settings))]
    detail = (
        f"missing or altered in {settings.jars}: {', '.join(missing)}"
        if missing
        else str(settings.jars)
    )
    yield Finding("spark jars", not missing, detail, "run `make setup`")


def _home(settings: Settings) -> Iterator[Finding]:
    existing = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    writable = existing.is_dir() and os.access(existing, os.W_OK)
    yield Finding(
        "home",
        writable,
        str(settings.home),
        f"make {existing} a writable folder, or set TOLLGATE_HOME",
    )
    yield from _identity(settings)
    free = shutil.disk_usage(existing).free
    yield Finding(
        "disk",
        free >= FREE_DISK,
        f"{free / 1024**3:.1f} GiB free at {existing}",
        "free 5 GiB there",
    )


def _identity(settings: Settings) -> Iterator[Finding]:
    """Whether the home is where it was registered."""
    standing = placement(settings)
    if warning := place_warning(settings):
        yield Finding("home identity", ok=False, found=warning, advice="docs/runbooks/home.md")
    elif standing.home is not None:
        yield Finding("home identity", ok=True, found=f"{standing.home.short_id}, at its place")


def _ledger(settings: Settings) -> Iterator[Finding]:
    if (
        settings.ledger.startswith("sqlite:///")
        and not Path(settings.ledger.removeprefix("sqlite:///")).exists()
    ):
        yield Finding("ledger", ok=True, found="not made yet")
        return
    ledger = Ledger(settings.ledger, settings.use_case)
    champion = ledger.champion()
    yield Finding(
        "ledger",
        ok=True,
        found=f"champion {champion.release_id}" if champion else "no champion yet",
    )
    yield from _clock(ledger.newest_instant(), datetime.now(UTC))


def _clock(newest: datetime | None, now: datetime) -> Iterator[Finding]:
    """Whether the ledger knows instants that are still to come: a clock was ahead then, or is
    behind now.
    """
    if newest is None or newest - now < CLOCK_TOLERANCE:
        return
    detail = (
        f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the ledger was written to at"
        f" {newest:%Y-%m-%d %H:%M} UTC"
    )
    advice = (
        "set the clock (timedatectl) on every machine that runs Tollgate; docs/runbooks/clock.md"
    )
    yield Finding("clock", ok=False, found=detail, advice=advice)


def _landing(settings: Settings) -> Iterator[Finding]:
    if is_remote(settings.landing):
        yield _bucket("landing", settings, settings.landing)
    else:
        detail = (
            settings.landing
            if Path(settings.landing).is_dir()
            else f"{settings.landing} (not made yet)"
        )
        yield Finding("landing", ok=True, found=detail)
        # ingest passes them over; whoever reads the folder with Spark does not
        for damage in landed_checksum_damages(Path(settings.landing)):
            damage_detail = f"{damage.table.name}: {damage.description}; {damage.last_whole}"
            yield Finding(
                "landing",
                ok=False,
                found=damage_detail,
                advice=f"`tollgate repair lake` ({RUNBOOK})",
            )


def _lake(settings: Settings) -> Iterator[Finding]:
    for name, address in (("lake", settings.lake), ("mlflow artefacts", settings.mlflow_artifacts)):
        if is_remote(address):
            yield _bucket(name, settings, address)
    if not is_remote(settings.lake):
        tables = tables_of(Path(settings.lake))
        lake = Path(settings.lake)
        damaged = list(damages(lake))
        damaged_files = {damage.file for damage in damaged}
        damaged += [each for each in checksum_damages(lake) if each.file not in damaged_files]
        for damage in damaged:
            detail = f"{damage.table.name}: {damage.description}; {damage.last_whole}"
            yield Finding(
                "lake", ok=False, found=detail, advice=f"`tollgate repair lake` ({RUNBOOK})"
            )
        if not damaged:
            detail = f"{len(tables)} tables, every file whole" if tables else "not made yet"
            yield Finding("lake", ok=True, found=detail)


def _bucket(name: str, settings: Settings, address: str) -> Finding:
    """Whether we may write, read and delete there."""
    store = open_storage(settings, address)
    probe, content = f"_doctor-{uuid.uuid4().hex}", b"may be deleted"
    store.write(probe, content)
    same = store.read(probe) == content
    store.delete(probe)
    return Finding(
        name,
        same,
        f"{address}: written, read, deleted",
        "the store gives back other bytes: do not use it",
    )


def _online_store(settings: Settings) -> Iterator[Finding]:
    if not is_redis(settings.online_store):
        return
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = OnlineAddress.of(settings)
    once = Retry(NoBackoff(), 0)
    try:
        with redis.Redis(**address.redis_options(), retry=once) as client:
            client.ping()
            policy = _eviction(client)
        evicts = policy not in {"noeviction", "unknown"}
        yield Finding(
            "online store",
            not evicts,
            f"{address.where}, maxmemory-policy {policy}",
            "set it to noeviction",
        )
    except redis.RedisError as error:
        advice = "start Redis, or correct TOLLGATE_ONLINE_STORE (docs/runbooks/online-store.md)"
        yield Finding("online store", ok=False, found=f"{address.where}: {error}", advice=advice)


def _journal(settings: Settings) -> Iterator[Finding]:
    """The Redis of the scorer's journal: whether it is there, may drop the journal, and keeps it
    over a restart.
    """
    if settings.serve_journal is None:
        return
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    address = OnlineAddress(settings.serve_journal, "")
    options = address.redis_options("the scorer's journal", "TOLLGATE_SERVE_JOURNAL")
    try:
        with redis.Redis(**options, retry=Retry(NoBackoff(), 0)) as client:
            client.ping()
            policy, keeps = _eviction(client), _persistence(client)
    except redis.RedisError as error:
        advice = "start Redis, or correct TOLLGATE_SERVE_JOURNAL (docs/runbooks/serving.md)"
        yield Finding(
            "scorer's journal", ok=False, found=f"{address.where}: {error}", advice=advice
        )
        return
    drops = policy.startswith("allkeys")
    advice = (
        "set maxmemory-policy to noeviction: the journal is one key, which would be dropped whole"
    )
    if not drops:
        advice = (
            "set appendonly to yes: a restart would empty the journal, and scorers forget the day"
        )
    detail = f"{address.where}, maxmemory-policy {policy}, {keeps}"
    yield Finding(
        "scorer's journal", ok=not drops and keeps != _NOTHING_KEPT, found=detail, advice=advice
    )


_NOTHING_KEPT = "keeps nothing over a restart"


def _persistence(client: Any) -> str:
    """What Redis keeps over a restart; where its user may not ask, unknown."""
    appends, saves = (_setting(client, name) for name in ("appendonly", "save"))
    if appends == "yes":
        return "keeps every write over a restart"
    if "unknown" in (appends, saves):
        return "what it keeps over a restart is not known"
    return "keeps snapshots over a restart" if saves else _NOTHING_KEPT


def _eviction(client: Any) -> str:
    """What Redis drops when it is full; where its user may not ask, unknown."""
    return _setting(client, "maxmemory-policy")


def _setting(client: Any, name: str) -> str:
    """A setting of Redis; where its user may not ask, unknown."""
    import redis

    try:
        return str(client.config_get(name)[name])
    except (redis.ResponseError, KeyError):
        return "unknown"


def _databases(settings: Settings) -> Iterator[Finding]:
    databases = {
        "airflow database": settings.airflow_database,
        "online registry": settings.online_registry,
        "mlflow": settings.mlflow,
    }
    for name, url in databases.items():
        if url and not url.startswith(("sqlite", "http")):
            yield _database(name, url)


def _database(name: str, url: str) -> Finding:
    """Whether a server takes us in."""
    engine = sa.create_engine(with_our_driver(url), connect_args={"connect_timeout": PATIENCE})
    try:
        with engine.connect() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
        return Finding(name, ok=True, found=f"{mask_passwords(url)}, version {version}")
    except sa.exc.SQLAlchemyError as error:
        problem = " ".join(str(getattr(error, "orig", error)).split())
        advice = f"start the server, or correct TOLLGATE_{name.upper().replace(' ', '_')}"
        return Finding(name, ok=False, found=mask_passwords(f"{url}: {problem}"), advice=advice)
    finally:
        engine.dispose()
