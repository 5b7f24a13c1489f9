"""One scoring at a time, and predictions that fit their account: without Spark, on a real
ledger.
"""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from pipelines.base.days import DayRange
from pipelines.base.errors import TransientError
from pipelines.base.settings import Settings
from pipelines.lake.lake import Lake
from pipelines.nightly.monitor.day_samples import DaySample
from pipelines.nightly.score import stage
from pipelines.nightly.score.scoring_lease import one_scoring
from pipelines.nightly.scored_as_recorded import require_scored_as_recorded
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import release_account, score_account

DAY = date(2026, 11, 7)
AT = datetime(2026, 11, 8, 3, tzinfo=UTC)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Run:
    made = Run(settings, load("fraud"), run_id="night", actor="test", clock=lambda: AT)
    monkeypatch.setattr(Run, "lake", Lake(None, settings.lake))  # type: ignore[arg-type]
    return made


def test_a_second_scoring_waits_and_reads_the_champion_when_its_turn_comes(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        run.ledger.add_release(name, release_account(), at=AT)
    first = run.ledger.move_champion("a", expected=None, reason="r", actor="t", at=AT)
    decided: list[str] = []

    def note_the_champion(of_call: Run, _days: DayRange) -> Any:
        pointer = of_call.ledger.champion()
        decided.append(pointer.release_id if pointer else "none")

    monkeypatch.setattr(stage, "_score", note_the_champion)
    with one_scoring(run):
        other = threading.Thread(target=stage.score, args=(run, DayRange.single(DAY)))
        other.start()
        other.join(1)
        assert decided == [], "it waits"
        run.ledger.move_champion("b", expected=first, reason="r", actor="t", at=AT)
    other.join()
    assert decided == ["b"]


@pytest.mark.parametrize(
    ("deciders", "holds"),
    [(("a",), True), (("a", "b"), True), (("c",), False), (("a", "c"), False)],
)
def test_a_day_whose_rows_name_a_stranger_is_not_watched(
    run: Run, deciders: tuple[str, ...], holds: bool
) -> None:
    account = score_account(release="a", comparison={"challenger": "b"})
    run.ledger.record_stage(DAY, account, "done", run_id="night", at=AT)
    sample = DaySample(
        frame=pd.DataFrame(),
        rows=1,
        release="a",
        fallback=False,
        newest_event=AT,
        score_mean=0.5,
        deciders=deciders,
    )
    if holds:
        require_scored_as_recorded(run, DayRange.single(DAY), {DAY: sample})
        return
    with pytest.raises(TransientError, match="not those of its account") as caught:
        require_scored_as_recorded(run, DayRange.single(DAY), {DAY: sample})
    assert caught.value.found == "rows decided by c"
    assert f"tollgate run score --from {DAY} --to {DAY}" in caught.value.next_step
