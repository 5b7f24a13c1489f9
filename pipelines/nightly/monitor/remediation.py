"""Answers: what is done about a day without a person, by the use case's watch policy.

Logged, and taken back as easily.

Only the newest scored day is answered; watching an older one again changes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipelines.accounts.audit import FallbackDetail
from pipelines.accounts.monitor import DiagnosisAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.base.errors import PermanentError
from pipelines.nightly.monitor.diagnosis.remedies import calm_days, falls_back, rolls_back
from pipelines.releases import fallback
from pipelines.releases.undo import rollback
from pipelines.run import Run

log = logging.getLogger("tollgate.answers")
Diagnoses = Mapping[date, DiagnosisAccount]
UNDO_ROLLBACK = 'tollgate rollback --to {} --reason "…"'
UNDO_FALLBACK = 'tollgate fallback --off --reason "…"'


def answer(run: Run, day: date, diagnoses: Diagnoses) -> None:
    """Do about `day` what the policy says; `diagnoses` are those of the days up to it, this one
    included.

    The rule decides from the next day on where the cause asks for it, and no longer once the days
    have been calm; what a person began a person ends. A champion that the trouble began with gives
    way to the one before. Doing it again does nothing.
    """
    scored = run.ledger.latest(ScoreAccount, first=day - timedelta(days=35))
    champion = run.ledger.champion()
    if (
        champion is None
        or day not in diagnoses
        or any(earlier > day and record.status == "done" for earlier, record in scored.items())
    ):
        return
    policy, following = run.use_case.watch, day + timedelta(days=1)
    standing_in = fallback.in_force(run.ledger)
    if standing_in is None:
        if falls_back(day, diagnoses[day], policy) and not _a_person_said_no(run, diagnoses):
            fallback.begin(
                run.ledger, following, reason=diagnoses[day].title, told_on=day, **_by(run)
            )
            log.warning(
                "the declared rule decides from %s on: %s", following, diagnoses[day].summary
            )
    elif standing_in.told_on is not None and calm_days(day, diagnoses) >= policy.return_days:
        reason = f"{policy.return_days} days in a row are calm"
        fallback.end(run.ledger, following, reason=reason, told_on=day, **_by(run))
        log.warning("the champion decides again from %s on: %s", following, reason)
    decided = {earlier: record.account.release for earlier, record in scored.items()}
    if decided.get(day) == champion.release_id and rolls_back(
        day, diagnoses[day], diagnoses, decided, policy
    ):
        _roll_back(run, day, diagnoses[day].summary)


def answers_on(run: Run, day: date) -> tuple[str, ...]:
    """What was done because of a day, in sentences, each with the way to take it back."""
    actions = []
    for entry in run.ledger.audit_entries(FallbackDetail):
        detail = entry.detail
        if detail.told_on == day:
            begun = detail.event == "begun"
            who = "the declared rule decides" if begun else "the champion decides again"
            undo = f" (it returns by itself; sooner: {UNDO_FALLBACK})" if begun else ""
            actions.append(f"from {detail.first_day} on {who}: {detail.reason}{undo}")
    for move in run.ledger.moves():
        if move.kind == "rollback" and move.detail.told_on == day:
            left = move.detail.before
            actions.append(
                f"{left} gave way to {move.champion} (take back: {UNDO_ROLLBACK.format(left)})"
            )
    return tuple(actions)


def _a_person_said_no(run: Run, diagnoses: Diagnoses) -> bool:
    """Whether a person ended the newest fallback, and no day since then was calm."""
    ended = [
        entry for entry in run.ledger.audit_entries(FallbackDetail) if entry.detail.event == "ended"
    ]
    if not ended or ended[-1].detail.told_on is not None:
        return False
    first = ended[-1].detail.first_day
    return not any(
        calm_days(day, {day: diagnosis}) for day, diagnosis in diagnoses.items() if day >= first
    )


def _by(run: Run) -> dict[str, Any]:
    return {"actor": run.actor, "at": run.clock()}


def _roll_back(run: Run, day: date, summary: str) -> None:
    try:
        done = rollback(run, reason=f"it began with this release on {day}: {summary}", told_on=day)
    except PermanentError as error:
        log.warning("the release stays, though the trouble began with it: %s", error.what)
        return
    log.warning("%s gave way to %s: %s", done.before, done.after, summary)
