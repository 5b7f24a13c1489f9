"""Evidently's own report of a comparison: its figures, and its page with a histogram of every
column.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.atomic_files import write_whole
from pipelines.nightly.monitor.drift.comparison import SCORE, Comparison
from pipelines.nightly.monitor.drift.drift import comparable
from pipelines.usecases.policies.watch import DriftPolicy


def measure_and_render(comparison: Comparison, policy: DriftPolicy, page: Path) -> dict[str, float]:
    """The figures of `drift.measure`, by Evidently, with its self-contained page (5 MB) at `page`.

    Columns that are constant in the reference are left out, as its distances would call one row in
    5,000 drift. Importing Evidently takes some 5 s, rendering 1 to 2 s. Raises `StoreError` where
    the disk does not take the page.
    """
    os.environ.setdefault("DO_NOT_TRACK", "1")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    names = comparable(comparison) or [SCORE]
    definition = DataDefinition(numerical_columns=names)
    current, reference = (
        Dataset.from_pandas(frame[names], data_definition=definition)
        for frame in (comparison.current, comparison.reference)
    )
    preset = DataDriftPreset(
        method=policy.method,
        threshold=policy.threshold,
        per_column_threshold={SCORE: policy.score_threshold},
        drift_share=policy.share_of_columns,
    )
    with np.errstate(
        invalid="ignore"
    ):  # a column of one value correlates with none, which numpy warns of each time
        snapshot = Report([preset]).run(current, reference)
    write_whole(page, lambda partial: snapshot.save_html(str(partial)), what="Evidently's page")
    return _figures(snapshot.dict())


def _figures(result: dict[str, Any]) -> dict[str, float]:
    return {
        metric["config"]["column"]: float(metric["value"])
        for metric in result["metrics"]
        if metric["config"]["type"].endswith(":ValueDrift")
    }
