"""A person's yes and no: who said it, what moved, and that nothing moves without it where one is
needed.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipelines.accounts.audit import ApprovalDetail, RejectionDetail
from pipelines.accounts.evaluation import VerdictAccount
from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.releases.approval import approve, reject, request
from pipelines.releases.inventory import all_releases
from pipelines.releases.promotion import promote
from pipelines.run import Run
from tests.accounts import train_account
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

HIGH = replace(USE, rollout=replace(USE.rollout, risk_tier="high"))


@pytest.fixture
def run(settings: Settings) -> Run:
    """A use case of the high-risk tier with a champion."""
    run = Run(settings, HIGH, run_id="test-run", actor="cli", clock=lambda: AT)
    first = _candidate(run, 1)
    approve(run, first, approver="ann", reason="the first")
    return run


def _candidate(run: Run, seed: int, decision: str = "approved") -> str:
    release = stored_release(run, seed, decision).release_id
    run.ledger.set_state(release, "candidate", reason="waits for approval", actor="train", at=AT)
    return release


def _placed(run: Run) -> tuple[str, str | None, str | None]:
    pointer = run.ledger.champion()
    assert pointer is not None
    return pointer.release_id, pointer.challenger, pointer.challenger_state


@pytest.mark.parametrize("decision", ["approved", "needs a person"])
def test_nothing_moves_without_an_approval_and_then_by_the_policy(run: Run, decision: str) -> None:
    before, release = _placed(run), _candidate(run, 2, decision)
    with pytest.raises(PermanentError, match="override"):
        promote(run, release, reason="hurry")
    assert _placed(run) == before
    done = approve(run, release, approver="ben", reason="looked at the slices")
    assert (done.state, done.override) == ("shadow", None)
    assert _placed(run) == (before[0], release, "shadow")
    move, entry = run.ledger.moves()[-1], run.ledger.audit_entries(ApprovalDetail)[-1]
    assert (move.actor, move.reason) == ("ben", "approved by ben: looked at the slices")
    assert (entry.actor, entry.subject, entry.detail.reason) == (
        "ben",
        release,
        "looked at the slices",
    )
    assert promote(run, release, reason="clean").state == "canary", "approved once, it goes its way"


def test_an_answer_counts_once(run: Run) -> None:
    release = _candidate(run, 2)
    for _ in range(2):
        approve(run, release, approver="ben", reason="yes")
    assert _placed(run)[1:] == (release, "shadow")
    assert [entry.subject for entry in run.ledger.audit_entries(ApprovalDetail)].count(release) == 1


def test_a_rejection_is_kept_and_leaves_the_champion(run: Run) -> None:
    before, release = _placed(run), _candidate(run, 2)
    for _ in range(2):
        reject(run, release, approver="eve", reason="the new terminals are worse off")
    assert _placed(run) == before
    state = run.ledger.states(release)[-1]
    assert (state["state"], state["actor"]) == ("refused", "eve")
    assert state["reason"] == "rejected by eve: the new terminals are worse off"
    assert len(run.ledger.audit_entries(RejectionDetail)) == 1
    with pytest.raises(PermanentError, match="does not wait for an answer any more") as caught:
        approve(run, release, approver="ben", reason="but I like it")
    assert "is refused" in caught.value.found


def test_an_override_passes_the_tier_and_is_shown(run: Run) -> None:
    release = _candidate(run, 2)
    done = promote(run, release, reason="the bank's board decided", override=True)
    assert done.override == "fraud is of the high-risk tier and nobody has approved it"
    shown = {summary.release: summary.to_json() for summary in all_releases(run)}[release]
    assert (shown["approver"], shown["override"]["reason"]) == ("cli", "the bank's board decided")


def test_a_late_approval_of_what_is_older_by_now_moves_nothing(run: Run) -> None:
    older = _candidate(run, 2)
    newer = stored_release(run, 3, "approved", "2026-11-16").release_id
    promote(run, newer, to="champion", reason="now", override=True)
    with pytest.raises(PermanentError, match="override") as caught:
        approve(run, older, approver="ben", reason="yes")
    assert f"{newer}, as of the later 2026-11-16, is champion" in caught.value.found
    assert _placed(run) == (newer, None, None)


ACCOUNT = train_account(
    release="fraud-20261109-0123abcd",
    state="candidate",
    training={"test_days": ["2026-10-26", "2026-11-01"]},
    n_test=7000,
    n_test_positive=61,
    metrics={"candidate": {"average_precision": 0.71}, "champion": {"average_precision": 0.69}},
    verdict={
        "decision": "needs a person",
        "summary": "needs a person: slices: too little to tell | <b>",
        "checks": [
            {
                "name": "keeps_up_with_champion",
                "outcome": "failed",
                "found": "0.71 against 0.69, +0.02 (-0.03 to 0.07)",
            }
        ],
    },
)


def test_the_question_has_the_evidence_and_no_markup_of_others() -> None:
    question = request(USE, ACCOUNT)
    assert question is not None
    assert question["release"] == ACCOUNT.release
    for text in (
        "0.7100",
        "7,000 events of 2026-10-26",
        "(-0.03 to 0.07)",
        "1 days in shadow",
        r"\<b\>",
        r"\|",
    ):
        assert text in question["body"], text
    assert "the verdict asks for a person" in question["body"]


@pytest.mark.parametrize(
    ("state", "decision", "asks"), [("candidate", "approved", True), ("shadow", "approved", False)]
)
def test_only_a_high_risk_release_is_asked_about_when_it_is_approved(
    state: str, decision: str, asks: bool
) -> None:
    verdict = ACCOUNT.verdict or VerdictAccount()
    account = ACCOUNT.replaced(state=state, verdict=verdict.replaced(decision=decision))
    assert (request(HIGH, account) is not None) == asks
    assert request(USE, account) is None
