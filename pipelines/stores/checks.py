"""Does each store hold what the ledger expects of it?

One that came back empty, or of an earlier day, is named.

A store that was lost answers like one that has nothing to tell: MLflow counts its versions from 1
again, a Redis has no keys, a ledger from a backup knows fewer releases. So each is asked for
something that only the right one can say. The looks are quick (milliseconds for files) and read
only; a store that does not answer at all is the doctor's matter.
"""

from __future__ import annotations

import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa

from pipelines.accounts.audit import DeletionDetail
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.materialize import MaterializeAccount
from pipelines.base.addresses import is_redis, with_our_driver
from pipelines.base.atomic_files import write_whole
from pipelines.base.errors import DamagedStoreError, StoreError, TollgateError
from pipelines.base.findings import Finding
from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings, is_remote
from pipelines.base.sqlite_reading import open_for_reading
from pipelines.lake.delta_log import commit_versions
from pipelines.landing.landed_accounts import landing_differences
from pipelines.ledger.ledger import Release
from pipelines.mlflow.http_health import deleted_experiment_served, read_registry_served
from pipelines.mlflow.tables import SQLITE, deleted_experiment, has_tables, read_registry
from pipelines.object_store.storage import open_storage
from pipelines.online.address import OnlineAddress
from pipelines.online.marker import held
from pipelines.run import Run
from pipelines.usecases.policies.retention import LANDING

log = logging.getLogger("tollgate.stores")

LOST = "lost_store"
"""Kind of the incident of a store that came back empty or older; its subject is the store."""

RUNBOOK = "docs/runbooks/lost-stores.md"
WITNESS = "ledger-witness.json"
"""File of the home that notes how far its ledger has come."""

ENOUGH = 0.9
"""Share of the keys of the newest materialisation that the online store must hold; some were
deleted by key since.
"""

DAYS_COMPARED = 60
"""Newest ingested days whose landed files are compared with their accounts."""

NEWEST_RUNS = 20
"""How many of Airflow's runs that the ledger names are looked for in Airflow's database."""

_AIRFLOW_RUN = re.compile(r"(\w+)/((?:scheduled|asset_triggered|backfill|manual)__.+)")
_COMMIT = re.compile(r"_delta_log/(\d{20})\.json$")


@dataclass(frozen=True, kw_only=True)
class LostStore:
    """A store that does not hold what the ledger expects: what is wrong in one line, what follows,
    what to do.
    """

    store: str
    summary: str
    consequence: str
    evidence: tuple[str, ...]
    next_step: str
    alias_is_wrong: bool = False
    """MLflow's alias names another model than the champion: that can be put right at once."""


@dataclass(frozen=True, kw_only=True)
class StoreLook:
    """What a look at all stores found: those that are `lost`, and the names of those that did not
    answer.
    """

    lost: tuple[LostStore, ...]
    silent: tuple[str, ...]


def look_at_stores(run: Run) -> StoreLook:
    """Look at every store; one that does not answer is named and logged."""
    checks: dict[str, Callable[[Run], Iterator[LostStore]]] = {
        "ledger": _ledger,
        "mlflow": _mlflow,
        "online": _online,
        "lake": _lake,
        "airflow": _airflow,
    }
    lost: list[LostStore] = []
    silent: list[str] = []
    for store, check in checks.items():
        try:
            lost.extend(check(run))
        except (TollgateError, OSError, sqlite3.Error) as error:
            log.warning("%s could not be looked at: %s", store, error)
            silent.append(store)
    return StoreLook(lost=tuple(lost), silent=tuple(silent))


def stores(settings: Settings) -> Iterator[Finding]:
    """The doctor's look: each store that holds less than the ledger expects, or one line that none
    does.
    """
    from pipelines.usecases.registry import load

    run = Run(settings, load(settings.use_case), actor="doctor")
    path = Path(settings.ledger.removeprefix(SQLITE))
    if settings.ledger.startswith(SQLITE) and not path.exists():
        if witness_file(run).exists():
            detail = f"{path} is gone; the home knows of a ledger that was there"
            advice = (
                "tollgate ledger restore FILE with the newest of <home>/backups, then tollgate"
                " repair ledger"
            )
            yield Finding("store ledger", ok=False, found=detail, advice=advice)
        return
    look = look_at_stores(run)
    for lost in look.lost:
        evidence = "; ".join(lost.evidence)
        yield Finding(
            f"store {lost.store}",
            ok=False,
            found=f"{lost.summary} ({evidence})",
            advice=lost.next_step,
        )
    yield from _landing(run)
    if look.silent:
        advice = "start or correct what does not answer (the log above says why), then look again"
        yield Finding(
            "stores", ok=False, found=f"not looked at: {', '.join(look.silent)}", advice=advice
        )
    elif not look.lost:
        yield Finding("stores", ok=True, found="as the ledger expects")


def _landing(run: Run) -> Iterator[Finding]:
    """Days of a landing zone on disk whose files are gone or others than were ingested; of the
    newest days.
    """
    if is_remote(run.settings.landing):
        return
    landing = Path(run.settings.landing_of(run.use_case.name))
    names = [feed.name for feed in run.use_case.feeds if feed.name != run.use_case.name]
    former = [landing.parent / name for name in names if (landing.parent / name).is_dir()]
    if former and not landing.is_dir():
        yield Finding(
            "landed day",
            ok=False,
            found=f"an earlier version has put the days into {', '.join(map(str, former))}",
            advice="`tollgate home migrate`",
        )
        return
    kept = run.use_case.retention.days.get(LANDING)
    first = run.clock().date() - timedelta(days=kept) if kept else date.min
    records = {
        day: each
        for day, each in run.ledger.latest(IngestAccount, status="done").items()
        if day >= first
    }
    ingested = {
        day: {name: feed.rows_in for name, feed in records[day].account.feeds.items()}
        for day in sorted(records)[-DAYS_COMPARED:]
    }
    deletions = [entry.recorded_at for entry in run.ledger.audit_entries(DeletionDetail)]
    newest = max(deletions, default=None)
    thinned = frozenset(
        day for day in ingested if newest is not None and records[day].recorded_at < newest
    )
    for day, different in landing_differences(landing, ingested, deleted_since=thinned):
        detail = f"{day} is not there as it was ingested: {different}"
        advice = (
            "bring the files back (a backup, the sender); if they are right as they are: "
            f"tollgate run ingest --from {day} --to {day}; the lake has the day as it was"
        )
        yield Finding("landed day", ok=False, found=detail, advice=advice)


def released(run: Run) -> list[Release]:
    """The releases that decide, are tried out, or have decided before and may be rolled back to;
    oldest first.

    Those count that MLflow has recorded.
    """
    named: set[str] = set()
    for move in run.ledger.moves():
        named.update(name for name in (move.champion, move.challenger) if name)
    return [
        release
        for release in run.ledger.releases()
        if release.release_id in named and release.account.mlflow_run_id
    ]


def witness_file(run: Run) -> Path:
    """Where the home notes how far its ledger has come: the ledger itself cannot say that it is an
    older one.
    """
    return run.settings.home / WITNESS


def note_ledger(run: Run) -> None:
    """Note how far the ledger has come, unless it is behind what was noted; what cannot be written
    is logged.
    """
    path = witness_file(run)
    try:
        before, now = _witnessed(path), {run.use_case.name: run.ledger.extent()}
        for name, counts in now.items():
            if any(counts[what] < number for what, number in before.get(name, {}).items()):
                return
        if {**before, **now} != before:
            content = json.dumps({**before, **now}, indent=2, sort_keys=True)
            write_whole(
                path, lambda partial: partial.write_text(content), what="the ledger's witness"
            )
    except TollgateError as error:
        log.warning("how far the ledger has come is not noted: %s", error)


def forget_witness(run: Run) -> None:
    """Take the ledger as it is from now on."""
    witness_file(run).unlink(missing_ok=True)
    note_ledger(run)


def _witnessed(path: Path) -> dict[str, dict[str, int]]:
    try:
        counts = json.loads(path.read_text())
        return {
            name: {what: int(number) for what, number in numbers.items()}
            for name, numbers in counts.items()
        }
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}


def _ledger(run: Run) -> Iterator[LostStore]:
    noted = _witnessed(witness_file(run)).get(run.use_case.name, {})
    now = run.ledger.extent() if noted else {}
    behind = [
        f"{what}: {now[what]} of {number}"
        for what, number in noted.items()
        if now.get(what, number) < number
    ]
    if behind:
        yield LostStore(
            store="ledger",
            summary=(
                "the ledger is older than the home: it was restored from an earlier backup, or is"
                " another one"
            ),
            consequence=(
                "releases, days and incidents of since are not known: an earlier champion may"
                " decide again"
            ),
            evidence=tuple(behind),
            next_step="tollgate repair ledger",
        )


def _mlflow(run: Run) -> Iterator[LostStore]:
    url, name = run.settings.mlflow, run.use_case.name
    try:
        if has_tables(url):
            deleted = deleted_experiment(url, name)
            registry = read_registry(url, name, "champion")
        else:
            deleted = deleted_experiment_served(url, name)
            registry = read_registry_served(url, name, "champion")
    except DamagedStoreError as error:
        yield _lost_mlflow("MLflow's database is damaged", (error.found,))
        return
    if deleted is not None:
        yield LostStore(
            store="mlflow",
            summary=f"MLflow's experiment {run.use_case.name!r} ({deleted}) was deleted",
            consequence="no training can be recorded, so that none makes a release",
            evidence=(f"at {mask_passwords(run.settings.mlflow)}",),
            next_step="tollgate repair mlflow",
        )
    expected = released(run)
    if not expected:
        return
    versions = {
        release.release_id: registry.version_of(release.release_id, release.account.model_digest)
        for release in expected
    }
    pointer = run.ledger.champion()
    champion = versions.get(pointer.release_id) if pointer else None
    named = next(
        (version.release for version in registry.versions if version.version == registry.alias),
        "an unknown version",
    )
    wrong = registry.alias is not None and (champion is None or registry.alias != champion.version)
    alias_evidence = (
        (f"its alias champion names {named}, version {registry.alias}",) if wrong else ()
    )
    missing = [name for name, version in versions.items() if version is None]
    without = [
        name
        for name, version in versions.items()
        if version and not _has_files(run, version.location)
    ]
    if missing:
        what = (
            f"MLflow does not know {len(missing)} of {len(expected)} releases that decide or have"
            " decided"
        )
        summary = f"{what}: its database was lost or is another one"
        yield _lost_mlflow(summary, (*missing[:10], *alias_evidence), alias_is_wrong=wrong)
    elif champion is not None and registry.alias != champion.version:
        what = (
            f"MLflow's alias champion names {named if wrong else 'nothing'}, and {champion.release}"
            " decides"
        )
        yield _lost_mlflow(what, alias_evidence, alias_is_wrong=True)
    if without:
        what = f"MLflow's files of {len(without)} of {len(expected)} releases are gone"
        yield _lost_mlflow(what, tuple(without[:10]))


def _has_files(run: Run, location: str) -> bool:
    """Whether the model's bytes are where MLflow says; True where that cannot be told from here."""
    if location.startswith("file://"):
        return Path(location.removeprefix("file://"), "model.ubj").is_file()
    if location.startswith("tollgate:/"):
        location = f"{run.settings.mlflow_artifacts}/{location.removeprefix('tollgate:/')}"
    if location.startswith("/"):
        return Path(location, "model.ubj").is_file()
    if is_remote(location):
        return open_storage(run.settings, location).read("model.ubj") is not None
    return True


def _lost_mlflow(
    summary: str, evidence: tuple[str, ...], *, alias_is_wrong: bool = False
) -> LostStore:
    return LostStore(
        store="mlflow",
        summary=summary,
        consequence=(
            "who asks MLflow for the champion gets none or another; scoring asks the ledger, and"
            " goes on"
        ),
        evidence=evidence,
        next_step="tollgate repair mlflow",
        alias_is_wrong=alias_is_wrong,
    )


def _online(run: Run) -> Iterator[LostStore]:
    done = [
        record for record in run.ledger.stage_records(MaterializeAccount) if record.status == "done"
    ]
    if not done or not done[-1].account.marked:
        return
    account, address = done[-1].account, OnlineAddress.of(run.settings)
    entities = account.entities
    expected = account.built_at.isoformat() if account.built_at else ""
    stored = held(address, run.use_case.name, list(entities))
    wanted = sum(entities.values())
    difference = ""
    if stored.build is None:
        difference = "it bears no mark of any build: it was emptied, or is another one"
    elif stored.build != expected:
        difference = f"it holds the build of {stored.build}, not that of {expected}"
    elif stored.keys < ENOUGH * wanted:
        difference = f"it holds {stored.keys} keys of {wanted}"
    if difference:
        what = "Redis" if is_redis(address.store) else "the file"
        yield LostStore(
            store="online",
            summary=f"the online store does not hold the states of {account.watermark}",
            consequence=(
                "a scorer that reads states there takes known cards and terminals for new ones"
            ),
            evidence=(f"{address.where}: {difference}", f"{what} was asked"),
            next_step="tollgate repair online",
        )


def _lake(run: Run) -> Iterator[LostStore]:
    """Tables whose newest version is below one that the ledger has an account of."""
    behind = []
    for table, recorded in known_versions(run).items():
        newest = _newest_version(run, table)
        if newest < recorded:
            behind.append(
                f"{table}: version {newest if newest >= 0 else 'none'}, the ledger knows {recorded}"
            )
    if behind:
        yield LostStore(
            store="lake",
            summary=f"{len(behind)} tables of the lake are older than the ledger says: {behind[0]}",
            consequence=(
                "days that the ledger calls done are not there; what is trained and watched rests"
                " on fewer"
            ),
            evidence=(f"at {mask_passwords(run.settings.lake)}", *behind),
            next_step=(
                "restore the lake from a copy; without one: tollgate backfill of the days that are"
                " missing"
            ),
        )


def known_versions(run: Run) -> dict[str, int]:
    """The version of each table that the newest account of ingest and of features names."""
    versions: dict[str, int] = {}
    ingested = [
        record for record in run.ledger.stage_records(IngestAccount) if record.status == "done"
    ]
    if ingested:
        versions |= ingested[-1].account.versions
    built = [
        record for record in run.ledger.stage_records(FeaturesAccount) if record.status == "done"
    ]
    if built and built[-1].account.version is not None:
        versions["features"] = built[-1].account.version
    return versions


def _newest_version(run: Run, table: str) -> int:
    """The newest version of a table by its log, -1 where there is none."""
    root = f"{run.settings.lake.rstrip('/')}/{run.use_case.name}"
    if not is_remote(root):
        return max(commit_versions(Path(root, table)), default=-1)
    names = open_storage(run.settings, root).files(f"{table}/_delta_log")
    matches = (_COMMIT.search(name) for name in names)
    return max((int(match[1]) for match in matches if match), default=-1)


def _airflow(run: Run) -> Iterator[LostStore]:
    """Of the newest runs that the ledger names, Airflow's database must know one at least."""
    named = []
    for run_id in reversed(run.ledger.newest_run_ids()):
        match = _AIRFLOW_RUN.fullmatch(run_id)
        if match is not None:
            named.append(match)
    runs = list(dict.fromkeys((match[1], match[2]) for match in named))[:NEWEST_RUNS]
    elsewhere = run.settings.airflow_url is not None and run.settings.airflow_database is None
    if not runs or elsewhere:
        return
    engine = _airflow_engine(run)
    known_runs: set[tuple[str, str]] = set()
    if engine is not None:
        known_runs = _known_runs(engine, runs)
    if not known_runs:
        dag, newest = runs[0]
        yield LostStore(
            store="airflow",
            summary=(
                "Airflow's database does not know the runs that the ledger names: it was lost, or"
                " is another one"
            ),
            consequence=(
                "Airflow has forgotten what ran; it goes on with its next schedule, not with days"
                " left over"
            ),
            evidence=(f"the newest is run {newest} of {dag}",),
            next_step="tollgate repair airflow",
        )


def _airflow_engine(run: Run) -> sa.Engine | None:
    """Airflow's database for reading, None where it is a file that is not there."""
    if run.settings.airflow_database:
        url = with_our_driver(run.settings.airflow_database)
        return sa.create_engine(url, connect_args={"connect_timeout": 10})
    path = run.settings.home / "airflow" / "airflow.db"
    return (
        sa.create_engine("sqlite://", creator=lambda: open_for_reading(path))
        if path.is_file()
        else None
    )


def _known_runs(engine: sa.Engine, runs: list[tuple[str, str]]) -> set[tuple[str, str]]:
    table = sa.table("dag_run", sa.column("dag_id"), sa.column("run_id"))
    query = sa.select(table.c.dag_id, table.c.run_id).where(
        table.c.run_id.in_([run_id for _, run_id in runs])
    )
    try:
        with closing(engine.connect()) as connection:
            if not sa.inspect(connection).has_table("dag_run"):
                return set()
            return {(dag, run_id) for dag, run_id in connection.execute(query)} & set(runs)
    except sa.exc.SQLAlchemyError as error:
        raise StoreError(
            "Airflow's database does not say which runs it knows",
            found=mask_passwords(str(getattr(error, "orig", error)).strip()),
            next_step="tollgate doctor",
            runbook=RUNBOOK,
        ) from error
    finally:
        engine.dispose()
