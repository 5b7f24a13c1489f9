"""The task that asks a person, on real Airflow objects: what it shows, whom it skips, what it
writes to the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jinja2
import pytest
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSkipException, DownstreamTasksSkipped

from pipelines.base.errors import PermanentError
from pipelines.base.settings import Settings
from pipelines.releases.approval import request
from pipelines.run import Run
from plugins.tollgate_airflow.approving import PATIENCE, promote_approved, release_approval
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.test_approval import ACCOUNT, USE, _candidate


@pytest.fixture
def operator() -> ApprovalOperator:
    with DAG("train", schedule=None):
        asks = release_approval("fraud")
        asks >> EmptyOperator(task_id="promote")
        return asks


def _context(approval: dict[str, str] | None, answer: Any = None) -> dict[str, Any]:
    pulled = {"train": {"approval": approval}, "approve": answer}
    task = SimpleNamespace(
        xcom_pull=lambda task_ids: pulled[task_ids],
        xcom_push=lambda **_: None,
        id="0",
        map_index=-1,
        task=None,
    )
    dag_run = SimpleNamespace(dag_id="train", run_id="r")
    return {"ti": task, "task_instance": task, "dag_run": dag_run, "params": {}}


def _event(option: str, user: dict[str, str] | None, reason: str = "") -> dict[str, Any]:
    return {
        "chosen_options": [option],
        "params_input": {"reason": reason},
        "responded_by_user": user,
        "responded_at": datetime(2026, 11, 9, tzinfo=UTC),
        "timedout": False,
    }


def test_the_body_is_the_evidence(operator: ApprovalOperator) -> None:
    context = _context(request(USE, ACCOUNT))
    operator.render_template_fields(context, jinja2.Environment(undefined=jinja2.StrictUndefined))
    assert operator.subject == f"fraud: may {ACCOUNT.release} decide?"
    assert "7,000 events" in str(operator.body)
    assert operator.response_timeout == PATIENCE
    operator.render_template_fields(
        _context(None), jinja2.Environment(undefined=jinja2.StrictUndefined)
    )


def test_where_nobody_has_to_be_asked_it_is_skipped(operator: ApprovalOperator) -> None:
    with pytest.raises(AirflowSkipException):
        operator.execute(_context(None))


def test_no_answer_is_told_and_not_tried_again(operator: ApprovalOperator) -> None:
    with pytest.raises(PermanentError, match="nobody has said"):
        operator.execute_complete(_context(None), {"error": "timed out", "error_type": "timeout"})


@pytest.fixture
def home(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    return settings.home


@pytest.mark.parametrize("option", ["Approve", "Reject"])
def test_an_answer_reaches_the_ledger_by_name(
    operator: ApprovalOperator,
    home: Path,
    settings: Settings,
    option: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = Run(settings, USE, clock=lambda: AT)
    release = _candidate(run, 2, "needs a person")
    monkeypatch.setattr(
        "plugins.tollgate_airflow.partition.load", lambda name: replace(USE, name=name)
    )
    question = {"release": release, "subject": "?", "body": "?"}
    context = {**_context(question), "task": operator}
    event = _event(option, {"id": "7", "name": "ann"}, "seen")
    if option == "Reject":
        with pytest.raises(DownstreamTasksSkipped):
            operator.execute_complete(context, event)
    else:
        answer = operator.execute_complete(context, event)
        done = promote_approved("fraud", _context(question, answer), "approve")
        assert (done["release"], done["state"]) == (release, "champion")
        assert run.ledger.moves()[-1].actor == "ann"
    state = run.ledger.states(release)[-1]
    assert (
        state["reason"]
        == {"Approve": "approved by ann: seen", "Reject": "rejected by ann: seen"}[option]
    )
    assert (run.ledger.champion() is None) == (option == "Reject")
