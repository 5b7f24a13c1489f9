"""The exposition against Prometheus's own parser, and against what was written into the ledger."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipelines.base.settings import Settings
from pipelines.ops.facts import Facts
from pipelines.ops.openmetrics import openmetrics
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import served_account
from tests.pipelines.ops.ledger_year import AT, write_days, write_incidents, write_releases


def parsed(run: Run) -> dict[tuple[str, str], float]:
    """Values by name and the label that tells samples of a family apart."""
    families = text_string_to_metric_families(openmetrics(Facts(run)))
    return {
        (
            sample.name,
            sample.labels.get("severity")
            or sample.labels.get("stage")
            or sample.labels.get("bound")
            or "",
        ): sample.value
        for sample in chain.from_iterable(family.samples for family in families)
    }


def test_an_empty_ledger_has_no_invented_values(settings: Settings) -> None:
    samples = parsed(Run(settings, load("fraud"), clock=lambda: AT))
    assert set(samples) == {
        ("tollgate_releases", ""),
        ("tollgate_open_incidents", "warning"),
        ("tollgate_open_incidents", "critical"),
    }
    assert set(samples.values()) == {0.0}


def test_values_are_those_of_the_newest_day(settings: Settings) -> None:
    run = Run(settings, load("fraud"), clock=lambda: AT)
    write_days(run, 20)
    write_releases(run)
    write_incidents(run)
    run.ledger.record_stage(
        AT.date() - timedelta(days=1),
        served_account(
            answers=900, mismatch_share=0.02, unexplained_share=0.01, fallback_share=0.0
        ),
        "refused",
        run_id="test",
        at=AT,
    )
    samples = parsed(run)
    assert samples["tollgate_served_answers", ""] == 900
    assert samples["tollgate_served_unexplained_share", ""] == 0.01
    assert samples["tollgate_champion_generation", ""] == 2
    assert samples["tollgate_open_incidents", "warning"] == 1
    assert samples["tollgate_open_incidents", "critical"] == 0
    assert samples["tollgate_days_since_good_night", ""] == 0
    assert samples["tollgate_day_alerts", ""] == 100
    assert samples["tollgate_day_rows_quarantined", ""] == 2
    assert samples["tollgate_drift_share", ""] == 0.3
    assert samples["tollgate_drift_detected", ""] == 1
    assert samples["tollgate_estimated_alert_precision", "lower"] == 0.21
    assert samples["tollgate_matured_alert_precision", ""] == 0.35
    assert samples["tollgate_newest_day_end_seconds", "monitor"] == AT.replace(hour=0).timestamp()
