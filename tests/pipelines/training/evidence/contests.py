"""Contests made by hand: rows with amounts, keys and labels, and contenders as good as a test asks
for.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from pipelines.releases.verdict import CANDIDATE, CHAMPION, LOGISTIC, RULE
from pipelines.training.evidence.contest import Contest
from pipelines.usecases.definition import UseCase
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.evidence import Band, KeyGroup, Slice

SLICES = (
    Slice(name="small", where=(Band(column="amount", high=50),)),
    Slice(name="large", where=(Band(column="amount", low=50),)),
    Slice(name="first_keys", where=(KeyGroup(key="terminal_id", of=4, number=0),)),
    Slice(name="tiny", where=(Band(column="amount", high=0.5),)),
    Slice(name="unknown", where=(Band(column="is_night", low=1),)),
)


def use_case(**changes: object) -> UseCase:
    """The fraud use case with the slices above and 300 replicates."""
    policy = replace(USE_CASE.evidence, slices=SLICES, replicates=300, **changes)  # type: ignore[arg-type]
    return replace(USE_CASE, evidence=policy)


def contest(
    noise: dict[str, float] | None = None,
    *,
    rows: int = 12_000,
    seed: int = 1,
    where: object = None,
) -> Contest:
    """Scores are label + normal noise; `noise` is its spread by contender, on the rows `where` or
    all.
    """
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "customer_id": random.integers(0, 1500, rows),
            "terminal_id": random.integers(0, 400, rows),
            "amount": random.uniform(0, 100, rows),
            "day": np.repeat(
                np.arange("2026-10-26", "2026-11-02", dtype="datetime64[D]"), rows // 7 + 1
            )[:rows],
        }
    )
    label = (random.random(rows) < 0.04).astype(float)
    shared = random.normal(size=rows)
    scores = {}
    for name in (CANDIDATE, CHAMPION, LOGISTIC, RULE):
        spread = {CANDIDATE: 0.5, CHAMPION: 0.5, LOGISTIC: 0.8, RULE: 1.5, **(noise or {})}[name]
        touched = np.ones(rows, dtype=bool) if where is None else where(frame)  # type: ignore[operator]
        usual = 0.5 if name in (CANDIDATE, CHAMPION) else spread
        scores[name] = (
            label + shared * np.where(touched, spread, usual) + 0.02 * random.normal(size=rows)
        )
    return Contest.of(frame, label, scores, use_case())
