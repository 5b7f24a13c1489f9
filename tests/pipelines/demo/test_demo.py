"""The demo's last step, on a ledger: it says where the retrain's release stands, once and again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.base.settings import Settings
from pipelines.demo.demo import DemoPlan, steps
from pipelines.releases.promotion import promote
from pipelines.run import Run
from tests.accounts import monitor_account, train_account
from tests.conftest import NOW
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

PLAN = DemoPlan(NOW.date() - timedelta(days=1))


@pytest.fixture
def run(settings: Settings) -> Run:
    """A home whose last day but one asked for a retrain; no service runs."""
    run = Run(settings, USE, actor="demo", clock=lambda: AT)
    promote(run, stored_release(run, 1, "approved").release_id, reason="first")
    for day in PLAN.live:
        account = monitor_account(retrain={"asked": day == PLAN.incident.first})
        run.ledger.record_stage(day, account, "done", run_id="r", at=AT)
    return run


@pytest.mark.parametrize("state", ["shadow", "refused"])
def test_the_last_step_says_where_the_retrained_release_stands(run: Run, state: str) -> None:
    release = stored_release(run, 2, "approved").release_id
    if state == "shadow":
        promote(run, release, reason="approved: better")
    else:
        run.ledger.set_state(release, state, reason="refused: worse", actor="train", at=AT)
    as_of = PLAN.incident.first + timedelta(days=1)
    run.ledger.record_stage(as_of, train_account(release=release), "done", run_id="r", at=AT)
    champion = run.ledger.champion()
    assert champion is not None
    lines = [steps(run, PLAN)[-1].run(lambda _: None) for _ in range(2)]
    assert lines[0] == lines[1]
    assert lines[0].startswith(
        f"asked for on {PLAN.incident.first}, done: {release} is"
        f" {'in ' * (state == 'shadow')}{state}"
    )
    assert ("1 clean days in shadow and 2 in canary make it champion" in lines[0]) == (
        state == "shadow"
    )


def test_without_drift_nothing_is_waited_for(settings: Settings) -> None:
    run = Run(settings, USE, actor="demo", clock=lambda: AT)
    assert steps(run, PLAN)[-1].run(lambda _: None) == "no day asked for it"
