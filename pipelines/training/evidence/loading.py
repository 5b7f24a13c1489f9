"""The bytes that would be released, loaded as production loads them: digest, inputs, the same
scores, fast enough.
"""

from __future__ import annotations

import time

import numpy as np

from pipelines.base.errors import PermanentError
from pipelines.releases.bundle import sha256
from pipelines.releases.scorer import load_booster
from pipelines.releases.verdict import CANDIDATE, Check
from pipelines.training.candidate import Candidate
from pipelines.training.evidence.contest import Contest
from pipelines.training.fitting import matrix_of

NAME, ROWS, BATCHES = "loads_as_in_production", 1000, 20


def loads(contest: Contest, candidate: Candidate) -> Check:
    """The check; `BATCHES` batches of a thousand test rows are timed.

    Signatures are verified when it is released.
    """
    policy = contest.policy
    problems, seconds = _problems(contest, candidate)
    speed = ROWS / float(np.median(seconds)) if seconds else 0.0
    p99 = float(np.quantile(seconds, 0.99)) if seconds else float("nan")
    if not problems and speed < policy.rows_per_second:
        problems.append(
            f"{speed:,.0f} rows a second, at least {policy.rows_per_second:,.0f} are asked for"
        )
    if not problems and p99 > policy.p99_seconds:
        problems.append(f"p99 of a batch {p99:.3f} s, at most {policy.p99_seconds} s are allowed")
    return Check(
        name=NAME,
        question=(
            "Loaded from the bytes to be released, does it have its inputs and its scores, fast"
            " enough?"
        ),
        outcome="failed" if problems else "passed",
        found="; ".join(problems)
        or f"{len(candidate.model):,} bytes, {len(candidate.feature_set.names)} inputs, "
        f"{speed:,.0f} rows a second, p99 of {ROWS:,} rows {1000 * p99:.1f} ms",
        figures={
            "rows_per_second": speed,
            "p99_seconds": p99,
            "bytes": float(len(candidate.model)),
        },
    )


def _problems(contest: Contest, candidate: Candidate) -> tuple[list[str], list[float]]:
    """What is wrong, and how long each batch took."""
    names = candidate.feature_set.names
    try:
        booster = load_booster(candidate.model)
    except PermanentError as error:
        return [str(error)], []
    if tuple(booster.feature_names or ()) != names:
        return [f"its inputs are {', '.join(booster.feature_names or ()) or 'not named'}"], []
    if sha256(candidate.model)[:8] not in candidate.release_id:
        return [
            f"the bytes have the digest {sha256(candidate.model)[:8]}, release"
            f" {candidate.release_id} another"
        ], []
    rows = np.resize(np.arange(len(contest.label)), ROWS)
    matrix = matrix_of(contest.rows.iloc[rows], names)
    seconds, score = [], np.empty(0)
    for _ in range(BATCHES):
        started = time.perf_counter()
        score = booster.inplace_predict(matrix, iteration_range=(0, candidate.scorer.rounds))
        seconds.append(time.perf_counter() - started)
    if not np.array_equal(score.astype(np.float64), contest.scores[CANDIDATE][rows]):
        return ["loaded from its bytes it gives other scores"], []
    return [], seconds
