"""What becomes of a judged candidate: its way to champion beside what is champion and tried out
already.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.accounts.release import ReleaseAccount
from pipelines.base.errors import TransientError
from pipelines.base.settings import Settings
from pipelines.ledger.ledger import Pointer
from pipelines.releases.promotion import promote
from pipelines.releases.verdict import Check, Evaluation, Verdict
from pipelines.run import Run
from pipelines.training.publish import Released, release
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.rollout import RolloutPolicy
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release


@pytest.fixture
def run(settings: Settings, tmp_path: Path) -> Run:
    """A run whose MLflow does not answer: releases that the ledger knows need it for nothing."""
    (tmp_path / "mlflow.sqlite").write_bytes(b"no database at all" * 100)
    broken = settings.model_copy(update={"mlflow": f"sqlite:///{tmp_path}/mlflow.sqlite"})
    return Run(broken, USE, run_id="test-run", actor="train", clock=lambda: AT)


@pytest.fixture
def champion(run: Run) -> str:
    return _released(run, _candidate(run, 1, "2026-11-02")).account.release_id


def _candidate(run: Run, seed: int, as_of: str) -> str:
    return stored_release(run, seed, "approved", as_of).release_id


def _released(
    run: Run, release_id: str, decision: str = "approved", *, judged: Pointer | None = None
) -> Released:
    """What `release` makes of a candidate with that verdict, judged against the champion of now or
    of `judged`.
    """
    consequence: Any = {"approved": None, "refused": "refuse", "needs a person": "ask"}[decision]
    failed = Check(
        name="money", question="?", outcome="failed", found="dear", consequence=consequence or "ask"
    )
    evaluation = Evaluation(
        figures={},
        verdict=Verdict(checks=[failed] if consequence else []),
        label=np.empty(0),
        scores={},
    )
    candidate: Any = SimpleNamespace(release_id=release_id)
    return release(
        run,
        candidate,
        evaluation,
        ReleaseAccount(),
        champion=judged or run.ledger.champion(),
        reason="a test's",
    )


def _pointer(run: Run) -> Pointer:
    pointer = run.ledger.champion()
    assert pointer is not None
    return pointer


def test_the_first_decides_at_once_the_next_one_begins_in_shadow(run: Run, champion: str) -> None:
    assert run.ledger.states(champion)[-1]["state"] == "champion"
    candidate = _candidate(run, 2, "2026-11-09")
    done = _released(run, candidate)
    assert (done.state, done.promoted, done.registered_before) == ("shadow", False, True)
    assert _pointer(run) == Pointer(
        release_id=champion, generation=2, challenger=candidate, challenger_state="shadow"
    )
    assert _released(run, candidate).state == "shadow"
    assert _pointer(run).generation == 2, "the same data trained again moves nothing"


def test_fraud_tries_releases_out_and_its_digest_covers_that() -> None:
    assert (USE_CASE.rollout.shadow_days, USE_CASE.rollout.canary_days) == (1, 2)
    assert (
        replace(USE_CASE, rollout=RolloutPolicy(canary_share=0.5)).policy_digest
        != USE_CASE.policy_digest
    )


def test_a_newer_candidate_takes_the_place_of_one_in_shadow(run: Run, champion: str) -> None:
    older, newer = _candidate(run, 2, "2026-11-09"), _candidate(run, 3, "2026-11-10")
    _released(run, older)
    assert _released(run, newer).state == "shadow"
    assert (_pointer(run).release_id, _pointer(run).challenger) == (champion, newer)
    assert run.ledger.states(older)[-1]["state"] == "retired"
    assert _released(run, older).state == "retired", (
        "what was replaced is not tried out again by itself"
    )


@pytest.mark.usefixtures("champion")
def test_an_older_candidate_waits_beside_a_newer_one_that_is_tried_out(run: Run) -> None:
    newer, older = _candidate(run, 2, "2026-11-09"), _candidate(run, 3, "2026-11-08")
    _released(run, newer)
    done = _released(run, older)
    assert (done.state, done.why) == (
        "candidate",
        f"{newer}, as of the later 2026-11-09, is in shadow",
    )
    assert _pointer(run).challenger == newer


def test_a_challenger_that_went_on_meanwhile_does_not_waste_a_training(
    run: Run, champion: str
) -> None:
    first, second = _candidate(run, 2, "2026-11-09"), _candidate(run, 3, "2026-11-10")
    judged = _pointer(run)
    _released(run, first)
    promote(run, first, reason="clean")
    assert _released(run, second, judged=judged).state == "shadow"
    assert (_pointer(run).release_id, _pointer(run).challenger) == (champion, second)


@pytest.mark.usefixtures("champion")
def test_another_champion_meanwhile_asks_for_another_training(run: Run) -> None:
    first, second = _candidate(run, 2, "2026-11-09"), _candidate(run, 3, "2026-11-10")
    judged = _pointer(run)
    promote(run, first, to="champion", reason="a person's", override=True)
    with pytest.raises(TransientError, match="another release became champion"):
        _released(run, second, judged=judged)
    assert (_pointer(run).release_id, _pointer(run).challenger) == (first, None)


@pytest.mark.parametrize(
    ("decision", "state"), [("refused", "refused"), ("needs a person", "candidate")]
)
def test_what_is_not_approved_moves_nothing(
    run: Run, champion: str, decision: str, state: str
) -> None:
    done = _released(run, _candidate(run, 2, "2026-11-09"), decision)
    assert done.state == state
    assert decision in done.why
    assert _pointer(run) == Pointer(release_id=champion, generation=1)


@pytest.mark.guarantee(
    "MLflow down",
    fault="MLflow is away when a release moves",
    seen="the ledger decides, it is told",
)
def test_an_mlflow_that_is_away_is_told_and_holds_nothing_up(run: Run) -> None:
    done = _released(run, _candidate(run, 1, "2026-11-02"))
    assert done.promoted
    assert "alias does not name fraud-20261101-" in done.warnings[0]
    assert [incident.kind for incident in run.ledger.incidents(open_only=True)] == ["alias"]
