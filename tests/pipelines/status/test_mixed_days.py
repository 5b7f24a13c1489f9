"""A day whose stages ran under different policies, or which was scored again after it was watched,
says so.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipelines.accounts.stages import ACCOUNTS
from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.nightly.result import StageResult
from pipelines.run import Run
from pipelines.status.days import day_rows
from pipelines.status.status import standing
from pipelines.usecases.registry import load
from tests.accounts import account_of

DAY = date(2026, 11, 7)
AT = datetime(2026, 11, 8, 3, tzinfo=UTC)
FRAUD = load("fraud")


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, FRAUD, run_id="night", actor="test", clock=lambda: AT)


def with_capacity(run: Run, capacity: int) -> Run:
    """The run of a process that was started after somebody had changed the review policy."""
    return replace(run, use_case=replace(FRAUD, review=replace(FRAUD.review, capacity=capacity)))


def record(run: Run, stage: str, **account: Any) -> None:
    """What a stage leaves, as it leaves it."""
    StageResult(
        stage=stage, days=DayRange.single(DAY), accounts={DAY: account_of(stage, account)}
    ).record(run)


def problems(run: Run) -> tuple[str, ...]:
    return tuple(problem.text for problem in day_rows(run, DayRange.single(DAY))[0].problems)


def test_a_policy_that_changed_between_score_and_monitor_is_named(run: Run) -> None:
    record(run, "features", rows=1)
    record(run, "score", release="a")
    record(with_capacity(run, 50), "monitor", release="a")
    (sentences,) = problems(run)
    assert sentences.startswith(
        "the review policy changed within the day: monitor ran with another one than score"
    )
    assert f"tollgate backfill --from {DAY} --to {DAY} --rerun" in sentences
    assert any(what == sentences for _, what in standing(run).attention)

    record(with_capacity(run, 50), "score", release="a")
    assert problems(run) == (), "the whole day ran with one policy in the end"


def test_a_policy_that_one_stage_alone_reads_mixes_nothing(run: Run) -> None:
    record(run, "features", rows=1)
    record(run, "score", release="a")
    other = replace(FRAUD, drift=replace(FRAUD.drift, threshold=0.3))
    record(replace(run, use_case=other), "monitor", release="a")
    assert problems(run) == ()
    recorded = run.ledger.latest("monitor")[DAY].account.policies["drift"]
    assert recorded == other.policy_digests["drift"] != FRAUD.policy_digests["drift"]


def test_accounts_from_before_policies_were_recorded_say_nothing(run: Run) -> None:
    for stage in ("features", "score"):
        run.ledger.record_stage(DAY, ACCOUNTS[stage](), "done", run_id="old", at=AT)
    record(with_capacity(run, 50), "monitor", release="a")
    assert problems(run) == ()


def test_a_day_scored_again_after_it_was_watched_names_both_releases(run: Run) -> None:
    record(run, "score", release="a")
    record(run, "monitor", release="a")
    assert problems(run) == ()
    record(run, "score", release="b")
    (sentences,) = problems(run)
    assert (
        sentences
        == f"scored again by b after the watch had judged a: tollgate run monitor --from {DAY} --to"
        f" {DAY}"
    )
    record(run, "monitor", release="b")
    assert problems(run) == ()
