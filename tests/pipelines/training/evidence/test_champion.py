"""Against the champion there are three answers: a loss is excluded, proven, or neither."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from pipelines.releases.scorer import Scorer, rule_scorer
from pipelines.releases.verdict import CANDIDATE, CHAMPION, RULE, Verdict
from pipelines.training.evidence.champion import beats_logistic, beats_rule, keeps_up
from pipelines.training.evidence.slices import slices_hold
from tests.pipelines.training.evidence.contests import contest, use_case

NO_CHAMPION = rule_scorer(use_case(), reason="no release has been promoted yet")
CHAMPION_SCORER: Scorer = replace(NO_CHAMPION, fallback=False, release_id="fraud-20261102-00000000")


@pytest.mark.parametrize(
    ("noise", "outcome", "decision"),
    [
        (0.50, "passed", "approved"),
        (0.60, "failed", "refused"),
        (0.5125, "failed", "needs a person"),
    ],
)
def test_three_answers(noise: float, outcome: str, decision: str) -> None:
    check = keeps_up(contest({CANDIDATE: noise}), CHAMPION_SCORER)
    assert check.outcome == outcome, check.found
    assert Verdict(checks=(check,)).decision == decision
    assert (
        check.figures["difference_low"]
        < check.figures["difference"]
        < check.figures["difference_high"]
    )


def test_what_is_inconclusive_is_refused_where_the_policy_says_so() -> None:
    judged = contest({CANDIDATE: 0.5125})
    strict = replace(judged, use_case=use_case(inconclusive="refuse"))
    assert Verdict(checks=(keeps_up(strict, CHAMPION_SCORER),)).decision == "refused"


def test_without_a_champion_it_is_not_applicable() -> None:
    check = keeps_up(contest(), NO_CHAMPION)
    assert (check.outcome, check.found) == ("not applicable", "no release has been promoted yet")


def test_the_rule_must_be_beaten_for_sure() -> None:
    assert beats_rule(contest()).outcome == "passed"
    assert beats_rule(contest({RULE: 0.5})).outcome == "failed"
    assert beats_logistic(contest()).outcome == "passed"


def test_a_hurt_slice_blocks_and_is_named() -> None:
    judged = contest({CANDIDATE: 0.8}, where=lambda frame: (frame["amount"] < 50).to_numpy())
    check = slices_hold(judged, CHAMPION_SCORER, judged.rows)
    assert check.outcome == "failed"
    assert "small" in check.subjects
    assert "large" not in check.subjects
    assert "small: -" in check.found


def test_a_group_of_keys_that_is_hurt_is_named() -> None:
    judged = contest({CANDIDATE: 1.2}, where=lambda frame: (frame["terminal_id"] < 100).to_numpy())
    assert "first_keys" in slices_hold(judged, CHAMPION_SCORER, judged.rows).subjects


def test_slices_without_enough_to_go_by_are_said_to_be_so() -> None:
    judged = contest()
    check = slices_hold(judged, CHAMPION_SCORER, judged.rows)
    outcome = {row["slice"]: row["outcome"] for row in check.table}
    assert check.outcome == "passed", check.found
    assert outcome["small"] == outcome["large"] == outcome["first_keys"] == "passed"
    assert outcome["tiny"].endswith("positives of at least 20")
    assert outcome["unknown"] == "not applicable: no column is_night"
    assert check.figures["tested"] == 3


def test_without_a_champion_slices_are_shown_and_none_can_fail() -> None:
    judged = contest({CANDIDATE: 3.0})
    check = slices_hold(judged, NO_CHAMPION, judged.rows)
    assert check.outcome == "not applicable"
    assert {row["slice"] for row in check.table} == {
        "small",
        "large",
        "first_keys",
        "tiny",
        "unknown",
    }


def test_equal_contenders_are_seldom_said_to_differ_on_any_slice() -> None:
    blocked = 0
    for seed in range(20):
        judged = contest(seed=seed, rows=4000)
        blocked += slices_hold(judged, CHAMPION_SCORER, judged.rows).outcome == "failed"
    assert blocked == 0


def test_everything_is_plain_data() -> None:
    check = slices_hold(contest(), CHAMPION_SCORER, contest().rows).to_json()
    values = chain.from_iterable(row.values() for row in check["table"])
    assert all(type(value) in (str, int, float, type(None)) for value in values)
    assert CHAMPION not in check["figures"]
