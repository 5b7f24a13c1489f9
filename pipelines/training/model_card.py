"""The model card: what a model is for, what it learnt from, how well it does, its limits, and where
it comes from.
"""

from __future__ import annotations

from itertools import chain

from pipelines.accounts.release import ReleaseAccount
from pipelines.pages.document import Block, Document, Grid, Picture, Section, Text
from pipelines.releases.verdict import CANDIDATE, CHAMPION, Check, Evaluation
from pipelines.training.candidate import Candidate
from pipelines.training.plots import (
    calibration,
    feature_importance,
    precision_recall,
    score_histograms,
)
from pipelines.usecases.definition import UseCase


def pictures(candidate: Candidate, evaluation: Evaluation) -> tuple[Picture, ...]:
    """The card's plots; those that need both classes are left out where the test days have only
    one.
    """
    label, score = evaluation.label, evaluation.scores[CANDIDATE]
    gains = candidate.scorer.booster.get_score(importance_type="total_gain")
    drawn = [feature_importance({name: float(gain) for name, gain in gains.items()})]
    if 0 < label.sum() < len(label):
        drawn += [
            precision_recall(label, evaluation.scores),
            calibration(
                label,
                {
                    name: evaluation.scores[name]
                    for name in (CANDIDATE, CHAMPION)
                    if name in evaluation.scores
                },
            ),
            score_histograms(label, score, candidate.scorer.threshold),
        ]
    return tuple(drawn)


def model_card(
    record: ReleaseAccount,
    candidate: Candidate,
    evaluation: Evaluation,
    use_case: UseCase,
    plots: tuple[Picture, ...],
) -> Document:
    """The card of a release record (`pipelines.training.record`)."""
    return Document(
        f"Model card: {record.release_id}",
        (
            _purpose(use_case),
            _verdict(evaluation),
            _results(record, evaluation),
            *_evidence(evaluation),
            Section("Plots", plots),
            _data(record, use_case),
            _features(candidate),
            _training(record, use_case),
            _limits(record, use_case),
            _lineage(record),
        ),
    )


def _purpose(use_case: UseCase) -> Section:
    review = use_case.review
    return Section(
        "Purpose",
        (
            Text(f"{use_case.description.capitalize()}. Owner: {use_case.owner}."),
            Text(
                f"The model gives each event of {use_case.events.name} a score between 0 and 1."
                f" Each day the {review.capacity} values of {review.unit} with the highest scores"
                " are put before people, who decide."
            ),
        ),
    )


def _verdict(evaluation: Evaluation) -> Section:
    verdict = evaluation.verdict
    rows = [(check.name, check.question, check.outcome, check.found) for check in verdict.checks]
    return Section(
        "Verdict", (Text(verdict.summary), Grid(("check", "question", "outcome", "found"), rows))
    )


def _results(record: ReleaseAccount, evaluation: Evaluation) -> Section:
    contenders = list(evaluation.figures)
    metrics = list(dict.fromkeys(chain.from_iterable(evaluation.figures.values())))
    rows = [
        (metric, *(evaluation.figures[name].get(metric) for name in contenders))
        for metric in metrics
    ]
    first, last = record.training.test_days
    count = record.evaluation
    return Section(
        "Results",
        (
            Text(
                f"On {count.n_test:,} events of {first} to {last}, {count.n_test_positive:,} of"
                " them positive. All contenders see the same events. Units known to be positive"
                " before a test day are left out."
            ),
            Grid(("metric", *contenders), rows),
        ),
    )


def _evidence(evaluation: Evaluation) -> list[Section]:
    """A section for each check that has more to show than its line in the verdict."""
    checks = [(title, evaluation.check(name)) for name, title in _SHOWN.items()]
    return [Section(title, _shown(check)) for title, check in checks if check is not None]


def _shown(check: Check) -> list[Block]:
    """What was found, the numbers, and what was looked at one by one."""
    blocks: list[Block] = [Text(f"{check.question} {check.outcome.capitalize()}: {check.found}.")]
    if check.figures:
        blocks.append(Grid(("figure", "value"), list(check.figures.items())))
    if check.table:
        blocks.append(Grid(tuple(check.table[0]), [tuple(row.values()) for row in check.table]))
    return blocks


_SHOWN = {
    "beats_rule": "Against the rule",
    "keeps_up_with_champion": "Against the champion",
    "slices": "Slices",
    "label_health": "Label health",
    "late_reports": "Late reports",
    "golden_set": "Golden set",
    "calibration": "Calibration",
    "money": "Money",
    "no_feature_alone": "Features alone",
    "loads_as_in_production": "Loading",
}
"""Checks that have a section of their own, and its heading."""


def _data(record: ReleaseAccount, use_case: UseCase) -> Section:
    training, label = record.training, use_case.label
    rows: list[tuple[str, object]] = [
        ("train days", " to ".join(map(str, training.train_days))),
        ("train days without rows", ", ".join(map(str, training.days_without_rows)) or "none"),
        ("train events", training.n_train),
        ("train events that are positive", training.n_train_positive),
        (
            "labels as known at",
            training.labels_known_at.isoformat() if training.labels_known_at else None,
        ),
        *(
            (f"Delta version of {table}", version)
            for table, version in record.data_versions.items()
        ),
    ]
    meaning = (
        f"An event is positive once a row of {label.feed} names it, and negative once"
        f" {label.delay_days} days have passed without one. Before that its label is not known and"
        " it is not learnt from."
    )
    return Section("Data", (Text(meaning), Grid(("what", "value"), rows)))


def _features(candidate: Candidate) -> Section:
    rows = [
        (f.name, f.description, f.unit, f.dtype, f.reason) for f in candidate.feature_set.features
    ]
    return Section("Features", (Grid(("name", "description", "unit", "type", "reason"), rows),))


def _training(record: ReleaseAccount, use_case: UseCase) -> Section:
    metric = use_case.model.primary_metric
    parameters = [*record.parameters.items(), ("seed", str(record.seed))]
    trials = [
        (str(dict(trial.parameters)), trial.mean, len(trial.weeks)) for trial in record.search
    ]
    tried = (
        f"{len(trials)} candidates were compared on weeks before the test days."
        if trials
        else "The declared parameters were taken; nothing was searched."
    )
    return Section(
        "Training",
        (
            Text(f"XGBoost, gradient-boosted trees. {tried}"),
            Grid(("parameter", "value"), parameters),
            Grid(("tried", f"mean {metric}", "weeks"), trials),
        ),
    )


def _limits(record: ReleaseAccount, use_case: UseCase) -> Section:
    return Section(
        "Limits",
        (
            Text(
                f"The threshold {record.threshold or 0.0:.4f} was chosen on an earlier week, with"
                f" labels known by the test days, so that about {use_case.review.capacity} values"
                f" of {use_case.review.unit} a day reach it."
            ),
            Text(
                "Scores rank events; how far they are probabilities is seen on the calibration"
                f" plot. The figures are those of {use_case.model.test_days} days; intervals"
                f" ({use_case.evidence.level:.0%}, {use_case.evidence.replicates:,} replicates by"
                f" {use_case.review.unit}) say what chance does within such days, not what another"
                " time would bring. What changed after the training days is not known to the"
                " model; the daily drift report watches for it."
            ),
        ),
    )


def _lineage(record: ReleaseAccount) -> Section:
    rows = [
        ("release", record.release_id),
        ("as of", str(record.as_of)),
        ("model digest (SHA-256)", record.model_digest),
        ("feature set", f"{record.feature_set.name}, digest {record.feature_set.digest}"),
        ("policy digest", record.policy_digest),
        ("code version", record.code_version),
        *((f"{name} version", version) for name, version in record.environment.items()),
    ]
    return Section("Lineage", (Grid(("what", "value"), rows),))
