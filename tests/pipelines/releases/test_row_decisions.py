"""Who decides a row: champion, canary, rule, and numbers that are none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.releases.canary import in_canary
from pipelines.releases.contenders import Contenders
from pipelines.releases.row_decisions import CHALLENGER, CHAMPION, RULE, RuledRows, decide_rows
from pipelines.releases.scorer import booster_scorer, rule_scorer
from pipelines.usecases.fraud import USE_CASE
from tests.pipelines.releases.boosters import make_bundle

UNITS = np.arange(400)
SHARE = 0.3


@pytest.fixture
def canary(tmp_path: Path) -> Contenders:
    features = USE_CASE.feature_sets["baseline"]
    champion, challenger = (
        booster_scorer(make_bundle(tmp_path, features, as_of=as_of), USE_CASE, model_version=as_of)
        for as_of in ("2026-11-09", "2026-11-10")
    )
    return Contenders(
        champion=replace(champion, threshold=0.5),
        challenger=replace(challenger, threshold=0.9),
        state="canary",
    )


def test_the_canarys_units_get_its_score_and_its_threshold(canary: Contenders) -> None:
    assert canary.challenger is not None
    decided = decide_rows(
        canary, np.full(400, 0.6), np.full(400, 0.8), units=UNITS, canary_share=SHARE
    )
    chosen = in_canary(UNITS, canary.challenger.release_id, SHARE)
    assert 0 < chosen.sum() < 400
    assert (decided.decided_by == np.where(chosen, CHALLENGER, CHAMPION)).all()
    assert (decided.scores == np.where(chosen, 0.8, 0.6)).all()
    assert (decided.decisions == ~chosen).all()


def test_a_score_that_is_no_number_leaves_the_row_to_the_champion(canary: Contenders) -> None:
    assert canary.challenger is not None
    chosen = np.flatnonzero(in_canary(UNITS, canary.challenger.release_id, SHARE))
    challenger_scores = np.full(400, 0.95)
    challenger_scores[chosen[0]] = np.nan
    decided = decide_rows(
        canary, np.full(400, 0.1), challenger_scores, units=UNITS, canary_share=SHARE
    )
    assert decided.decided_by[chosen[0]] == CHAMPION
    assert decided.scores[chosen[0]] == 0.1
    assert (decided.decided_by[chosen[1:]] == CHALLENGER).all()


def test_in_shadow_the_challenger_decides_nothing(canary: Contenders) -> None:
    shadow = replace(canary, state="shadow")
    decided = decide_rows(
        shadow, np.full(400, 0.5), np.full(400, 0.95), units=UNITS, canary_share=SHARE
    )
    assert (decided.decided_by == CHAMPION).all()
    assert decided.decisions.all(), "a score at the threshold is a positive decision"


def test_the_rule_takes_its_rows_from_the_canary_too(canary: Contenders) -> None:
    rows = UNITS < 200
    ruled = RuledRows(
        rule=rule_scorer(USE_CASE, reason="a test"), rows=rows, scores=np.full(400, 0.2)
    )
    decided = decide_rows(
        canary, np.full(400, 0.6), np.full(400, 0.95), units=UNITS, canary_share=SHARE, ruled=ruled
    )
    assert (decided.decided_by[rows] == RULE).all()
    assert (decided.scores[rows] == 0.2).all()
    assert not decided.decisions[rows].any()
    assert decided.decisions[~rows].all()
    assert set(decided.decided_by[~rows].tolist()) == {CHAMPION, CHALLENGER}
