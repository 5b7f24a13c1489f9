"""Releases with real bundles in a ledger, and writes that fail: what tests of moves begin with."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from features.fraud import BASELINE
from pipelines.releases.bundle import Bundle, releases_folder, sha256, write_bundle
from pipelines.run import Run
from pipelines.usecases.policies.rollout import RolloutPolicy
from tests.accounts import release_account
from tests.pipelines.baseline_use_case import baseline_use_case
from tests.pipelines.releases.boosters import matrix, train_booster

USE = replace(baseline_use_case(), rollout=RolloutPolicy(shadow_days=1, canary_days=2))


def stored_release(
    run: Run, seed: int, decision: str, as_of: str = "2026-11-09", more: Any = None
) -> Bundle:
    model = bytes(train_booster(BASELINE, seed=seed).save_raw("ubj"))
    release_id = f"fraud-202611{seed:02d}-{sha256(model)[:8]}"
    members: dict[str, Any] = {
        "release_id": release_id,
        "as_of": as_of,
        "feature_set": {
            "name": BASELINE.name,
            "names": list(BASELINE.names),
            "digest": BASELINE.digest,
        },
        "threshold": seed / 100,
        "rounds": 12,
        "policy_digest": "p" * 64,
        "evaluation": {
            "metrics": {
                "candidate": {"average_precision": 0.5 + seed / 100},
                "rule": {"average_precision": 0.2},
            },
            "verdict": {
                "decision": decision,
                "summary": f"{decision}: told",
                "reasons": [],
                "checks": [],
            },
        },
        "trained_because": "a test's",
    }
    record = release_account(**{**members, **(more or {})})
    import pandas as pd

    reference = pd.DataFrame(matrix(BASELINE, 20), columns=list(BASELINE.names)).assign(score=0.5)
    folder = releases_folder(run.settings.home)
    bundle = write_bundle(folder, release_id, model=model, record=record, reference=reference)
    account = record.replaced(
        manifest_digest=bundle.manifest_digest, signed_by=bundle.signed_by, model_version=str(seed)
    )
    run.ledger.add_release(release_id, account, at=run.clock())
    return bundle


@contextmanager
def failing_write(number: int) -> Iterator[list[str]]:
    """Let the write number `number` (from 0) of all databases fail; yields the statements that were
    tried.
    """
    seen: list[str] = []

    def before(conn: object, cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            seen.append(statement)
            if len(seen) == number + 1:
                raise sa.exc.OperationalError(
                    statement, {}, sqlite3.OperationalError("the power went out")
                )

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
