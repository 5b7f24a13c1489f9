"""Rollout by logical days: clean days lead on, a failed guardrail leads back by itself, and the
incident says why.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from pipelines.alerting.incidents import deliver
from pipelines.base.days import DayRange
from pipelines.base.errors import TransientError
from pipelines.base.settings import Settings
from pipelines.nightly.rollout.guardrails import compare, judge
from pipelines.nightly.rollout.stage import advance, rollout
from pipelines.releases.bundle import MODEL, releases_folder
from pipelines.releases.canary import in_canary
from pipelines.releases.contenders import Contenders, Scored
from pipelines.releases.promotion import promote
from pipelines.releases.scorer import load_release
from pipelines.releases.undo import rollback
from pipelines.run import Run
from pipelines.usecases.policies.rollout import RolloutPolicy
from tests.accounts import score_account
from tests.pipelines.receivers import receiving
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

FIRST = date(2026, 11, 20)
CLEAN: dict[str, Any] = {
    "problem": "",
    "rows": 5000,
    "not_finite": 0,
    "distance": 0.1,
    "decided_share": 0.0,
    "champion_mean": 0.01,
    "challenger_mean": 0.01,
    "champion_units": 100,
    "challenger_units": 120,
    "champion_drift": 0.1,
    "challenger_drift": 0.2,
    "champion_seconds_per_row": 1e-6,
    "challenger_seconds_per_row": 1e-6,
}
BREACHES: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"not_finite": 3}, "errors: 3 of 5,000"),
    "far from the champion": ({"distance": 1.4}, "score_distance: 1.400"),
    "far from its reference": ({"challenger_drift": 0.9}, "score_drift: 0.900"),
    "a flood of alerts": ({"challenger_units": 301}, "alert_volume: 301 units against 100"),
    "no alerts": ({"challenger_units": 33}, "alert_volume: 33 units"),
    "slow": ({"challenger_seconds_per_row": 0.002}, "latency: 2,000.0 microseconds"),
    "not loadable": (
        {"problem": "it cannot be loaded: gone", "rows": 0},
        "errors: it cannot be loaded",
    ),
}


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, USE, run_id="test-run", actor="rollout", clock=lambda: AT)


@pytest.fixture
def ids(run: Run) -> list[str]:
    """A champion, and a release that was just approved."""
    release_ids = [stored_release(run, seed, "approved").release_id for seed in (1, 2)]
    for release in release_ids:
        promote(run, release, reason="approved")
    return release_ids


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def _score(run: Run, number: int, **changes: Any) -> None:
    """What the score stage records of a day, with the contenders of now."""
    pointer = run.ledger.champion()
    assert pointer is not None
    pair = {
        "champion": pointer.release_id,
        "challenger": pointer.challenger,
        "state": pointer.challenger_state,
    }
    payload: dict[str, Any] = {
        "rows": 5000,
        "release": pointer.release_id,
        "units": 100,
        "fallback": False,
    }
    payload["comparison"] = {**pair, **CLEAN, **changes} if pointer.challenger else None
    run.ledger.record_stage(day(number), score_account(**payload), "done", run_id="r", at=AT)


def _state(run: Run) -> tuple[str, str | None]:
    pointer = run.ledger.champion()
    assert pointer is not None
    return pointer.release_id, pointer.challenger_state


def test_clean_days_lead_from_shadow_through_canary_to_champion(run: Run, ids: list[str]) -> None:
    seen = []
    for number in range(4):
        _score(run, number)
        seen.append((advance_and_record(run, number).step, *_state(run)))
    old, new = ids
    assert seen == [
        ("advance", old, "canary"),
        ("hold", old, "canary"),
        ("advance", new, None),
        ("hold", new, None),
    ]
    assert [entry["state"] for entry in run.ledger.states(new)] == ["shadow", "canary", "champion"]
    assert "2 clean days in canary" in run.ledger.moves()[-1].reason
    assert run.ledger.incidents() == []


def advance_and_record(run: Run, number: int) -> Any:
    return rollout(run, DayRange.single(day(number))).accounts[day(number)]


def test_a_day_that_runs_again_counts_once(run: Run, ids: list[str]) -> None:
    _score(run, 0)
    advance_and_record(run, 0)
    for _ in range(3):
        _score(run, 1)
        assert advance_and_record(run, 1).step == "hold"
    assert _state(run) == (ids[0], "canary")


def test_a_day_of_another_pair_or_with_few_rows_does_not_count(run: Run, ids: list[str]) -> None:
    _score(run, 0, challenger="fraud-20261101-00000000")
    assert "not scored by this pair" in advance_and_record(run, 0).reason
    _score(run, 1, rows=20)
    assert "too few" in advance_and_record(run, 1).reason
    assert _state(run) == (ids[0], "shadow")


@pytest.mark.parametrize("breach", BREACHES)
@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_a_breach_withdraws_the_challenger_and_says_why(
    run: Run, ids: list[str], breach: str, state: str
) -> None:
    if state == "canary":
        promote(run, ids[1], reason="on")
    changes, case = BREACHES[breach]
    _score(run, 0, **changes)
    account = advance_and_record(run, 0)
    assert account.step == "withdraw"
    assert case in account.reason
    assert _state(run) == (ids[0], None)
    assert run.ledger.states(ids[1])[-1]["state"] == "retired"
    incident = run.ledger.incidents(open_only=True)[0]
    assert (incident.kind, incident.subject, incident.severity) == ("guardrail", ids[1], "critical")
    assert case in incident.summary
    assert incident.opened_at == AT
    _score(run, 1)
    assert advance_and_record(run, 1).step == "none"


def test_a_breach_is_told_and_closed_by_a_later_champion(
    settings: Settings, run: Run, ids: list[str]
) -> None:
    with receiving() as hook:
        notified = Settings.build(
            **{**settings.model_dump(exclude_none=True), "notify_webhook": hook.address}
        )
        run = Run(notified, USE, run_id="test-run", actor="rollout", clock=lambda: AT)
        _score(run, 0, not_finite=3)
        advance_and_record(run, 0)
        (opened,) = hook.bodies
        assert (opened["event"], opened["subject"], opened["days"]) == (
            "opened",
            ids[1],
            str(day(0)),
        )
        assert opened["evidence"] == ["errors: 3 of 5,000 scores are none"]
        assert opened["done"] == ["withdrawn from shadow"]
        assert opened["next_step"]
        assert opened["runbook"]
        later = Run(
            notified, USE, run_id="test-run", actor="rollout", clock=lambda: AT + timedelta(days=1)
        )
        promote(later, ids[1], to="champion", reason="tried again", override=True)
        assert run.ledger.incidents(open_only=True), "it was made before the incident"
        release = stored_release(later, 3, "approved").release_id
        promote(later, release, to="champion", reason="a better one", override=True)
        assert run.ledger.incidents(open_only=True) == []
        deliver(later)
        assert [body["event"] for body in hook.bodies] == ["opened", "resolved"]


def _promoted(run: Run, ids: list[str]) -> None:
    for number in range(3):
        _score(run, number)
        advance_and_record(run, number)
    assert _state(run) == (ids[1], None)


@pytest.mark.parametrize("fault", ["fallback", "refused", "flood"])
def test_a_champion_that_fails_lately_gives_way_to_the_one_before(
    run: Run, ids: list[str], fault: str
) -> None:
    _promoted(run, ids)
    payload: dict[str, Any] = {"rows": 5000, "release": ids[1], "units": 90, "fallback": False}
    if fault == "fallback":
        payload |= {
            "release": "rule",
            "fallback": True,
            "fallback_reason": f"champion {ids[1]} cannot be loaded",
        }
    elif fault == "refused":
        payload |= {"reason": "the model finds fraud everywhere"}
    else:
        payload |= {"units": 400}
    status = "refused" if fault == "refused" else "done"
    run.ledger.record_stage(day(3), score_account(**payload), status, run_id="r", at=AT)
    account = advance_and_record(run, 3)
    assert account.step == "restore"
    assert _state(run) == (ids[0], None)
    move = run.ledger.moves()[-1]
    assert (move.kind, move.actor) == ("rollback", "rollout")
    assert "is put back" in run.ledger.incidents(open_only=True)[0].summary


def test_where_the_one_before_cannot_be_used_the_champion_stays_and_it_is_told(
    run: Run, ids: list[str]
) -> None:
    _promoted(run, ids)
    (releases_folder(run.settings.home) / ids[0] / MODEL).write_bytes(b"{")
    payload = {"rows": 5000, "release": ids[1], "units": 400, "fallback": False}
    run.ledger.record_stage(day(3), score_account(**payload), "done", run_id="r", at=AT)
    assert advance_and_record(run, 3).step == "hold"
    assert _state(run) == (ids[1], None)
    assert "it stays" in run.ledger.incidents(open_only=True)[0].summary


def test_after_the_guard_days_a_champion_is_left_alone(run: Run, ids: list[str]) -> None:
    run = replace(run, use_case=replace(USE, rollout=replace(USE.rollout, guard_days=3)))
    _promoted(run, ids)
    for number in range(3, 6):
        _score(run, number)
        assert advance_and_record(run, number).step == "hold"
    payload = {"rows": 5000, "release": ids[1], "units": 400, "fallback": False}
    run.ledger.record_stage(day(6), score_account(**payload), "done", run_id="r", at=AT)
    assert advance_and_record(run, 6).step == "none"


def _third(run: Run) -> str:
    """Another approved release, in shadow beside a champion that is within its guard days."""
    release = stored_release(run, 3, "approved").release_id
    promote(run, release, reason="approved")
    return release


def test_a_champion_is_guarded_while_the_next_one_is_tried_out(run: Run, ids: list[str]) -> None:
    """With a training each week there is nearly always a challenger: guard days would never be
    judged otherwise.
    """
    _promoted(run, ids)
    third = _third(run)
    _score(run, 3)
    account = advance_and_record(run, 3)
    assert (account.step, account.guard.reason) == ("advance", "clean")
    assert {check.name for check in account.guard.checks} == {"errors", "alert_volume", "precision"}
    pair = {"champion": ids[1], "challenger": third, "state": "canary"}
    flood = {
        "rows": 5000,
        "release": ids[1],
        "units": 400,
        "fallback": False,
        "comparison": {**CLEAN, **pair},
    }
    run.ledger.record_stage(day(4), score_account(**flood), "done", run_id="r", at=AT)
    assert advance_and_record(run, 4).step == "restore"
    pointer = run.ledger.champion()
    assert pointer is not None
    assert (pointer.release_id, pointer.challenger, pointer.challenger_state) == (
        ids[0],
        third,
        "canary",
    )
    _score(run, 5)
    assert advance_and_record(run, 5).reason == "1 of 2 clean days in canary", (
        "it starts anew beside another"
    )


def test_a_rollback_by_hand_leaves_the_release_in_shadow_where_it_is(
    run: Run, ids: list[str]
) -> None:
    _promoted(run, ids)
    third = _third(run)
    rollback(run, reason="alerts are nonsense")
    pointer = run.ledger.champion()
    assert pointer is not None
    assert (pointer.release_id, pointer.challenger, pointer.challenger_state) == (
        ids[0],
        third,
        "shadow",
    )
    _score(run, 3)
    assert advance_and_record(run, 3).step == "advance"


def test_a_day_that_is_not_scored_can_be_tried_again(run: Run, ids: list[str]) -> None:
    with pytest.raises(TransientError, match="not scored yet"):
        advance(run, day(0))


def test_a_day_of_a_pair_that_a_person_has_ended_changes_nothing(run: Run, ids: list[str]) -> None:
    _score(run, 0, distance=9.9)
    promote(run, ids[1], to="champion", reason="now", override=True)
    rollback(run, reason="no, not now")
    assert advance_and_record(run, 0).step == "none"
    assert _state(run) == (ids[0], None)
    assert run.ledger.incidents() == []


def _oracle(unit: int, release: str, share: float) -> bool:
    """splitmix64 in plain integers."""
    import hashlib

    mask = (1 << 64) - 1
    value = (unit & mask) ^ int(hashlib.sha256(release.encode()).hexdigest()[:16], 16)
    value = (value + 0x9E3779B97F4A7C15) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return (value ^ (value >> 31)) / 2**64 < share


def test_the_canary_takes_its_share_of_units_always_the_same_ones() -> None:
    units = np.arange(-500, 20_000)
    chosen = in_canary(units, "fraud-20261109-0123abcd", 0.1)
    assert chosen[:3000].tolist() == [
        _oracle(int(u), "fraud-20261109-0123abcd", 0.1) for u in units[:3000]
    ]
    assert chosen.mean() == pytest.approx(0.1, abs=0.01)
    wider = in_canary(units, "fraud-20261109-0123abcd", 0.3)
    assert (wider | ~chosen).all(), "a larger share keeps the units of a smaller one"
    other = in_canary(units, "fraud-20261109-0123abce", 0.1)
    assert (chosen & other).mean() == pytest.approx(0.01, abs=0.005)
    assert not in_canary(units, "x", 0.0).any()
    assert in_canary(units, "x", 1.0).all()


def test_figures_of_a_day_and_what_the_guardrails_make_of_them(run: Run, ids: list[str]) -> None:
    pair = Contenders(
        champion=load_release(run, ids[0]), challenger=load_release(run, ids[1]), state="shadow"
    )
    rng = np.random.default_rng(1)
    units = rng.integers(0, 1000, 4000)
    champion_scores = rng.beta(1, 30, 4000)
    challenger_scores = champion_scores.copy()
    challenger_scores[:4] = [np.nan, np.inf, 0.5, 0.5]
    decided = np.zeros(4000, dtype=bool)
    figures = compare(
        pair,
        Scored(scores=champion_scores, seconds=0.01),
        Scored(scores=challenger_scores, seconds=0.02),
        units,
        decided,
    )
    assert figures.not_finite == 2
    assert figures.challenger_seconds_per_row == pytest.approx(0.02 / 4000)
    assert figures.champion_units == len(
        {u for u, s in zip(units, champion_scores, strict=True) if s >= 0.01}
    )
    outcomes = {check.name: check.outcome for check in judge(figures, RolloutPolicy())}
    assert outcomes["errors"] == "failed"
    assert outcomes["score_distance"] == outcomes["latency"] == outcomes["alert_volume"] == "passed"
