"""Score: the released model on the days' features; predictions and the daily alert list, behind a
gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from expectations.gate import run_suite
from expectations.result import GateResult
from pipelines.accounts.features import FeaturesAccount
from pipelines.accounts.gate import GateAccount
from pipelines.accounts.score import ContenderComparison, ScoreAccount
from pipelines.base.days import DayRange
from pipelines.base.errors import GateError, PermanentError
from pipelines.decisions.alert_list import alert_table
from pipelines.nightly.known_units import KnownUnits, known_units
from pipelines.nightly.result import StageResult
from pipelines.nightly.rollout.guardrails import compare
from pipelines.nightly.score.alert_file import write_alert_file
from pipelines.nightly.score.deciding import decided_alike, deciding
from pipelines.nightly.score.scored_rows import ScoredRows, score_rows
from pipelines.nightly.score.scoring_lease import one_scoring
from pipelines.nightly.upstream import Upstream
from pipelines.releases.contenders import Contenders, load_contenders
from pipelines.releases.fallback import fallbacks
from pipelines.releases.scorer import Scorer
from pipelines.run import Run

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_AT_ONCE = 1_500_000
"""Rows that are held in memory and committed at once: about 0.5 GB with thirty features.

A larger day stands alone.
"""

FEATURES = Upstream(
    account=FeaturesAccount, table="features", held_back=("predictions", "alerts", "monitor")
)
RUNBOOK_REFUSED = "docs/runbooks/predictions-refused.md"


def score(run: Run, days: DayRange) -> StageResult[ScoreAccount]:
    """Score the features of `days` with the champion, or with the declared rule where none can be
    loaded.

    On days of a fallback by policy (see `platform.fallback`) the rule decides, and what the
    champion says is stored. A challenger scores the same rows: in shadow it decides nothing, in
    canary for its share of the units.

    Replaces these days in `predictions` (one row for each row of features) and `alerts`, and writes
    the alert lists to `<home>/<use case>/alerts/<day>.csv`. The releases are loaded once for the
    whole call. A range that one decides is one commit to each table, up to `ROWS_AT_ONCE` rows.

    Accounts: rows, alerts, release, model_version, fallback (and why), score_mean, positive_share,
    units (at the threshold), comparison (with the challenger), gate, inputs.

    One call scores at a time: a second one waits, and reads the champion when its turn comes.

    Raises `TransientError` where features are not built yet, `GateError` where the predictions are
    refused (nothing is committed then), `PermanentError` where rows go missing on the way.
    """
    with one_scoring(run):
        return _score(run, days)


def _score(run: Run, days: DayRange) -> StageResult[ScoreAccount]:
    """`score`, by the holder of the lease."""
    version = run.lake.version("features")
    rows = FEATURES.rows(run, days, version)
    loaded, spans = load_contenders(run), fallbacks(run.ledger)
    if version is None:
        empty = {day: _account(run, deciding(run, loaded, spans, day)) for day in days}
        return _result(days, empty, {}).record(run)
    detected_units = known_units(run, days)
    inputs = run.lake.versions(["features", run.use_case.labels.name, run.use_case.events.name])
    accounts: dict[date, ScoreAccount] = {}
    versions: dict[str, int] = {}
    for part in decided_alike(days, rows, spans, ROWS_AT_ONCE):
        contenders = deciding(run, loaded, spans, part.first)
        scorer = contenders.decides
        scored = score_rows(run, contenders, part, version)
        by_day = {day: scored.of(day) for day in part}
        _require_all(run, rows, by_day)
        gates = _judge(run, scorer, by_day)
        lists = _alert_lists(run, contenders, detected_units, by_day)
        versions = _commit(run, scorer, part, scored.predictions, lists, inputs)
        for day in part:
            write_alert_file(run.folder, day, lists[day])
            accounts[day] = _account(
                run, contenders, by_day[day], lists[day].num_rows, gates.get(day), inputs
            )
    return _result(days, accounts, versions).record(run)


def _require_all(run: Run, expected: Mapping[date, int], by_day: Mapping[date, ScoredRows]) -> None:
    """Every row of features has become a prediction; raises `PermanentError`."""
    for day, scored in by_day.items():
        if scored.predictions.num_rows != expected[day]:
            raise PermanentError(
                "rows went missing between features and predictions",
                where=run.lake.path("features"),
                day=str(day),
                expected=f"{expected[day]:,} rows, as counted",
                found=f"{scored.predictions.num_rows:,} scored",
                held_back=("predictions", "alerts"),
                next_step=(
                    "nothing was written; run the day again and report it if it happens twice"
                ),
            )


def _judge(run: Run, scorer: Scorer, by_day: Mapping[date, ScoredRows]) -> dict[date, GateResult]:
    """The gate's verdict on each day that has rows; a refused day is recorded and raises
    `GateError`.
    """
    suite = run.use_case.suites["predictions"]
    gates = {
        day: run_suite(suite, scored.predictions.to_pandas(), subject=f"predictions of {day}")
        for day, scored in by_day.items()
        if scored.predictions.num_rows
    }
    refused = {day: gate for day, gate in gates.items() if not gate.passed}
    if refused:
        accounts = {day: _refused_account(scorer, gate) for day, gate in refused.items()}
        run.ledger.record_stages(accounts, "refused", run_id=run.run_id, at=run.clock())
        raise _refusal(run, scorer, refused)
    return gates


def _refused_account(scorer: Scorer, gate: GateResult) -> ScoreAccount:
    return ScoreAccount(
        reason=gate.describe(),
        gate=GateAccount.of(gate),
        release=scorer.release_id,
        model_version=scorer.model_version,
        fallback=scorer.fallback,
        fallback_reason=scorer.reason,
        stands_in_for=scorer.stands_in_for,
    )


def _refusal(run: Run, scorer: Scorer, refused: Mapping[date, GateResult]) -> GateError:
    first = min(refused)
    return GateError(
        "the predictions are refused: nothing was written, the tables stay as they were",
        where=run.lake.path("predictions"),
        day=", ".join(map(str, sorted(refused))),
        expected=(
            f"every critical check of suite {run.use_case.suites['predictions'].name!r} to hold"
        ),
        found=f"release {scorer.release_id}: {refused[first].describe()}",
        held_back=("predictions", "alerts", "monitor"),
        next_step="see whether the model or its input is at fault: tollgate which, tollgate status",
        runbook=RUNBOOK_REFUSED,
    )


def _alert_lists(
    run: Run, contenders: Contenders, detected_units: KnownUnits, by_day: Mapping[date, ScoredRows]
) -> dict[date, pa.Table]:
    unit = run.use_case.review.unit
    return {
        day: alert_table(
            {
                release: (contenders.scorer(release), matrix)
                for release, matrix in scored.matrices.items()
            },
            run.use_case,
            scored.predictions,
            detected_units.mask(day, scored.predictions[unit].to_numpy()),
        )
        for day, scored in by_day.items()
    }


def _commit(
    run: Run,
    scorer: Scorer,
    days: DayRange,
    predictions: pa.Table,
    lists: Mapping[date, pa.Table],
    inputs: dict[str, int],
) -> dict[str, int]:
    """Replace the days in both tables, one commit each; returns the versions written."""
    import pyarrow as pa

    provenance = run.provenance("score", inputs, **_stamp(scorer))
    tables = {"predictions": predictions, "alerts": pa.concat_tables(lists.values())}
    return {
        name: run.lake.replace_days(
            run.spark.createDataFrame(rows), name, days, provenance=provenance, add_columns=True
        )
        for name, rows in tables.items()
    }


def _account(
    run: Run,
    contenders: Contenders,
    scored: ScoredRows | None = None,
    alerts: int = 0,
    gate: GateResult | None = None,
    inputs: Mapping[str, int] | None = None,
) -> ScoreAccount:
    """What the ledger keeps of a day; a day without rows has neither gate nor mean."""
    scores = scored.predictions["score"].to_numpy() if scored else np.empty(0)
    decided = (
        scored.predictions["decision"].to_numpy(zero_copy_only=False)
        if scored
        else np.empty(0, dtype=bool)
    )
    units = scored.predictions[run.use_case.review.unit].to_numpy() if scored else np.empty(0)
    scorer = contenders.decides
    return ScoreAccount(
        rows=len(scores),
        alerts=alerts,
        release=scorer.release_id,
        model_version=scorer.model_version,
        fallback=scorer.fallback,
        fallback_reason=scorer.reason,
        stands_in_for=scorer.stands_in_for,
        score_mean=float(scores.mean()) if len(scores) else None,
        positive_share=float(decided.mean()) if len(scores) else None,
        units=len(np.unique(units[decided])),
        comparison=_comparison(contenders, scored, units),
        gate=GateAccount.of(gate) if gate else None,
        inputs=dict(inputs or {}),
    )


def _comparison(
    contenders: Contenders, scored: ScoredRows | None, units: Any
) -> ContenderComparison | None:
    """Figures of champion and challenger on the day's rows; None without a challenger."""
    if contenders.named is None:
        return None
    if contenders.challenger is None or scored is None or not len(units):
        return ContenderComparison(
            challenger=contenders.named,
            state="rule" if contenders.rule else contenders.state,
            champion=contenders.champion.release_id,
            problem=contenders.problem,
            rows=0,
        )
    decided = (
        np.array(scored.predictions["release"].to_pylist(), dtype=object)
        == contenders.challenger.release_id
    )
    champion, challenger = (
        scored.scored[release]
        for release in (contenders.champion.release_id, contenders.challenger.release_id)
    )
    return compare(contenders, champion, challenger, units, decided)


def _result(
    days: DayRange, accounts: Mapping[date, ScoreAccount], versions: Mapping[str, int]
) -> StageResult[ScoreAccount]:
    return StageResult(stage="score", days=days, accounts=accounts, versions=versions)


def _stamp(scorer: Scorer) -> dict[str, Any]:
    return {
        "release": scorer.release_id,
        "model_version": scorer.model_version,
        "fallback": scorer.fallback,
        "fallback_reason": scorer.reason,
    }
