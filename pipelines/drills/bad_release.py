"""A bad release for drills: a model that learnt nonsense, registered as any other and let
through.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.errors import PermanentError
from pipelines.drills.bank import FIRST_TRAINING
from pipelines.releases.scorer import load_champion
from pipelines.releases.verdict import Check, Verdict
from pipelines.run import Run, code_version
from pipelines.training.candidate import make_candidate
from pipelines.training.data import current_versions, read_training_data
from pipelines.training.evaluate import evaluate
from pipelines.training.publish import release
from pipelines.training.record import release_record

if TYPE_CHECKING:
    import pandas as pd

_PASSED = Check(
    name="drill", question="Is it a drill?", outcome="passed", found="let through for the drill"
)


def release_a_bad_model(run: Run) -> str:
    """Train on reports that name other events than they should, and make it champion; returns the
    release id.
    """
    use_case = run.use_case
    columns = (*use_case.feature_sets[use_case.model.feature_set].names, use_case.rule.column)
    data = read_training_data(run, FIRST_TRAINING, columns, versions=current_versions(run))
    candidate = make_candidate(
        _with_mixed_reports(data.frame, use_case.label.reported_at), use_case, FIRST_TRAINING
    )
    evaluation = evaluate(data.frame, use_case, candidate, load_champion(run), FIRST_TRAINING)
    evaluation = replace(evaluation, verdict=Verdict(checks=(_PASSED,)))
    record = release_record(
        candidate, use_case, evaluation=evaluation, data_versions=data.versions, code=code_version()
    )
    made = release(
        run, candidate, evaluation, record, champion=run.ledger.champion(), reason="drill"
    )
    if made.state != "champion":
        raise PermanentError(
            "the drill's bad release did not become champion", expected="champion", found=made.state
        )
    return candidate.release_id


def _with_mixed_reports(frame: pd.DataFrame, reported_at: str) -> pd.DataFrame:
    """Each report speaks of an event that it has nothing to do with: the one half of the frame
    further on.
    """
    delay = frame[reported_at] - frame["day"].dt.tz_localize("UTC")
    moved = np.roll(delay.to_numpy(), len(frame) // 2)
    return frame.assign(**{reported_at: frame["day"].dt.tz_localize("UTC") + moved})
