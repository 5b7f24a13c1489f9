"""The drill `bug`: a feature is silently constant from one deploy on.

Named; the release of that deploy gives way.
"""

from __future__ import annotations

from collections.abc import Sequence

from features.definition import EntityFeature
from pipelines.accounts.monitor import MonitorAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.drills.drill import Drill, Finding
from pipelines.drills.watched_bank import days_after, nights, watched_bank, write_days
from pipelines.ledger.ledger import Pointer
from pipelines.releases.bundle import releases_folder, write_bundle
from pipelines.releases.loading import release_bundle
from pipelines.run import Run

FIRST, AFTER = days_after(0), days_after(1)
DEPLOYED = "d5111000"
"""The end of the deployed release's id."""


def bug(settings: Settings) -> Sequence[Finding]:
    """A deploy brings a release and a feature job with a fault; the night after, the job is put
    right.
    """
    run = watched_bank(settings)
    before = _champion(run).release_id
    write_days(run, DayRange(FIRST.first, AFTER.last), {})
    deployed, broken = _deploy(run), broken_feature(run)
    make_constant(run, FIRST, broken)
    account = nights(run, FIRST)[FIRST.first]
    opened = run.ledger.incidents(open_only=True)
    write_days(run, FIRST, {})
    later = nights(run, AFTER)[AFTER.first]
    return (
        _named(account, broken),
        _gave_way(run, account, before, deployed),
        Finding(
            expected="a person is paged, and told what was done",
            happened="; ".join(
                f"{incident.severity} {incident.kind}: {list(incident.detail.done)}"
                for incident in opened
            )
            or "nothing",
            holds=[
                (incident.kind, incident.severity, bool(incident.detail.done))
                for incident in opened
            ]
            == [("bug", "critical", True)],
        ),
        _no_training(account),
        Finding(
            expected=(
                "with the feature job put right the next day is well, nothing is moved and the"
                " incident closes"
            ),
            happened=(
                f"{later.summary}; {len(run.ledger.incidents(open_only=True))} open; "
                f"done: {'; '.join(later.answers) or 'nothing'}"
            ),
            holds=later.cause in ("well", "echo")
            and not run.ledger.incidents(open_only=True)
            and not later.answers,
        ),
    )


def _deploy(run: Run) -> str:
    """The champion once more, as another release, made champion; returns its id."""
    pointer = _champion(run)
    old = run.ledger.release(pointer.release_id)
    bundle = release_bundle(run, old)
    name = f"{pointer.release_id[:-8]}{DEPLOYED}"
    record = bundle.record.replaced(release_id=name)
    made = write_bundle(
        releases_folder(run.settings.home),
        name,
        model=bundle.model,
        record=record,
        reference=bundle.reference(),
    )
    # MLflow knows nothing of a deploy by drill: nobody may look for it there.
    account = old.account.replaced(
        release_id=name,
        manifest_digest=made.manifest_digest,
        signed_by=made.signed_by,
        mlflow_run_id="",
    )
    run.ledger.add_release(name, account, at=run.clock())
    run.ledger.move_champion(
        name, expected=pointer, reason="the drill's deploy", actor=run.actor, at=run.clock()
    )
    return name


def _champion(run: Run) -> Pointer:
    """Who decides now; the watched bank has a champion."""
    pointer = run.ledger.champion()
    assert pointer is not None
    return pointer


def broken_feature(run: Run) -> str:
    """The feature that the deploy breaks: the champion's first one that looks back in time."""
    features = run.use_case.feature_sets[run.use_case.model.feature_set].features
    return next(feature.name for feature in features if isinstance(feature, EntityFeature))


def make_constant(run: Run, days: DayRange, feature: str) -> None:
    """Replace the feature by zero in every row of the lake's `features` of those days."""
    from pyspark.sql import functions as sf

    rows = run.lake.read("features", days=days, version=run.lake.version("features"))
    kind = rows.schema[feature].dataType
    constant = rows.withColumn(feature, sf.lit(0).cast(kind))
    run.lake.replace_days(constant, "features", days, provenance=run.provenance("drill"))


def _named(account: MonitorAccount, broken: str) -> Finding:
    evidence = account.diagnosis.evidence if account.diagnosis else ()
    return Finding(
        expected=f"the first day's run calls it a bug, and names the feature {broken}",
        happened=f"{account.cause}: {account.summary}",
        holds=account.cause == "bug" and bool(evidence) and evidence[0].name == broken,
    )


def _gave_way(run: Run, account: MonitorAccount, before: str, deployed: str) -> Finding:
    pointer = run.ledger.champion()
    return Finding(
        expected="it began with the release, which gives way to the one before",
        happened="; ".join(account.answers) or "nothing was done",
        holds=pointer is not None
        and pointer.release_id == before
        and run.ledger.states(deployed)[-1]["state"] == "retired",
    )


def _no_training(account: MonitorAccount) -> Finding:
    return Finding(
        expected="no training is asked for on broken features",
        happened=account.retrain_reason,
        holds=not account.asks_for_training,
    )


BUG = Drill(
    name="bug",
    description=(
        "a feature is silently constant from one deploy on: named, and the release of the deploy"
        " gives way"
    ),
    injected=f"{FIRST}: a deploy brings a release, and one feature is 0 in every row",
    happens=bug,
)
