"""Make a lost store again from what is left: the ledger, the releases' bundles, the lake.

Says what cannot be made.

Each repair may be run again at any time: what is there already stays as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.accounts.audit import RepairDetail
from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError, StoreError
from pipelines.base.settings import is_remote
from pipelines.lake.delta_log import commit_infos
from pipelines.ledger.ledger import Release
from pipelines.mlflow.tables import SQLITE, has_tables, read_registry
from pipelines.mlflow.tracking import RegisteredModel, Tracking
from pipelines.nightly.materialize.stage import materialize
from pipelines.nightly.monitor.stores import watch_stores
from pipelines.releases.alias import follow
from pipelines.releases.bundle import Bundle, BundleError, load_bundle, releases_folder
from pipelines.releases.loading import release_bundle
from pipelines.run import Run
from pipelines.stores.checks import forget_witness
from pipelines.stores.watermark import watermark
from pipelines.training.registration import record_from_bundle, taken_versions


@dataclass(frozen=True, kw_only=True)
class Repaired:
    """What a repair did, sentence by sentence, and what it could not do."""

    store: str
    done: tuple[str, ...]
    not_done: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {"store": self.store, "done": list(self.done), "not_done": list(self.not_done)}


def repair_mlflow(run: Run) -> Repaired:
    """Register every release of the ledger again that MLflow does not hold whole, and set the
    alias.

    A damaged database file is put aside first. Models come from the verified bundles and get the
    version numbers of the ledger where MLflow has them free. Raises `StoreError` where MLflow does
    not answer.
    """
    done, lacking = _put_damaged_aside(run), []
    tracking = Tracking(run.settings, run.use_case.name)
    if (restored := tracking.restore_experiment()) is not None:
        done.append(
            f"the experiment {run.use_case.name!r} ({restored}), which was deleted, is restored"
        )
    without_pictures = 0
    for release in sorted(run.ledger.releases(), key=_number):
        try:
            bundle = release_bundle(run, release)
        except BundleError as error:
            lacking.append(f"{release.release_id}: {error.what} ({error.found})")
            continue
        version = tracking.registered(release.release_id, bundle.model_digest)
        if version is not None and tracking.holds(version, bundle.model_digest):
            continue
        if version is not None:
            tracking.withdraw(version)
        entry = record_from_bundle(bundle, release.account)
        made = tracking.record(entry, taken=taken_versions(run, release.release_id))
        before = release.account.model_version
        number = "" if made.version == before else f" (the ledger calls it version {before})"
        done.append(f"{release.release_id} is registered again as version {made.version}{number}")
        without_pictures += 1
    if without_pictures:
        lacking.append(
            f"pictures and model cards of {without_pictures} releases: MLflow alone had the"
            " pictures; a card may still be in <home>/<use case>/reports/releases"
        )
    warnings = follow(run)
    pointer = run.ledger.champion()
    if pointer is not None and not warnings:
        done.append(f"the alias champion names {pointer.release_id}")
    watch_stores(run)
    return Repaired(store="mlflow", done=tuple(done), not_done=(*lacking, *warnings))


def repair_online(run: Run) -> Repaired:
    """Build the states of the newest materialised day again and put them online; needs Spark.

    Raises `PermanentError` where no day was ever materialised, and what `materialize` raises.
    """
    before = watermark(run.ledger)
    if before is None:
        raise PermanentError(
            "no day was ever materialised: there is nothing to put online again",
            where=run.ledger.where,
            expected="an account of the materialize stage",
            found="none",
            next_step="tollgate run materialize --from DAY --to DAY",
        )
    account = materialize(run, DayRange.single(before.day)).accounts[before.day]
    counts = ", ".join(f"{count} of {entity}" for entity, count in account.entities.items())
    watch_stores(run)
    return Repaired(
        store="online",
        done=(f"states as of the end of {before.day} are online: {counts}",),
        not_done=(),
    )


def repair_ledger(run: Run) -> Repaired:
    """Take up the releases whose rows an older ledger lacks, name the days that it lacks, and go on
    with it as it is.

    A release that is found again is `retired`: what had become of it is not known, so a person
    decides.
    """
    done: list[str] = []
    lacking: list[str] = []
    known_ids = {release.release_id for release in run.ledger.releases()}
    tracking = Tracking(run.settings, run.use_case.name)
    for name in _unknown_bundles(run, known_ids):
        try:
            bundle = load_bundle(releases_folder(run.settings.home), name)
        except BundleError as error:
            lacking.append(f"{name}: {error.what} ({error.found})")
            continue
        registered = tracking.registered(name, bundle.model_digest)
        if registered is None:
            lacking.append(
                f"{name}: MLflow does not know it either; training as of its day again makes the"
                " same"
            )
            continue
        _take_up(run, bundle, registered)
        done.append(
            f"{name} is in the ledger again, retired: tollgate promote {name} --override"
            " --reason WHY"
        )
    if days := _days_unknown(run):
        first, last = min(days), max(days)
        lacking.append(
            f"accounts of {len(days)} days that the lake has and the ledger does not: "
            f"tollgate backfill --from {first} --to {last}"
        )
    lacking.append("moves of the pointer, approvals, incidents and audit entries since the backup")
    forget_witness(run)
    detail = RepairDetail(done=tuple(done), not_done=tuple(lacking))
    run.ledger.audit("ledger", detail, actor=run.actor, at=run.clock())
    follow(run)
    watch_stores(run)
    return Repaired(
        store="ledger",
        done=(*done, "the ledger counts as it is from now on"),
        not_done=tuple(lacking),
    )


def repair_airflow(_: Run) -> Repaired:
    """Say how Airflow gets its database again: it holds nothing that cannot be done without."""
    return Repaired(
        store="airflow",
        done=(),
        not_done=(
            (
                "runs and their states: the ledger has what each stage did; days left over:"
                " tollgate backfill"
            ),
            (
                "the database and its pools are made by `tollgate up` (a server: `tollgate"
                " component airflow-migrate`)"
            ),
            "the look at it is content once the next scheduled or backfilled run has ended",
        ),
    )


def repair_journal(_: Run) -> Repaired:
    """Say how the scorer's journal fills again."""
    return Repaired(
        store="journal",
        done=(),
        not_done=(
            "running scorers write again what they know by themselves, at their next batch",
            "what only a scorer knew that has ended since comes back with the next materialisation",
        ),
    )


REPAIRS: Mapping[str, Callable[[Run], Repaired]] = {
    "mlflow": repair_mlflow,
    "online": repair_online,
    "ledger": repair_ledger,
    "airflow": repair_airflow,
    "journal": repair_journal,
}


def _number(release: Release) -> tuple[int, str]:
    """By the version's number, so that a new MLflow gives the same ones again."""
    version = release.account.model_version
    return (int(version) if version.isdecimal() else 0, release.release_id)


def _put_damaged_aside(run: Run) -> list[str]:
    """Move a database file that SQLite finds damaged out of the way, with what lies beside it."""
    url = run.settings.mlflow
    if not url.startswith(SQLITE) or not has_tables(url):
        return []
    path = Path(url.removeprefix(SQLITE))
    try:
        read_registry(url, run.use_case.name, "champion")
    except StoreError as error:
        aside = path.with_name(f"{path.name}.damaged-{run.clock():%Y%m%dT%H%M%S}")
        for ending in ("", "-wal", "-shm"):
            source = path.with_name(f"{path.name}{ending}")
            if source.exists():
                source.rename(aside.with_name(f"{aside.name}{ending}"))
        return [f"the damaged database is put aside as {aside.name} ({error.found})"]
    return []


def _unknown_bundles(run: Run, known_ids: set[str]) -> list[str]:
    folder = releases_folder(run.settings.home)
    names = (
        sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    )
    return [name for name in names if not name.startswith(".") and name not in known_ids]


def _take_up(run: Run, bundle: Bundle, registered: RegisteredModel) -> None:
    account = bundle.record.replaced(
        manifest_digest=bundle.manifest_digest,
        signed_by=bundle.signed_by,
        model_version=registered.version,
        mlflow_run_id=registered.run_id,
        trained_because="not known: found again by `tollgate repair ledger`",
    )
    reason = "found again by `tollgate repair ledger`: what had become of it is not known"
    now = run.clock()
    run.ledger.add_release(bundle.release_id, account, at=now)
    run.ledger.set_state(bundle.release_id, "retired", reason=reason, actor=run.actor, at=now)


def _days_unknown(run: Run) -> set[date]:
    """Days of the newest commits of a lake on disk whose runs the ledger does not name."""
    root = f"{run.settings.lake.rstrip('/')}/{run.use_case.name}"
    if is_remote(root):
        return set()
    runs = set(run.ledger.newest_run_ids(limit=10_000))
    days: set[date] = set()
    for table in (
        *(feed.name for feed in run.use_case.feeds),
        "features",
        "predictions",
        "metrics",
    ):
        for metadata in _written(Path(root, table)):
            if metadata.get("run_id") not in runs and metadata.get("stage") != "maintain":
                days |= {date.fromisoformat(day) for day in metadata.get("days", ())}
    return days


def _written(table: Path) -> list[dict[str, Any]]:
    """What the commits of a table say of themselves."""
    texts = [info.get("userMetadata") for _, info in commit_infos(table)]
    return [json.loads(text) for text in texts if text]
