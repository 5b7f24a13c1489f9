"""The block that a failing task's log ends in: everything that whoever is on call needs, in this
order.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.base.errors import GateError, TollgateError, TransientError
from pipelines.base.settings import CHECKOUT, Settings
from pipelines.ledger.ledger import Ledger
from plugins.tollgate_airflow.failure import FALLBACK_RUNBOOK, RUNBOOKS, block, failure_callbacks
from plugins.tollgate_airflow.partition import PartitionKeyError, partition_day

DAY = "2026-11-07"


def _context(
    error: BaseException | None, dag_id: str = "ingest", day: str | None = DAY
) -> dict[str, Any]:
    return {
        "exception": error,
        "dag_run": SimpleNamespace(partition_key=day),
        "task_instance": SimpleNamespace(dag_id=dag_id, task_id=dag_id, try_number=1),
    }


GATE = GateError(
    "the day was refused",
    day=DAY,
    where="lake/transactions",
    expected="at most 0.5 % bad rows",
    found="2.0 % bad rows",
    held_back=("features",),
    next_step="ask the sender for new files",
    runbook="docs/runbooks/ingest-refused.md",
)


def test_it_tells_what_day_expected_found_held_back_command_and_runbook() -> None:
    lines = block(_context(GATE), "fraud", "ingest").splitlines()
    assert lines[0] == lines[-1] == "─" * 72
    assert [line.rstrip() for line in lines[1:-1]] == [
        "FAILED     ingest.ingest for 2026-11-07, try 1",
        "what       the day was refused",
        "where      lake/transactions",
        "expected   at most 0.5 % bad rows",
        "found      2.0 % bad rows",
        "next step  ask the sender for new files",
        (
            "held back  features, score, monitor of 2026-11-07, until this succeeds; their tables"
            " stay as they are"
        ),
        "again      tollgate backfill --from 2026-11-07 --to 2026-11-07",
        "runbook    docs/runbooks/ingest-refused.md",
    ]


def test_a_retry_says_that_nothing_need_be_typed() -> None:
    text = block(
        _context(TransientError("the feed is late"), "features"),
        "fraud",
        "features",
        will_retry=True,
    )
    assert "RETRY      features.features for 2026-11-07, try 1" in text
    assert "nothing to type yet" in text
    assert "score, monitor of 2026-11-07, until a try succeeds" in text


def test_an_error_of_another_library_is_named_with_its_first_line() -> None:
    text = block(_context(ConnectionError("refused\nand more")), "fraud", "ingest")
    assert "what       ConnectionError" in text
    assert "found      refused" in text
    assert FALLBACK_RUNBOOK in text


def test_an_error_that_airflow_wraps_is_told_in_our_words() -> None:
    wrapped = RuntimeError("airflow's own")
    wrapped.__cause__ = GATE
    assert "what       the day was refused" in block(_context(wrapped), "fraud", "ingest")


def test_the_last_of_the_chain_holds_nothing_back() -> None:
    assert "held back" not in block(
        _context(TollgateError("no page"), "monitor"), "fraud", "monitor"
    )


def test_an_ended_task_and_a_run_without_a_day_are_told_too() -> None:
    text = block(_context(None, "train", None), "fraud", "train")
    assert "train.train, try 1" in text
    assert "ended from outside" in text


@pytest.mark.parametrize("stage", ["ingest", "score", "monitor", "train"])
@pytest.mark.parametrize("key", [None, "tomorrow", "2026-02-30", "2026-3-1"])
def test_a_slip_in_the_partition_key_is_told_to_its_maker_and_opens_no_incident(
    stage: str,
    key: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    context = _context(None, stage, key)
    context["dag_run"] = SimpleNamespace(partition_key=key, dag_id=stage, run_id="manual__1")
    with pytest.raises(PartitionKeyError) as caught:
        partition_day(context)
    context["exception"] = caught.value
    failure_callbacks("fraud", stage)["on_failure_callback"](context)
    assert Ledger(Settings.from_environment().ledger, "fraud").incidents() == []
    text = block(context, "fraud", stage)
    assert (
        f"again      in Airflow, trigger {stage} again with the day (YYYY-MM-DD) as partition key"
        in text
    )
    assert not any(wrong in text for wrong in ("no day", "held back", "None", f"for {key}"))
    assert "could not be recorded" not in caplog.text


def test_long_values_stay_inside_the_block() -> None:
    text = block(_context(TollgateError("two\nlines")), "fraud", "ingest")
    assert "what       two\n           lines\n" in text


def test_the_runbooks_that_blocks_fall_back_to_exist() -> None:
    for page in {FALLBACK_RUNBOOK, *RUNBOOKS.values()}:
        assert (CHECKOUT / page).is_file(), page


def test_a_failure_opens_its_incident_and_a_retry_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOLLGATE_HOME", str(tmp_path / "home"))
    context = _context(GATE)
    context["dag_run"] = SimpleNamespace(partition_key=DAY, dag_id="ingest", run_id="scheduled")
    callbacks = failure_callbacks("fraud", "ingest")
    ledger = Ledger(Settings.from_environment().ledger, "fraud")
    callbacks["on_retry_callback"](context)
    assert ledger.incidents() == []
    callbacks["on_failure_callback"](context)
    callbacks["on_failure_callback"](_context(GATE) | {"dag_run": context["dag_run"]})
    (incident,) = ledger.incidents()
    assert (incident.kind, incident.subject, incident.severity) == ("gate", "ingest", "critical")
    assert [str(day) for day in incident.detail.days] == [DAY]
    assert incident.detail.next_step == "ask the sender for new files"


def test_a_ledger_that_is_away_does_not_hide_the_failure(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("TOLLGATE_LEDGER", "sqlite:////proc/nowhere/ledger.sqlite")
    context = _context(GATE)
    context["dag_run"] = SimpleNamespace(partition_key=DAY, dag_id="ingest", run_id="scheduled")
    failure_callbacks("fraud", "ingest")["on_failure_callback"](context)
    assert "the day was refused" in caplog.text
    assert "could not be recorded" in caplog.text
