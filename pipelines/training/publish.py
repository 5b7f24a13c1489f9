"""Release: bundle, MLflow, ledger row, pointer, alias, in that order: a crash leaves the old
champion or the new.

Each step finds what an earlier attempt left and goes on from there; the ledger decides, MLflow's
alias follows it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.accounts.audit import VerdictDetail
from pipelines.accounts.incident import IncidentDetail
from pipelines.accounts.release import ReleaseAccount
from pipelines.alerting.incidents import deliver, report
from pipelines.base.errors import StoreError, TransientError
from pipelines.ledger.ledger import NewIncident, Pointer
from pipelines.mlflow.tracking import RegisteredModel, Tracking
from pipelines.releases.alias import follow
from pipelines.releases.approval import was_rejected, why_a_person
from pipelines.releases.bundle import Bundle, releases_folder, write_bundle
from pipelines.releases.fallback import goes_on
from pipelines.releases.page import refresh_release_pages
from pipelines.releases.promotion import next_state, older_than, put
from pipelines.releases.verdict import Evaluation, Verdict
from pipelines.run import Run
from pipelines.training.candidate import Candidate
from pipelines.training.registration import model_record, restored, taken_versions

RUNBOOK = "docs/runbooks/suspect-labels.md"
TELLING_CHECKS = ("slices", "label_health")
"""Checks whose failure opens an incident."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """What became of a candidate: `state` is its state in the ledger (`candidate` waits, `why` says
    for what).

    `promoted`: this call made it champion. `registered_before`: the ledger had this very
    release.
    `warnings` say what did not stop the release but has to be put right.
    """

    state: str
    promoted: bool
    registered_before: bool
    account: ReleaseAccount
    why: str = ""
    warnings: tuple[str, ...] = ()


def release(
    run: Run,
    candidate: Candidate,
    evaluation: Evaluation,
    record: ReleaseAccount,
    *,
    champion: Pointer | None,
    reason: str,
) -> Released:
    """Register a candidate and, where the verdict approves it, start its way to champion
    (`RolloutPolicy`).

    `record` is its release record; `champion` is the pointer against which it was judged. Raises
    `TransientError` where another release has become champion meanwhile (trained again, it is
    judged against that one), `PermanentError` where the pointer moves in the very moment. `reason`
    says why it was trained. Raises `StoreError` where a store fails; whatever was done until then
    is found and used by the next attempt.
    """
    release_id = candidate.release_id
    registered_before = release_id in {earlier.release_id for earlier in run.ledger.releases()}
    if registered_before:
        cards, warnings = {}, _record_again(run, candidate, evaluation, record, reason)
    else:
        cards, warnings = {release_id: _register(run, candidate, evaluation, record, reason)}, ()
    state, promoted = _decide(run, release_id, evaluation, champion)
    return Released(
        state=state,
        why=run.ledger.states(release_id)[-1]["reason"],
        promoted=promoted,
        registered_before=registered_before,
        account=run.ledger.release(release_id).account,
        warnings=(*warnings, *follow(run), *refresh_release_pages(run, cards)),
    )


def _register(
    run: Run, candidate: Candidate, evaluation: Evaluation, record: ReleaseAccount, reason: str
) -> str:
    """Bundle, MLflow's entry and the ledger's row of a new release; returns its model card
    (HTML).
    """
    bundle = write_bundle(
        releases_folder(run.settings.home),
        candidate.release_id,
        model=candidate.model,
        record=record,
        reference=candidate.reference,
        signing_key=run.settings.signing_key,
    )
    entry = model_record(record, candidate, evaluation, run.use_case, reason=reason)
    registered = Tracking(run.settings, run.use_case.name).record(
        entry, taken=taken_versions(run, entry.release_id)
    )
    run.ledger.add_release(
        candidate.release_id, _account(bundle, registered, reason), at=run.clock()
    )
    return entry.files["card.html"].decode()


def _record_again(
    run: Run, candidate: Candidate, evaluation: Evaluation, record: ReleaseAccount, reason: str
) -> tuple[str, ...]:
    """Record a release that the ledger knows and MLflow has lost, whole; returns warnings, as
    nothing hangs on it.
    """
    tracking = Tracking(run.settings, run.use_case.name)
    released = run.ledger.release(candidate.release_id).account
    if not released.mlflow_run_id:
        return ()
    try:
        if tracking.registered(candidate.release_id, candidate.model_digest) is None:
            entry = restored(
                model_record(record, candidate, evaluation, run.use_case, reason=reason), released
            )
            tracking.record(entry, taken=taken_versions(run, candidate.release_id))
    except StoreError as error:
        return (f"MLflow does not hold {candidate.release_id}: {error.what}: {error.found}",)
    return ()


def _account(bundle: Bundle, registered: RegisteredModel, reason: str) -> ReleaseAccount:
    """What the ledger keeps: the record inside the bundle, and what vouches for it."""
    return bundle.record.replaced(
        manifest_digest=bundle.manifest_digest,
        signed_by=bundle.signed_by,
        model_version=registered.version,
        mlflow_run_id=registered.run_id,
        trained_because=reason,
    )


def _decide(
    run: Run, release_id: str, evaluation: Evaluation, champion: Pointer | None
) -> tuple[str, bool]:
    """The release's state after the verdict, and whether this call made it champion.

    A release that is tried out makes room for a candidate as of the same day or a later one, which
    knows more; beside an older candidate it stays, and the candidate waits. So does one that a
    person has to approve. What is tried out already stays so, whatever its verdict is beside
    another champion: the guardrails judge it.
    """
    now, pointer = run.clock(), _pointer_now(run, champion)
    verdict = evaluation.verdict
    states = [entry["state"] for entry in run.ledger.states(release_id)]
    judged = VerdictDetail.from_json(verdict.to_json())
    run.ledger.audit(release_id, judged, actor=run.actor, at=now)
    if pointer is not None and pointer.release_id == release_id:
        return "champion", False
    if pointer is not None and pointer.challenger == release_id:
        return str(pointer.challenger_state), False
    if "retired" in states:
        return "retired", False
    if was_rejected(run, release_id):
        return "refused", False
    _report_incident(run, release_id, verdict)
    if held := _held(run, pointer, release_id, verdict):
        state, why = held
        if states[-1:] != [state]:
            run.ledger.set_state(release_id, state, reason=why, actor=run.actor, at=now)
        return state, False
    state = next_state(run, pointer, release_id)
    put(run, pointer, release_id, state, reason=verdict.summary)
    return state, state == "champion"


def _held(
    run: Run, pointer: Pointer | None, release_id: str, verdict: Verdict
) -> tuple[str, str] | None:
    """The state in which a candidate stays that does not go on by itself, and why; None for one
    that does.
    """
    if verdict.decision == "refused":
        return "refused", verdict.summary
    if reason := why_a_person(run.use_case, verdict.decision):
        return "candidate", f"waits for approval, as {reason}: {verdict.summary}"
    older = older_than(run, pointer, release_id)
    return ("candidate", older) if older else None


def _pointer_now(run: Run, judged: Pointer | None) -> Pointer | None:
    """The pointer now; a challenger may have come, gone on or gone, but the champion must be the
    one judged against.
    """
    now = run.ledger.champion()
    if (now.release_id if now else None) != (judged.release_id if judged else None):
        raise TransientError(
            "another release became champion while the candidate was judged",
            where=run.ledger.where,
            expected=f"champion {judged.release_id}" if judged else "no champion",
            found=f"champion {now.release_id}" if now else "no champion",
            next_step="train again: the candidate is then judged against the champion of now",
        )
    return now


def _report_incident(run: Run, release_id: str, verdict: Verdict) -> None:
    """One that fails on a slice or on its labels is more than a weak model: somebody has to look at
    the data.
    """
    failed = [
        check
        for check in verdict.checks
        if check.outcome == "failed" and check.name in TELLING_CHECKS
    ]
    if failed:
        evidence = [f"{check.name}: {check.found}" for check in failed]
        detail = IncidentDetail(
            sources=("release",),
            consequence=(
                f"the candidate is refused, {goes_on(run.ledger)}; the data that it learnt from is"
                " suspect"
            ),
            evidence=tuple(evidence),
            checks=tuple(check.account() for check in failed),
            next_step="tollgate releases",
            runbook=RUNBOOK,
        )
        summary = "; ".join(evidence)
        report(
            run,
            NewIncident(
                kind="refused",
                subject=release_id,
                severity="critical",
                summary=summary,
                detail=detail,
            ),
        )
        deliver(run)
