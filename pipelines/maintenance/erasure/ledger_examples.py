"""What the ledger was told of a subject by name: the examples of parity checks, its only payloads that name events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pipelines.maintenance.erasure.subject import Subject
from pipelines.parity.served.stage import STAGE as SERVED
from pipelines.parity.stage import STAGE as PARITY
from pipelines.run import Run


def delete_from_ledger(run: Run, subject: Subject, *, dry_run: bool) -> int:
    """Take the subject's examples out of the records of parity checks; returns in how many records it stood."""
    found = 0
    entities = run.use_case.stored_features.schema.entities
    names = {subject.unit, *(entity.name for entity in entities if entity.key == subject.unit)}
    for record in (
        record for stage in (PARITY, SERVED) for record in run.ledger.stage_records(stage, withdrawn_too=True)
    ):
        kept = _without(record.payload, subject, names)
        if kept != record.payload:
            found += 1
            if not dry_run:
                run.ledger.replace_payload(record.sequence, kept)
    return found


def delete_backups(home: Path, *, dry_run: bool) -> list[str]:
    """Remove the backups of the ledger, all of which were made before; returns their names."""
    paths = sorted((home / "backups").glob("ledger-*.jsonl.gz"))
    for path in () if dry_run else paths:
        path.unlink(missing_ok=True)
    return [path.name for path in paths]


def _without(payload: Mapping[str, Any], subject: Subject, names: Collection[str]) -> dict[str, Any]:
    examples = {
        feature: [one for one in shown if not _names(one, subject, names)]
        for feature, shown in payload.get("examples", {}).items()
    }
    return {**payload, **({"examples": examples} if "examples" in payload else {})}


def _names(example: Mapping[str, Any], subject: Subject, names: Collection[str]) -> bool:
    """Whether an example is of the subject; its keys go by the entity's name."""
    keys = [value for name, value in example["keys"].items() if name in names]
    return subject.names(subject.event, example["event_id"]) or any(subject.names(subject.unit, key) for key in keys)
