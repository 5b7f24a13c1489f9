"""The bank of the drills that need a lake: nine simulated weeks, ingested and with features, by the
real stages.

The last three weeks that a training as of `RETRAIN` looks at carry an incident: the labels of one
slice are wrong. A training as of `FIRST_TRAINING` sees nothing of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.nightly.features.stage import build_features
from pipelines.nightly.ingest import ingest
from pipelines.run import Run
from pipelines.simulate.day import DayPlan
from pipelines.simulate.delivery import simulate
from pipelines.simulate.world import WorldSize
from pipelines.training.stage import train
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load

DAYS = DayRange(date(2026, 9, 7), date(2026, 11, 8))
FIRST_TRAINING = DAYS.first + timedelta(days=42)
RETRAIN = DAYS.last + timedelta(days=1)
BAD_LABELS = DayRange(DAYS.first + timedelta(days=35), DAYS.first + timedelta(days=55))
INCIDENT = "bad-labels"
SIZE = WorldSize(customers=1_000, terminals=2_000, seed=4)
ROUNDS = 40


def bank(settings: Settings, *, days: DayRange = DAYS) -> Run:
    """A run over the bank's first `days`; what the home has already is not made again."""
    run = Run(settings, drill_use_case(load(settings.use_case)), run_id="drill", actor="drill")
    if days.last not in run.ledger.latest("features", status="done"):
        plans = dict.fromkeys(BAD_LABELS, DayPlan((INCIDENT,)))
        for _sent in simulate(
            Landing.of(settings, run.use_case.name), settings.home / "truth", SIZE, DAYS, plans
        ):
            pass
        ingest(run, days)
        build_features(run, days)
    return run


def drill_use_case(use_case: UseCase) -> UseCase:
    """The declared use case with a model that is fitted in a second; what is approved decides at
    once.
    """
    model = replace(
        use_case.model,
        search=(),
        fixed={**use_case.model.fixed, "num_boost_round": ROUNDS, "num_parallel_tree": 1},
    )
    at_once = replace(use_case.rollout, risk_tier="standard", shadow_days=0, canary_days=0)
    return replace(use_case, model=model, rollout=at_once)


def first_champion(run: Run, *, as_of: date = FIRST_TRAINING) -> str:
    """The bank's champion, trained before anything went wrong; returns its release id."""
    pointer = run.ledger.champion()
    if pointer is None:
        result = train(run, as_of, reason="the drill's first model")
        if not result.in_production:
            raise PermanentError(
                "the drill's first model was not released, so there is nothing to practise on",
                expected="an approved release",
                found=result.evaluation.verdict.summary,
            )
        return result.release_id
    return pointer.release_id
