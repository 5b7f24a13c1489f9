"""A promotion killed before each of its steps, each time in a copy of the same home; run as a
process of its own.

`python -m pipelines.drills.killed_promotions EVERY` works in `TOLLGATE_HOME` and prints one JSON
document. It forks, so it must be a process without threads: `ONE_THREAD` in the environment keeps
the numerical libraries from starting any.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.drills.kill import Ended, Steps, in_child
from pipelines.drills.simulated_frame import simulated_frame
from pipelines.releases.scorer import load_champion, rule_scorer
from pipelines.releases.verdict import Check, Evaluation, Verdict
from pipelines.run import Run
from pipelines.simulate.world import WorldSize, build_world
from pipelines.training.candidate import Candidate, make_candidate, training_days
from pipelines.training.evaluate import evaluate
from pipelines.training.publish import release
from pipelines.training.record import release_record
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
AS_OF = date(2026, 11, 9)
SIZE = WorldSize(customers=400, terminals=800, seed=1)
ROUNDS = 10
NONE = "none"
MLFLOW = ("mlflow",)
"""The folder of another system: what it does there is told apart only by what we do in between."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A promotion killed before `step`: who was champion then, whom scoring loads, and what the
    next attempt came to.

    `champion`, `loaded` and `again` are release ids (`none` where there is none, `rule` where
    nothing can be loaded).
    """

    step: int
    killed: bool
    champion: str
    loaded: str
    again: str
    problem: str


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """All that a release of a candidate needs."""

    use_case: UseCase
    candidate: Candidate
    evaluation: Evaluation
    record: ReleaseAccount

    def perform(self, settings: Settings) -> str:
        """Release the candidate against the champion of now; returns its state."""
        run = _run(settings, self.use_case)
        champion = run.ledger.champion()
        made = release(
            run, self.candidate, self.evaluation, self.record, champion=champion, reason="drill"
        )
        return made.state


def killed_promotions(settings: Settings, every: int) -> dict[str, Any]:
    """Names of the `steps`, ids of the `old` and the `new` release, and `endings` (before each
    `every`-th step).
    """
    _import_what_children_need()
    old, new = promotions(load(settings.use_case))
    home = Settings.build(home=settings.home / "home", jars=settings.jars)
    first = in_child(lambda: old.perform(home))
    before = home.home.rename(settings.home / "before")
    counted = in_child(lambda: _counted(before, home, new))
    if first.error or counted.error:
        return {"error": first.error or counted.error}
    steps: list[str] = counted.value
    endings = [_killed_before(step, before, home, new) for step in range(1, len(steps) + 1, every)]
    return {
        "steps": steps,
        "old": old.candidate.release_id,
        "new": new.candidate.release_id,
        "endings": [asdict(ending) for ending in endings],
    }


def _import_what_children_need() -> None:
    """Once for all children: together these take several seconds."""
    for module in (
        "mlflow.xgboost",
        "mlflow.store.tracking.sqlalchemy_store",
        "matplotlib.backends.backend_agg",
    ):
        import_module(module)


def promotions(use_case: UseCase) -> tuple[Promotion, Promotion]:
    """Two models of a small simulated bank, a week apart; whether they are good is not what is
    asked here.

    The use case is the declared one, but small, and without shadow and canary: an approved release
    is champion at once.
    """
    quick = replace(
        use_case.model, search=(), fixed={**use_case.model.fixed, "num_boost_round": ROUNDS}
    )
    at_once = replace(use_case.rollout, risk_tier="standard", shadow_days=0, canary_days=0)
    use_case = replace(use_case, model=quick, rollout=at_once)
    week_before = AS_OF - timedelta(days=7)
    days = DayRange(training_days(use_case, week_before).first, AS_OF - timedelta(days=1))
    frame = simulated_frame(build_world(SIZE), days, use_case, use_case.stored_features, {}).frame
    return _promotion(frame, use_case, week_before), _promotion(frame, use_case, AS_OF)


def _promotion(frame: Any, use_case: UseCase, as_of: date) -> Promotion:
    candidate = make_candidate(frame, use_case, as_of)
    evaluation = evaluate(frame, use_case, candidate, rule_scorer(use_case, reason="drill"))
    passed = Check(
        name="drill", question="Is it a drill?", outcome="passed", found="approved for the drill"
    )
    evaluation = replace(evaluation, verdict=Verdict(checks=(passed,)))
    record = release_record(
        candidate, use_case, evaluation=evaluation, data_versions={}, code="drill"
    )
    return Promotion(use_case=use_case, candidate=candidate, evaluation=evaluation, record=record)


def _counted(before: Path, home: Settings, new: Promotion) -> list[str]:
    """What steps a promotion takes, in order."""
    _restored(before, home)
    steps = Steps(home.home, home.ledger, MLFLOW)
    steps.watch()
    new.perform(home)
    return list(steps.seen)


def _killed_before(step: int, before: Path, home: Settings, new: Promotion) -> Ending:
    _restored(before, home)
    killed = in_child(lambda: _perform_until(step, home, new))
    after = in_child(lambda: _account(home, new.use_case))
    again = in_child(lambda: new.perform(home))
    settled = in_child(lambda: _account(home, new.use_case))
    champion, loaded = after.value or (NONE, NONE)
    return Ending(
        step=step,
        killed=killed.killed,
        champion=champion,
        loaded=loaded,
        again=settled.value[1] if settled.value else NONE,
        problem=_last_lines(killed, after, again, settled),
    )


def _perform_until(step: int, settings: Settings, new: Promotion) -> str:
    Steps(settings.home, settings.ledger, MLFLOW, fatal=step).watch()
    return new.perform(settings)


def _account(settings: Settings, use_case: UseCase) -> tuple[str, str]:
    """Which release the ledger names, and which one scoring loads after verifying it."""
    run = _run(settings, use_case)
    pointer = run.ledger.champion()
    return pointer.release_id if pointer else NONE, load_champion(run).release_id


def _last_lines(*ends: Ended) -> str:
    return "; ".join(end.error.strip().splitlines()[-1] for end in ends if end.error)


def _restored(before: Path, home: Settings) -> None:
    """The home as it was, at the same place: MLflow remembers absolute folders."""
    shutil.rmtree(home.home, ignore_errors=True)
    shutil.copytree(before, home.home)


def _run(settings: Settings, use_case: UseCase) -> Run:
    return Run(settings, use_case, run_id="drill", actor="drill")


if __name__ == "__main__":
    print(json.dumps(killed_promotions(Settings.from_environment(), int(sys.argv[1]))))
