"""Monitor: is the input still the world that the model knows, and was it right where that is known
by now?

What a day's account holds is said in `pipelines.accounts.monitor`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache
from itertools import chain, starmap
from pathlib import Path

from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.ingest import IngestAccount
from pipelines.accounts.monitor import DiagnosisAccount, MonitorAccount, RetrainAccount, ScoreShare
from pipelines.accounts.performance import SliceAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.base.days import DayRange, midnight
from pipelines.base.errors import PermanentError
from pipelines.nightly.known_units import KnownUnits, known_units
from pipelines.nightly.monitor.day_page import page_path
from pipelines.nightly.monitor.day_pages import shown, write_pages
from pipelines.nightly.monitor.day_samples import DaySample, day_samples
from pipelines.nightly.monitor.diagnosis.diagnosis import Diagnosis
from pipelines.nightly.monitor.diagnosis.diagnosis_log import tell
from pipelines.nightly.monitor.diagnosis.retrain import decide, hurts, waits_for_labels
from pipelines.nightly.monitor.drift.comparison import Comparison, compare
from pipelines.nightly.monitor.drift.drift import Drift, judge, measure, not_judged
from pipelines.nightly.monitor.drift.evidently_page import measure_and_render
from pipelines.nightly.monitor.drift.explanation import explain
from pipelines.nightly.monitor.figures import figure_table, figures
from pipelines.nightly.monitor.incidents import follow
from pipelines.nightly.monitor.performance.estimate import realised
from pipelines.nightly.monitor.performance.performance import (
    Performance,
    estimates,
    matured_day,
    performance,
)
from pipelines.nightly.monitor.performance.slice_outcome import with_past
from pipelines.nightly.monitor.profiles import profiles
from pipelines.nightly.monitor.references import References
from pipelines.nightly.monitor.remediation import answer, answers_on
from pipelines.nightly.monitor.restated import restate
from pipelines.nightly.monitor.stores import watch_stores
from pipelines.nightly.monitor.watched_days import WatchedDays
from pipelines.nightly.result import StageResult
from pipelines.nightly.scored_as_recorded import require_scored_as_recorded
from pipelines.nightly.upstream import Upstream
from pipelines.nightly.volume import quarantine_rate, quiet_hours, volume_ratio
from pipelines.releases.scorer import load_release
from pipelines.run import Run

log = logging.getLogger("tollgate.watch")
PREDICTIONS = Upstream(
    account=ScoreAccount, table="predictions", held_back=("metrics", "report pages")
)


def monitor(
    run: Run, days: DayRange, *, evidently: bool | None = None
) -> StageResult[MonitorAccount]:
    """Watch `days`: figures to `metrics` (one commit), an account and a page
    `<home>/<use case>/reports/<day>.html` for each.

    Earlier days whose labels were corrected since are told again first. Drift is measured against
    the reference sample of the release that scored the day. `evidently` asks for Evidently's own
    page of each day beside ours; by default a single day gets one and a longer range, which would
    pay some 2 s a day, does not. The figures are the same. Raises `TransientError` where
    predictions are not made yet, or name another release than the day's account (somebody is
    scoring the day, or was stopped while doing so), `GateError` where they were refused.
    """
    version = run.lake.version("predictions")
    rows = PREDICTIONS.rows(run, days, version)
    restate(run, days.first)
    pages = len(days) == 1 if evidently is None else evidently
    samples = day_samples(run, days, run.use_case.drift.sample, version=version)
    require_scored_as_recorded(run, days, samples)
    references = References(run)
    drifts = _drifts(run, references, days, samples, pages)
    subjects = DayRange(matured_day(run, days.first), matured_day(run, days.last))
    units_of = cache(lambda: known_units(run, DayRange(subjects.first, days.last)))
    worth = performance(run, subjects, units_of)
    watched, diagnoses, remembered = _watched(run, references, days, samples, worth, units_of)
    judged = _accounts(
        run, rows, samples, {day: drift for day, (drift, _) in drifts.items()}, watched
    )
    answer(run, days.last, remembered)
    accounts = {
        day: account.replaced(
            answers=answers_on(run, day), shown=shown(drifts[day][1], evidently=pages)
        )
        for day, account in judged.items()
    }
    table = figure_table(list(chain.from_iterable(starmap(figures, accounts.items()))))
    inputs = run.lake.versions(["predictions", "features", run.use_case.labels.name])
    frame = run.spark.createDataFrame(table)
    written = run.lake.replace_days(
        frame, "metrics", days, provenance=run.provenance("monitor", inputs)
    )
    write_pages(run, days, accounts)
    result = StageResult(
        stage="monitor", days=days, accounts=accounts, versions={"metrics": written}
    ).record(run)
    for day in days:
        follow(run, diagnoses[day], accounts[day].answers)
    watch_stores(run)
    return result


def _drifts(
    run: Run, references: References, days: DayRange, samples: Mapping[date, DaySample], pages: bool
) -> dict[date, tuple[Drift, Comparison | None]]:
    return {day: _drift(run, references, day, samples.get(day), pages) for day in days}


def _drift(
    run: Run, references: References, day: date, sample: DaySample | None, pages: bool
) -> tuple[Drift, Comparison | None]:
    policy = run.use_case.drift
    if sample is None:
        return not_judged("the day has no rows", policy), None
    try:
        reference = references.of(sample.release)
    except PermanentError as error:
        return not_judged(error.what, policy, release=sample.release, rows=sample.rows), None
    comparison = compare(
        reference.frame,
        sample.frame,
        reference.features,
        policy,
        history_days=reference.history_days,
    )
    if comparison.refusal:
        values: dict[str, float] = {}
    elif pages:
        values = measure_and_render(comparison, policy, page_path(run.folder, day, "-drift"))
    else:
        values = measure(comparison, policy)
    return judge(comparison, values, policy, release=sample.release), comparison


def _watched(
    run: Run,
    references: References,
    days: DayRange,
    samples: Mapping[date, DaySample],
    worth: Mapping[date, Performance],
    known_then: Callable[[], KnownUnits],
) -> tuple[dict[date, MonitorAccount], dict[date, Diagnosis], dict[date, DiagnosisAccount]]:
    """What is told apart on each day, in order: each day's diagnosis rests on those of the days
    before (third).

    The accounts (first) hold only what is found here: profile, diagnosis, what explains it,
    estimate, matured day.
    """
    memory = WatchedDays.of(run, days.first)
    seen = profiles(run, days, samples, memory.edges())
    matured = {day: worth.get(matured_day(run, day)) for day in days}
    memory.accounts |= {
        day: MonitorAccount(performance=worth.account() if worth else None)
        for day, worth in matured.items()
    }
    calibrations = {
        day: memory.calibration(day, sample.release)
        for day, sample in samples.items()
        if not sample.fallback
    }
    expected = estimates(
        run,
        days,
        {day: expectation for day, expectation in calibrations.items() if expectation},
        known_then,
    )
    diagnosed: dict[date, MonitorAccount] = {}
    diagnoses: dict[date, Diagnosis] = {}
    for day in days:
        outcomes, estimated = matured[day], expected.get(day)
        diagnosis = diagnoses[day] = memory.diagnose(
            day, seen[day], outcomes.watched if outcomes else None
        )
        explained = _explained(run, references, diagnosis, samples.get(day))
        tell(
            diagnosis,
            use_case=run.use_case.name,
            explained_by=[f"{share.feature} ({share.share:.0%})" for share in explained],
        )
        before = memory.estimated(outcomes.subject_day) if outcomes else None
        diagnosed[day] = memory.accounts[day] = MonitorAccount(
            performance=outcomes.account() if outcomes else None,
            profile=seen[day].account(),
            diagnosis=diagnosis.account(),
            explained=explained,
            estimate=estimated,
            checked=realised(before, outcomes.worth) if outcomes and before else None,
            slices=_sliced(run, memory, outcomes) if outcomes else None,
        )
    return diagnosed, diagnoses, memory.diagnoses()


def _sliced(run: Run, memory: WatchedDays, outcome: Performance) -> tuple[SliceAccount, ...]:
    """The slices of a matured day, each with what it caught of late."""
    return with_past(
        outcome.slices,
        memory.sliced(outcome.subject_day),
        least=run.use_case.evidence.slice_positives,
    )


def _explained(
    run: Run, references: References, diagnosis: Diagnosis, sample: DaySample | None
) -> tuple[ScoreShare, ...]:
    """The features that moved the scores, where moved scores are part of what was found."""
    if sample is None or diagnosis.cause not in ("bug", "harmful", "inputs", "feed"):
        return ()
    try:
        reference, scorer = references.of(sample.release).frame, load_release(run, sample.release)
    except PermanentError as error:
        log.warning("what moved the scores of %s is not explained: %s", sample.release, error.what)
        return ()
    if any(name not in reference or name not in sample.frame for name in scorer.feature_names):
        return ()
    return tuple(explain(reference, sample.frame, scorer.feature_names, scorer.score))


def _accounts(
    run: Run,
    rows: Mapping[date, int],
    samples: Mapping[date, DaySample],
    drifts: Mapping[date, Drift],
    watched: Mapping[date, MonitorAccount],
) -> dict[date, MonitorAccount]:
    first, last = min(rows), max(rows)
    ingested = run.ledger.latest(IngestAccount, first=first, last=last)
    counted = _rows_by_day(run, first, last) | dict(rows)
    drifted, asking = _history(run, first, last)
    accounts: dict[date, MonitorAccount] = {}
    for day in sorted(rows):
        sample, drift = samples.get(day), drifts[day]
        diagnosis = watched[day].diagnosis or DiagnosisAccount()
        waits = waits_for_labels(diagnosis, run.use_case.watch)
        drifted[day] = hurts(diagnosis.cause, drift_detected=drift.detected, waits=waits)
        summary = _reason(diagnosis, drift)
        retrain = decide(
            day, drifted, asking, run.use_case.drift, summary=summary, watch=run.use_case.watch
        )
        asking |= {day} if retrain.asked else set()
        arrived = ingested.get(day)
        seen = watched[day]
        accounts[day] = MonitorAccount(
            rows=rows[day],
            score_mean=sample.score_mean if sample else None,
            release=sample.release if sample else "",
            volume_ratio=volume_ratio(day, counted, run.use_case.watch),
            quarantine_rate=quarantine_rate(arrived.account if arrived else None),
            quiet_hours=quiet_hours(
                midnight(day + timedelta(days=1)), sample.newest_event if sample else None
            ),
            drift=drift.account(),
            performance=seen.performance,
            profile=seen.profile,
            diagnosis=seen.diagnosis,
            explained=seen.explained,
            estimate=seen.estimate,
            checked=seen.checked,
            slices=seen.slices,
            retrain=RetrainAccount(
                asked=retrain.asked, reason=_waiting(diagnosis, waits) or retrain.reason
            ),
            page=str(page_path(Path(), day)),
        )
    return accounts


def _waiting(diagnosis: DiagnosisAccount, waits: bool) -> str:
    if not waits or diagnosis.cause != "harmful":
        return ""
    return "a training waits until labels say so too"


def _reason(diagnosis: DiagnosisAccount, drift: Drift) -> str:
    return diagnosis.summary if diagnosis.cause == "harmful" else drift.describe()


def _rows_by_day(run: Run, first: date, last: date) -> dict[date, int]:
    """Rows of features by day for the weeks before, from the ledger."""
    before = timedelta(weeks=run.use_case.watch.weeks)
    records = run.ledger.latest(FeaturesAccount, first=first - before, last=last, status="done")
    return {day: record.account.rows for day, record in records.items()}


def _history(run: Run, first: date, last: date) -> tuple[dict[date, bool], set[date]]:
    """Days around whose drift hurts, and days on which a training was asked for; not those from
    first to last.
    """
    policy, watch = run.use_case.drift, run.use_case.watch
    near = timedelta(
        days=max(
            policy.cooldown_days, policy.confirm_days, watch.retrain_of, watch.retrain_cap_days
        )
    )
    records = run.ledger.latest(MonitorAccount, first=first - near, last=last + near, status="done")
    others = {day: record.account for day, record in records.items() if not first <= day <= last}
    drifted = {
        day: hurts(
            account.cause,
            drift_detected=account.drift is not None and account.drift.detected,
            waits=waits_for_labels(account.diagnosis, watch),
        )
        for day, account in others.items()
    }
    return drifted, {day for day, account in others.items() if account.asks_for_training}
