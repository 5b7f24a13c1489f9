"""A ledger as a year of nights leaves it: written through its public functions, with texts that
want to be markup.
"""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from features.fraud import EXTENDED
from pipelines.accounts.account import Account
from pipelines.accounts.audit import MoveDetail
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.release import ReleaseAccount
from pipelines.base.days import DayRange, midnight
from pipelines.ledger.ledger import Move, NewIncident
from pipelines.releases.bundle import releases_folder, sha256, write_bundle
from pipelines.run import Run
from tests.accounts import (
    features_account,
    ingest_account,
    materialize_account,
    monitor_account,
    release_account,
    score_account,
)
from tests.pipelines.releases.boosters import matrix, train_booster

LAST = date(2026, 11, 20)
AT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EVIL = '<script>document.title="owned"</script>'
LONG = "customer_amount_max_14d_before_per_customer_amount_mean_30d_before"
"""A word that does not fit on a phone's line."""

REFUSED, LATE, LEFT_OUT = (
    LAST - timedelta(days=9),
    LAST - timedelta(days=5),
    LAST - timedelta(days=12),
)
DRIFTED = (LAST - timedelta(days=1), LAST)
"""What went wrong: refused and mended the next morning; done too late; never run; and days that
drift.
"""


def write_days(run: Run, count: int) -> None:
    """`count` days that end with `LAST`, each as the schedule's night leaves it."""
    chance = random.Random(1)
    for day in DayRange(LAST - timedelta(days=count - 1), LAST):
        if day == LEFT_OUT:
            continue
        night = midnight(day + timedelta(days=1)) + timedelta(hours=2)
        if day == REFUSED:
            refused = features_account(
                reason=f"amount is null {EVIL}", gate=_gate("features", 67, "critical")
            )
            _record(run, day, night, _ingest(chance))
            run.ledger.record_stage(day, refused, "refused", run_id=_id("features"), at=night)
            night += timedelta(hours=7)
        if day == LATE:
            night += timedelta(hours=5)
        accounts = (
            _ingest(chance),
            _features(run),
            materialize_account(watermark=day, feature_digest=run.use_case.stored_features.digest),
            _score(chance, "warning" if day == LAST else ""),
            _monitor(run, day, chance),
        )
        for number, account in enumerate(accounts):
            _record(run, day, night + timedelta(minutes=2 * number), account)


def write_incidents(run: Run) -> None:
    """One that is over, one that is open; both speak markup."""
    opened = midnight(REFUSED + timedelta(days=1)) + timedelta(hours=3)
    subject = f"features:{REFUSED}"
    evidence = IncidentDetail.from_json(
        {"day": str(REFUSED), "next_step": f"tollgate status {EVIL}", "rows": [{"a": EVIL}]}
    )
    held = NewIncident(
        kind="gate", subject=subject, severity="critical", summary=f"held {EVIL}", detail=evidence
    )
    run.ledger.report_incident(held, at=opened, actor="x")
    over = opened + timedelta(hours=5)
    run.ledger.settle_incident("gate", subject, resolution=f"mended {EVIL}", at=over, actor="ann")
    alias = NewIncident(kind="alias", subject="mlflow", severity="warning", summary=f"alias {EVIL}")
    run.ledger.report_incident(alias, at=AT - timedelta(hours=4), actor="x")


def write_releases(run: Run, count: int = 2) -> list[str]:
    """Releases with real bundles, promoted one after the other; the last one decides."""
    ids = []
    for number in range(1, count + 1):
        at = AT - timedelta(days=30 * (count - number) + 5)
        model = bytes(train_booster(EXTENDED, seed=number).save_raw("ubj"))
        release_id = f"fraud-2026{number:04d}-{sha256(model)[:8]}"
        record = _release_record(run, release_id, model, number)
        folder = releases_folder(run.settings.home)
        import pandas as pd

        reference = pd.DataFrame(matrix(EXTENDED, 20), columns=list(EXTENDED.names)).assign(
            score=0.5
        )
        bundle = write_bundle(folder, release_id, model=model, record=record, reference=reference)
        account = record.replaced(
            manifest_digest=bundle.manifest_digest,
            signed_by=bundle.signed_by,
            model_version=str(number),
            mlflow_run_id="m",
            trained_because=f"drift {EVIL}",
        )
        run.ledger.add_release(release_id, account, at=at)
        run.ledger.move_champion(
            release_id,
            expected=run.ledger.champion(),
            reason=f"approved {EVIL}",
            actor="ann",
            at=at + timedelta(days=2),
        )
        ids.append(release_id)
    return ids


def write_waiting(run: Run) -> str:
    """A release whose verdict asks for a person, with a real bundle."""
    model = bytes(train_booster(EXTENDED, seed=77).save_raw("ubj"))
    release_id = f"fraud-20261119-{sha256(model)[:8]}"
    record = _release_record(
        run, release_id, model, 7, as_of="2026-11-19", decision="needs a person"
    )
    import pandas as pd

    reference = pd.DataFrame(matrix(EXTENDED, 20), columns=list(EXTENDED.names)).assign(score=0.5)
    folder = releases_folder(run.settings.home)
    bundle = write_bundle(folder, release_id, model=model, record=record, reference=reference)
    account = record.replaced(
        manifest_digest=bundle.manifest_digest,
        signed_by=bundle.signed_by,
        model_version="77",
        mlflow_run_id="m",
        trained_because="weekly",
    )
    run.ledger.add_release(release_id, account, at=AT)
    run.ledger.set_state(release_id, "candidate", reason="a person is asked", actor="train", at=AT)
    return release_id


def undo(run: Run, *, to: str, at: datetime = AT) -> None:
    """A rollback as the ledger keeps it."""
    pointer = run.ledger.champion()
    assert pointer is not None
    move = Move(
        kind="rollback",
        subject=to,
        champion=to,
        reason="too many alerts",
        actor="ann",
        at=at,
        detail=MoveDetail(before=pointer.release_id),
    )
    run.ledger.move(
        move, expected=pointer, states=[(pointer.release_id, "retired"), (to, "champion")]
    )


def at(run: Run, moment: datetime) -> Run:
    """The same run with another clock."""
    return replace(run, clock=lambda: moment)


def _record(run: Run, day: date, when: datetime, account: Account) -> None:
    run.ledger.record_stage(day, account, "done", run_id=_id(account.STAGE), at=when)


def _id(stage: str) -> str:
    return f"{stage}/scheduled__x" if stage == "ingest" else f"{stage}/asset_triggered__x"


def _gate(suite: str, checks: int, severity: str = "") -> dict[str, Any]:
    failure = {
        "check": "ExpectColumnValuesToNotBeNull",
        "column": f"amount {EVIL}",
        "severity": severity,
        "meaning": f"m {EVIL}",
        "expected": f"values {EVIL}",
        "observed": f"12 {EVIL}",
    }
    return {
        "suite": suite,
        "subject": suite,
        "engine": "pandas",
        "rows": 9500,
        "checks": checks,
        "passed": severity != "critical",
        "severity": severity or None,
        "failures": [failure] if severity else [],
    }


def _ingest(chance: random.Random) -> Account:
    rows = 9500 + chance.randrange(1000)
    gates = {
        name: _gate(name, 10) for name in ("transactions", "transactions_by_day", "fraud_reports")
    }
    counts = {"rows_in": rows, "accepted": rows - 3, "quarantined": 2, "duplicates": 1, "late": 0}
    return ingest_account(
        state="arrived", **counts, rules={f"amount {EVIL}": 2}, gate=gates, versions={}
    )


def _features(run: Run) -> Account:
    return features_account(
        rows=9500, feature_digest=run.use_case.stored_features.digest, gate=_gate("features", 67)
    )


def _score(chance: random.Random, severity: str) -> Account:
    plain = {
        "rows": 9500,
        "alerts": 100,
        "release": f"fraud-1 {EVIL}",
        "fallback": False,
        "fallback_reason": "",
    }
    return score_account(
        **plain, score_mean=0.01 + chance.random() / 100, gate=_gate("predictions", 9, severity)
    )


def _monitor(run: Run, day: date, chance: random.Random) -> Account:
    drifted = day in DRIFTED
    columns = {
        feature.name: chance.random() * 0.1 for feature in run.use_case.stored_features.features
    }
    columns["amount"] = 0.6 if drifted else 0.02
    drift = {
        "judged": True,
        "detected": drifted,
        "share": 0.3 if drifted else 0.0,
        "score": 0.05,
        "summary": f"{LONG} moved {EVIL}" if drifted else f"all within {EVIL}",
        "columns": columns,
        "drifted": ["amount"] if drifted else [],
        "skipped": {"is_weekend": f"the same all day {EVIL}"},
        "method": "wasserstein",
        "release": "fraud-1",
        "rows": 5000,
        "reference_rows": 5000,
    }
    worth = {
        "subject_day": str(day - timedelta(days=7)),
        "average_precision": 0.7,
        "card_precision": 0.35,
    }
    diagnosis = {
        "cause": "harmful",
        "severity": "page",
        "summary": f"d {EVIL}",
        "explained": [f"e {EVIL}"],
    }
    return monitor_account(
        rows=9500,
        volume_ratio=1.0,
        quarantine_rate=0.0002,
        drift=drift,
        performance={**worth, "release": "fraud-1", "n": 9500, "positives": 60},
        slices=[_slice(f"night {EVIL}", 30), _slice(f"weekend {EVIL}", 7)],
        diagnosis={**diagnosis, "runbook": "docs/runbooks/drift.md"},
        explained=[{"feature": f"amount {EVIL}", "share": 0.6}],
        estimate={"precision": 0.33, "low": 0.21, "high": 0.45, "positives": 60.0},
        retrain={"asked": day == DRIFTED[0], "reason": f"drift {EVIL}"},
    )


def _slice(name: str, positives: int) -> dict[str, Any]:
    note = "" if positives >= 20 else f"{positives} positives of at least 20"
    fields = {
        "slice": name,
        "events": 400,
        "positives": positives,
        "caught": 5,
        "missed_money": 812.5,
        "note": note,
    }
    pooled = {"past_positives": 90, "past_caught": 40, "past_note": ""}
    return {**fields, "average_precision": None if note else 0.61, **pooled}


def _release_record(
    run: Run,
    release_id: str,
    model: bytes,
    number: int,
    *,
    as_of: str = "2026-11-09",
    decision: str = "approved",
) -> ReleaseAccount:
    figures = {"average_precision": 0.7 + number / 100, "card_precision_at_100": 0.35}
    check = {
        "name": "beats_rule",
        "question": f"q {EVIL}",
        "outcome": "passed",
        "found": f"f {EVIL}",
    }
    table = [{"slice": EVIL, "value": 0.5}]
    return release_account(
        release_id=release_id,
        as_of=as_of,
        model_digest=sha256(model),
        threshold=0.25,
        rounds=12,
        feature_set={
            "name": EXTENDED.name,
            "names": list(EXTENDED.names),
            "digest": EXTENDED.digest,
        },
        policy_digest=run.use_case.policy_digest,
        training={
            "train_days": ["2026-10-01", "2026-10-28"],
            "n_train": 270_000,
            "labels_known_at": AT.isoformat(),
        },
        data_versions={"features": 4},
        code_version="0ac390e48578" if number > 1 else "0ac390e48578+dirty",
        environment={"python": "3.11.7"},
        seed=0,
        parameters={"eta": 0.07},
        evaluation={
            "metrics": {"candidate": figures, "rule": {"average_precision": 0.23}},
            "verdict": {
                "decision": decision,
                "summary": f"s {EVIL}",
                "checks": [{**check, "table": table}],
            },
        },
    )
