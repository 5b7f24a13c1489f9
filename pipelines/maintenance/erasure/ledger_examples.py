"""What the ledger was told of a subject by name: the examples of parity checks, its only accounts
that name events.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TypeVar

from pipelines.accounts.parity import ParityAccount, ParityExample
from pipelines.accounts.served import ServedAccount, ServedExample
from pipelines.maintenance.erasure.subject import Subject
from pipelines.run import Run

Example = TypeVar("Example", ParityExample, ServedExample)


def delete_from_ledger(run: Run, subject: Subject, *, dry_run: bool) -> int:
    """Take the subject's examples out of the records of parity checks; returns in how many records
    it stood.
    """
    deleted = 0
    entities = run.use_case.stored_features.schema.entities
    names = {subject.unit, *(entity.name for entity in entities if entity.key == subject.unit)}
    for record in run.ledger.stage_records(ParityAccount, withdrawn_too=True):
        examples = _without(record.account.examples, subject, names)
        if examples != record.account.examples:
            deleted += 1
            if not dry_run:
                run.ledger.replace_account(
                    record.sequence, record.account.replaced(examples=examples)
                )
    for served in run.ledger.stage_records(ServedAccount, withdrawn_too=True):
        served_examples = _without(served.account.examples, subject, names)
        if served_examples != served.account.examples:
            deleted += 1
            if not dry_run:
                run.ledger.replace_account(
                    served.sequence, served.account.replaced(examples=served_examples)
                )
    return deleted


def delete_backups(home: Path, *, dry_run: bool) -> list[str]:
    """Remove the backups of the ledger, all of which were made before; returns their names."""
    paths = sorted((home / "backups").glob("ledger-*.jsonl.gz"))
    for path in () if dry_run else paths:
        path.unlink(missing_ok=True)
    return [path.name for path in paths]


def _without(
    examples: Mapping[str, tuple[Example, ...]], subject: Subject, names: Collection[str]
) -> dict[str, tuple[Example, ...]]:
    """The examples by feature that are not of the subject."""
    return {
        feature: tuple(example for example in shown if not _names(example, subject, names))
        for feature, shown in examples.items()
    }


def _names(
    example: ParityExample | ServedExample, subject: Subject, names: Collection[str]
) -> bool:
    """Whether an example is of the subject; its keys go by the entity's name."""
    keys = [value for name, value in example.keys.items() if name in names]
    return subject.names(subject.event, example.event_id) or any(
        subject.names(subject.unit, key) for key in keys
    )
