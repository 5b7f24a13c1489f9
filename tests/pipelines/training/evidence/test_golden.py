"""The golden set: frozen bytes that are verified, never learnt from, and a drop on them that
blocks.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.base.errors import PermanentError, UsageError
from pipelines.releases.scorer import RuleScorer, rule_scorer
from pipelines.training.candidate import make_candidate
from pipelines.training.evidence.golden import golden_holds
from pipelines.training.golden_store import (
    CASES,
    MANIFEST,
    GoldenError,
    GoldenSet,
    declaration_digests,
    load_golden,
    write_golden,
)
from pipelines.usecases.fraud import USE_CASE
from tests.pipelines.training.training_frames import simulated_frame

NO_CHAMPION = rule_scorer(USE_CASE, reason="no release yet")


def _cases(rows: int = 4000) -> pd.DataFrame:
    """`amount` finds most positives, `customer_tx_count_30d` none."""
    random = np.random.default_rng(1)
    label = (random.random(rows) < 0.05).astype(float)
    return pd.DataFrame(
        {
            "transaction_id": np.arange(rows),
            "customer_id": random.integers(0, 400, rows),
            "label": label,
            "amount": 100 * label + random.normal(100, 40, rows),
            "customer_tx_count_30d": random.normal(100, 40, rows),
        }
    )


@pytest.fixture
def golden(tmp_path: Path) -> GoldenSet:
    manifest = {"cases": 4000, "features": declaration_digests(USE_CASE.stored_features)}
    return write_golden(tmp_path, "golden-1", _cases(), manifest)


def _model(column: str) -> RuleScorer:
    """A scorer by one column, that is a release."""
    rule = replace(USE_CASE.rule, column=column)
    return replace(NO_CHAMPION, fallback=False, feature_names=(column,), rule=rule)


def test_a_sharp_drop_blocks_and_an_equal_model_passes(golden: GoldenSet) -> None:
    good, bad = _model("amount"), _model("customer_tx_count_30d")
    assert golden_holds(golden, USE_CASE, good, good).outcome == "passed"
    dropped = golden_holds(golden, USE_CASE, bad, good)
    assert dropped.outcome == "failed", dropped.found
    assert dropped.figures["difference_high"] < 0
    assert golden_holds(golden, USE_CASE, good, bad).outcome == "passed"


def test_a_drop_that_chance_explains_does_not_block(tmp_path: Path) -> None:
    """Between two weak models: the drop is over the margin, but its interval does not exclude
    none.
    """
    cases = _cases(400)
    cases["amount"] -= 60 * cases["label"]
    manifest = {"cases": 400, "features": declaration_digests(USE_CASE.stored_features)}
    few = write_golden(tmp_path, "few", cases, manifest)
    check = golden_holds(few, USE_CASE, _model("customer_tx_count_30d"), _model("amount"))
    assert check.figures["difference"] <= -USE_CASE.evidence.golden_margin, check.found
    assert 0 < check.figures["difference_high"] < 1
    assert check.outcome == "passed"


def test_where_there_is_nothing_to_compare_the_reason_and_the_next_step_are_told(
    golden: GoldenSet,
) -> None:
    good = _model("amount")
    assert "tollgate golden freeze" in golden_holds(None, USE_CASE, good, good).found
    first = golden_holds(golden, USE_CASE, good, NO_CHAMPION)
    assert (first.outcome, "no release yet" in first.found) == ("not applicable", True)
    manifest = {**golden.manifest, "features": {**golden.features, "amount": "another"}}
    other = golden_holds(replace(golden, manifest=manifest), USE_CASE, good, good)
    assert other.outcome == "not applicable"
    assert "other definitions of amount" in other.found


@pytest.mark.parametrize("damage", ["byte", "manifest", "both", "missing"])
def test_a_damaged_set_is_an_error(golden: GoldenSet, tmp_path: Path, damage: str) -> None:
    place = tmp_path / "golden" / "golden-1"
    if damage == "byte":
        content = bytearray((place / CASES).read_bytes())
        content[100] ^= 1
        (place / CASES).write_bytes(bytes(content))
    elif damage == "missing":
        (place / CASES).unlink()
    else:
        text = (place / MANIFEST).read_text().replace("4000", "4001")
        (place / MANIFEST).write_text(text)
    with pytest.raises(GoldenError, match="not the one that was frozen") as caught:
        load_golden(tmp_path, "golden-1", digest=golden.digest)
    assert caught.value.next_step


@pytest.mark.guarantee(
    "path tricks", fault="names of golden sets that lead elsewhere", seen="refused"
)
def test_it_never_changes_and_its_name_stays_inside(golden: GoldenSet, tmp_path: Path) -> None:
    assert load_golden(tmp_path, "golden-1", digest=golden.digest).cases.equals(golden.cases)
    with pytest.raises(UsageError, match="never change"):
        write_golden(tmp_path, "golden-1", _cases(10), {})
    for name in ("../out", "/abs", "Capital", "", "a" * 80):
        with pytest.raises(UsageError):
            write_golden(tmp_path, name, _cases(10), {})


def test_training_refuses_rows_that_are_golden() -> None:
    frame = simulated_frame(date(2026, 1, 1), 10)
    with pytest.raises(PermanentError, match="golden cases are among") as caught:
        make_candidate(frame, USE_CASE, date(2026, 1, 30), forbidden=np.array([17, 99_999]))
    assert "1, for instance transaction_id 17" in caught.value.found
