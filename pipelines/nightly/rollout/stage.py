"""Rollout: after each scored day, a release that is tried out goes on, or is withdrawn; a bad
champion is undone.

A day's account: champion, challenger, state, checks (the guardrails), clean, step (`advance`,
`hold`, `withdraw`, `restore`, `none`), reason, matured (review precision of both on the day whose
labels have just matured, or null). While a challenger is tried out, `guard` holds what was found of
a champion that is within its guard days, or null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.accounts.audit import MoveDetail
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.rollout import GuardAccount, MaturedPair, RolloutAccount
from pipelines.accounts.score import ScoreAccount
from pipelines.alerting.incidents import deliver, report
from pipelines.base.days import DayRange
from pipelines.base.errors import PermanentError, TransientError
from pipelines.ledger.ledger import Move, NewIncident, Pointer, StageRecord
from pipelines.nightly.result import StageResult
from pipelines.nightly.rollout.guardrails import judge, precision, volume_against
from pipelines.nightly.rollout.matured_pairs import matured_pair
from pipelines.releases.page import refresh_release_pages
from pipelines.releases.promotion import next_state, put
from pipelines.releases.succession import line_of_champions
from pipelines.releases.undo import rollback
from pipelines.releases.verdict import Check
from pipelines.run import Run

STAGE = RolloutAccount.STAGE
RUNBOOK = "docs/runbooks/rollout.md"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a day says of the release that is watched: its guardrails, and whether the day
    counts.
    """

    checks: Sequence[Check] = ()
    counts: bool = True
    note: str = ""
    matured: MaturedPair | None = None
    pairs: Sequence[MaturedPair] = ()

    @property
    def failed(self) -> list[str]:
        """Guardrails that do not hold, in words."""
        return [
            f"{check.name}: {check.found}" for check in self.checks if check.outcome == "failed"
        ]


def rollout(run: Run, days: DayRange) -> StageResult[RolloutAccount]:
    """Judge `days` in order, each as `advance` does; running a day again never counts it twice.

    Raises `TransientError` where a day is not scored yet.
    """
    accounts: dict[date, RolloutAccount] = {}
    for day in days:
        accounts[day] = advance(run, day)
        if accounts[day].step in {"advance", "withdraw", "restore"}:
            refresh_release_pages(run)
            deliver(run)
        run.ledger.record_stage(day, accounts[day], "done", run_id=run.run_id, at=run.clock())
    return StageResult(stage=STAGE, days=days, accounts=accounts)


def advance(run: Run, day: date) -> RolloutAccount:
    """Judge the champion, if it was promoted lately, and the release that is tried out; do what the
    policy says.

    A guardrail that fails: a champion within its guard days gives way to the one before, a
    challenger is withdrawn, and an incident says why. Enough clean days: the challenger's next
    state, by compare-and-swap. On a day on which the champion gives way the challenger is not
    judged: its days count anew beside the one that is put back.
    """
    record = run.ledger.latest(ScoreAccount, first=day, last=day).get(day)
    if record is None:
        raise TransientError(
            "the day is not scored yet",
            where="stage score",
            day=str(day),
            expected="predictions of the day",
            found="no record of score",
            next_step=f"tollgate run score --from {day} --to {day}, then run this again",
        )
    pointer = run.ledger.champion()
    if pointer is None:
        return _account(None, "none", "no release has been promoted yet")
    guarded = _guarded(run, day, pointer, record)
    if pointer.challenger is None or guarded.step == "restore":
        return guarded
    guard = GuardAccount(reason=guarded.reason, checks=guarded.checks, matured=guarded.matured)
    return _tried_out(run, day, pointer, record).replaced(
        guard=guard if guarded.step == "hold" else None
    )


def _tried_out(
    run: Run, day: date, pointer: Pointer, record: StageRecord[ScoreAccount]
) -> RolloutAccount:
    challenger, state = str(pointer.challenger), str(pointer.challenger_state)
    finding = _finding(run, day, pointer, record)
    if finding.failed:
        reason = f"guardrail failed on {day}: {'; '.join(finding.failed)}"
        _withdraw(run, pointer, day, reason, finding)
        return _account(pointer, "withdraw", reason, finding)
    if not finding.counts:
        return _account(pointer, "hold", finding.note, finding)
    policy = run.use_case.rollout
    needed = policy.shadow_days if state == "shadow" else policy.canary_days
    clean = _clean_days(run, pointer) | {day}
    if len(clean) < needed:
        return _account(pointer, "hold", f"{len(clean)} of {needed} clean days in {state}", finding)
    following = next_state(run, pointer, challenger)
    reason = f"{len(clean)} clean day{'s' if len(clean) > 1 else ''} in {state}, the last {day}"
    put(run, pointer, challenger, following, reason=reason)
    return _account(pointer, "advance", f"{reason}: now {following}", finding)


def _guarded(
    run: Run, day: date, pointer: Pointer, record: StageRecord[ScoreAccount]
) -> RolloutAccount:
    line = line_of_champions(run.ledger.moves())
    if len(line) < 2:
        return _account(
            pointer,
            "none",
            "no champion before this one: nothing to compare with, nothing to put back",
        )
    decided = _days_of(run, pointer.release_id)
    if len(decided - {day}) >= run.use_case.rollout.guard_days:
        return _account(
            pointer, "none", f"its {run.use_case.rollout.guard_days} guard days are over"
        )
    finding = _champion_finding(run, day, pointer.release_id, line[-2], record)
    if not finding.failed:
        return _account(pointer, "hold", "clean" if finding.counts else finding.note, finding)
    reason = f"guardrail failed on {day}: {'; '.join(finding.failed)}"
    incident = _incident(
        pointer.release_id, day, reason, finding, f"champion {line[-2]} is put back"
    )
    try:
        rollback(run, reason=reason, incident=incident)
    except PermanentError as error:
        stays = f"{reason}; it stays: {error.what}"
        report(run, _incident(pointer.release_id, day, stays, finding, "nothing was moved"))
        return _account(pointer, "hold", f"{reason}; but {error.what}", finding)
    return _account(pointer, "restore", reason, finding)


def _finding(run: Run, day: date, pointer: Pointer, record: StageRecord[ScoreAccount]) -> Finding:
    """The guardrails of the challenger on a day."""
    figures, policy = record.account.comparison, run.use_case.rollout
    if figures is not None and figures.problem and figures.challenger == pointer.challenger:
        problem = figures.problem.splitlines()[0]
        check = Check(
            name="errors", question="Can it be loaded and score?", outcome="failed", found=problem
        )
        return Finding(checks=[check])
    expected = (pointer.challenger, pointer.challenger_state, pointer.release_id)
    if figures is None or (figures.challenger, figures.state, figures.champion) != expected:
        return Finding(counts=False, note=f"{day} was not scored by this pair in this state")
    if figures.rows < policy.minimum:
        return Finding(counts=False, note=f"{figures.rows} rows are too few to judge")
    as_of = run.ledger.release(str(pointer.challenger)).account.as_of
    if as_of is not None and day < as_of:
        return Finding(counts=False, note=f"{day} is before {as_of}, as of which it was trained")
    matured, pairs = _matured(run, day, str(pointer.challenger))
    return Finding(
        checks=[*judge(figures, policy), precision(pairs, policy)], matured=matured, pairs=pairs
    )


def _champion_finding(
    run: Run, day: date, release: str, before: str, record: StageRecord[ScoreAccount]
) -> Finding:
    """The guardrails of a champion that was promoted lately: it scores, as much as before, as
    precisely as before.
    """
    account, policy = record.account, run.use_case.rollout
    refused = record.status == "refused" and account.release == release
    lost = account.fallback and account.stands_in_for == release
    scores = Check(
        name="errors",
        question="Does it score, and do its predictions pass their gate?",
        outcome="failed" if refused or lost else "passed",
        found=(account.reason or account.fallback_reason).splitlines()[0]
        if refused or lost
        else "yes",
    )
    if refused or lost:
        return Finding(checks=[scores])
    if account.release != release or (account.rows or 0) < policy.minimum:
        return Finding(counts=False, note=f"{day} was not scored by it, or has too few rows")
    earlier = [
        past.account.units
        for past in run.ledger.latest(ScoreAccount, status="done").values()
        if past.account.release == before
        and past.account.units is not None
        and (past.account.rows or 0) >= policy.minimum
    ]
    matured, pairs = _matured(run, day, release)
    volume = volume_against(account.units or 0, earlier[-7:], policy)
    return Finding(checks=[scores, volume, precision(pairs, policy)], matured=matured, pairs=pairs)


def _matured(run: Run, day: date, release: str) -> tuple[MaturedPair | None, list[MaturedPair]]:
    """Review precision of both on the day whose labels matured with `day`, and on all matured days
    so far.
    """
    newest = matured_pair(run, day, release)
    pairs: dict[date, MaturedPair] = {}
    for record in run.ledger.latest(RolloutAccount, status="done").values():
        guard = record.account.guard
        for pair in (record.account.matured, guard.matured if guard else None):
            if pair is not None and pair.release == release:
                pairs[pair.day] = pair
    if newest is not None:
        pairs[newest.day] = newest
    return newest, list(pairs.values())


def _clean_days(run: Run, pointer: Pointer) -> set[date]:
    """Days on which this challenger was clean in this state beside this champion."""
    same = (pointer.release_id, pointer.challenger, pointer.challenger_state)
    return {
        day
        for day, record in run.ledger.latest(RolloutAccount, status="done").items()
        if record.account.clean
        and (record.account.champion, record.account.challenger, record.account.state) == same
    }


def _days_of(run: Run, release: str) -> set[date]:
    records = run.ledger.latest(ScoreAccount).items()
    return {day for day, record in records if record.account.release == release}


def _withdraw(run: Run, pointer: Pointer, day: date, reason: str, finding: Finding) -> None:
    challenger = str(pointer.challenger)
    move = Move(
        kind="withdraw",
        subject=challenger,
        champion=pointer.release_id,
        reason=reason,
        actor=run.actor,
        at=run.clock(),
        detail=MoveDetail(day=day, state=pointer.challenger_state),
    )
    incident = _incident(
        challenger, day, reason, finding, f"withdrawn from {pointer.challenger_state}"
    )
    channels = run.settings.channels(incident.severity)
    run.ledger.move(
        move,
        expected=pointer,
        states=[(challenger, "retired")],
        incident=incident,
        channels=channels,
    )


def _incident(release: str, day: date, reason: str, finding: Finding, done: str) -> NewIncident:
    detail = IncidentDetail(
        first_day=day,
        days=(day,),
        sources=(STAGE,),
        consequence=f"of {release}: {done}",
        evidence=tuple(finding.failed),
        checks=tuple(check.account() for check in finding.checks),
        done=(done,),
        next_step="tollgate releases",
        runbook=RUNBOOK,
    )
    return NewIncident(
        kind="guardrail",
        subject=release,
        severity="critical",
        summary=f"{reason}; {done}",
        detail=detail,
    )


def _account(
    pointer: Pointer | None, step: str, reason: str, finding: Finding | None = None
) -> RolloutAccount:
    return RolloutAccount(
        champion=pointer.release_id if pointer else None,
        challenger=pointer.challenger if pointer else None,
        state=pointer.challenger_state if pointer else None,
        step=step,
        reason=reason,
        clean=bool(finding and finding.counts and not finding.failed),
        checks=tuple(check.account() for check in finding.checks) if finding else (),
        matured=finding.matured if finding else None,
    )
