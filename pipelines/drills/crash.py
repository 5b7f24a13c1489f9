"""The drill `crash`: a promotion is killed before each of its steps; the old champion decides, or the new, never none."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pipelines.drills.drill import Drill, Finding
from pipelines.drills.kill import Ended, Steps, in_child
from pipelines.drills.simulated_frame import simulated_frame
from pipelines.platform.settings import Settings
from pipelines.release.candidate import Candidate, make_candidate, training_days
from pipelines.release.record import release_record
from pipelines.release.scorer import load_champion, rule_scorer
from pipelines.release.verdict import Check, Evaluation, Verdict
from pipelines.run import Run
from pipelines.simulate.world import WorldSize, build_world
from pipelines.stages.evaluate import evaluate
from pipelines.stages.release import release
from pipelines.usecases.definition import UseCase
from pipelines.usecases.registry import load

AS_OF = date(2026, 11, 9)
SIZE = WorldSize(customers=400, terminals=800, seed=1)
ROUNDS = 10
_APPROVED = Verdict(
    checks=(Check(name="drill", question="Is it a drill?", outcome="passed", found="approved for the drill"),)
)


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """All that a release of a candidate needs."""

    use_case: UseCase
    candidate: Candidate
    evaluation: Evaluation
    record: Mapping[str, Any]

    def perform(self, settings: Settings) -> str:
        """Release the candidate against the champion of now; returns its state."""
        run = _run(settings, self.use_case)
        pointer = run.ledger.champion()
        return release(run, self.candidate, self.evaluation, self.record, champion=pointer, reason="drill").state


def crash(settings: Settings, *, every: int = 1) -> Sequence[Finding]:
    """Kill a promotion before every step (or every so-manieth one), each time in a home that has a champion."""
    old, new = _promotions(load(settings.use_case))
    template = settings.home / "before"
    before = in_child(lambda: old.perform(_at(settings, template)))
    counted = in_child(lambda: _counted(settings, template, new))
    if before.error or counted.error:
        return (
            Finding(
                expected="a promotion that nobody kills succeeds", happened=before.error or counted.error, holds=False
            ),
        )
    steps: list[str] = counted.value
    fatal = [*range(1, len(steps) + 1, every)]
    endings = [_killed_at(settings, template, new, step) for step in fatal]
    return _findings(old.candidate.release_id, new.candidate.release_id, steps, endings)


@dataclass(frozen=True, kw_only=True)
class Ending:
    """One killed promotion: whether it was, who decided afterwards, and what the next attempt came to."""

    step: int
    killed: bool
    champion: str
    loaded: str
    again: str
    problem: str


def _promotions(use_case: UseCase) -> tuple[Promotion, Promotion]:
    """Two models of a small simulated bank, a week apart; whether they are good is not what is asked here."""
    quick = {**use_case.model.fixed, "num_boost_round": ROUNDS}
    use_case = replace(use_case, model=replace(use_case.model, search=(), fixed=quick))
    week_before = AS_OF - timedelta(days=7)
    days = training_days(use_case, week_before)
    days = replace(days, last=AS_OF - timedelta(days=1))
    frame = simulated_frame(build_world(SIZE), days, use_case, use_case.stored_features, {}).frame
    rule = rule_scorer(use_case, reason="drill")
    made = []
    for as_of in (week_before, AS_OF):
        candidate = make_candidate(frame, use_case, as_of)
        evaluation = replace(evaluate(frame, use_case, candidate, rule), verdict=_APPROVED)
        record = release_record(candidate, use_case, evaluation=evaluation, data_versions={}, code="drill")
        made.append(Promotion(use_case=use_case, candidate=candidate, evaluation=evaluation, record=record))
    return made[0], made[1]


def _counted(settings: Settings, template: Path, new: Promotion) -> list[str]:
    """What steps a promotion takes, in order."""
    home = _copied(settings, template, "counted")
    steps = Steps(home.home, home.ledger)
    steps.watch()
    new.perform(home)
    return list(steps.seen)


def _killed_at(settings: Settings, template: Path, new: Promotion, step: int) -> Ending:
    home = _copied(settings, template, f"killed-{step}")
    killed = in_child(lambda: _perform_until(home, new, step))
    after = in_child(lambda: _account(home, new.use_case))
    again = in_child(lambda: new.perform(home))
    settled = in_child(lambda: _account(home, new.use_case))
    shutil.rmtree(home.home)
    champion, loaded = after.value or ("none", "none")
    return Ending(
        step=step,
        killed=killed.killed,
        champion=champion,
        loaded=loaded,
        again=(settled.value or ["none"])[0] if again.value == "champion" else str(again.value),
        problem=_last_line(killed, after, again, settled),
    )


def _perform_until(home: Settings, new: Promotion, step: int) -> str:
    Steps(home.home, home.ledger, fatal=step).watch()
    return new.perform(home)


def _account(settings: Settings, use_case: UseCase) -> tuple[str, str]:
    """Which release the ledger names, and which one scoring would use (verified, parsed, asked for a score)."""
    run = _run(settings, use_case)
    pointer, scorer = run.ledger.champion(), load_champion(run)
    return pointer.release_id if pointer else "none", scorer.release_id


def _findings(old: str, new: str, steps: Sequence[str], endings: Sequence[Ending]) -> tuple[Finding, ...]:
    champions = Counter(ending.champion for ending in endings)
    unusable = [ending for ending in endings if ending.loaded != ending.champion]
    stuck = [ending for ending in endings if ending.again != new]
    problems = sorted({ending.problem for ending in endings if ending.problem})
    return (
        Finding(
            expected=f"each of {len(endings)} promotions is killed, at another of its {len(steps)} steps",
            happened=f"{sum(ending.killed for ending in endings)} killed",
            holds=all(ending.killed for ending in endings),
        ),
        Finding(
            expected="afterwards the old champion decides, or the new one, never none",
            happened=", ".join(f"{count} times {_name(who, old, new)}" for who, count in champions.items()),
            holds=set(champions) <= {old, new},
        ),
        Finding(
            expected="whoever decides is verified, loaded and scores",
            happened=f"{len(endings) - len(unusable)} of {len(endings)} loaded" + _at_steps(unusable, steps),
            holds=not unusable,
        ),
        Finding(
            expected="the next attempt goes on from there: the new release is champion",
            happened=f"{len(endings) - len(stuck)} of {len(endings)}"
            + _at_steps(stuck, steps)
            + "".join(f"; {problem}" for problem in problems),
            holds=not stuck and not problems,
        ),
    )


def _name(release_id: str, old: str, new: str) -> str:
    return {old: "the old", new: "the new"}.get(release_id, release_id)


def _at_steps(endings: Sequence[Ending], steps: Sequence[str]) -> str:
    return "".join(f"; not before step {ending.step} ({steps[ending.step - 1]})" for ending in endings)


def _last_line(*ends: Ended) -> str:
    return "; ".join(end.error.strip().splitlines()[-1] for end in ends if end.error)


def _copied(settings: Settings, template: Path, name: str) -> Settings:
    home = settings.home / name
    shutil.copytree(template, home)
    return _at(settings, home)


def _at(settings: Settings, home: Path) -> Settings:
    return Settings.build(home=home, jars=settings.jars)


def _run(settings: Settings, use_case: UseCase) -> Run:
    return Run(settings, use_case, run_id="drill", actor="drill")


CRASH = Drill(
    name="crash",
    description="a promotion is killed (SIGKILL) before each of its steps: the old champion decides or the new, never none",
    injected="kill -9 before every file and every write to a database of a promotion, each in a copy of the same home",
    happens=crash,
)
