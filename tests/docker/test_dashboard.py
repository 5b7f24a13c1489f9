"""The dashboard and the rules ask for metrics, and labels, that the endpoint emits."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipelines.base.settings import Settings
from pipelines.ledger.releases import Move
from pipelines.ops.facts import Facts
from pipelines.ops.openmetrics import openmetrics
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import ingest_account
from tests.docker.stack import DOCKER
from tests.pipelines.ops.ledger_year import AT, write_days, write_incidents, write_releases

METRIC = re.compile(r"\b(tollgate_\w+)(?:\{([^}]*)\})?")


def asked() -> Iterator[tuple[str, str]]:
    """Every expression, with the text that may name its labels."""
    board = json.loads((DOCKER / "grafana" / "dashboards" / "tollgate.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield target["expr"], " ".join(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for variable in board["templating"]["list"]:
        metric, label = re.fullmatch(
            r"label_values\((\w+), (\w+)\)", variable["query"]["query"]
        ).groups()
        yield metric, label
    for rule in yaml.safe_load((DOCKER / "prometheus" / "rules.yml").read_text())["groups"][0][
        "rules"
    ]:
        yield rule["expr"], " ".join(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))


@pytest.fixture
def emitted(settings: Settings) -> dict[str, set[str]]:
    """Labels by metric of a ledger in which all has happened that is counted."""
    run = Run(settings, load("fraud"), clock=lambda: AT)
    write_days(run, 20)
    challenger, champion = write_releases(run)
    move = Move(
        kind="shadow",
        subject=challenger,
        champion=champion,
        challenger=challenger,
        challenger_state="shadow",
        reason="tried out",
        actor="ann",
        at=AT,
    )
    run.ledger.move(move, expected=run.ledger.champion(), states=[(challenger, "shadow")])
    write_incidents(run)
    yesterday = AT.date() - timedelta(days=1)
    run.ledger.record_stage(
        yesterday, ingest_account(), "done", run_id="ingest/scheduled__x", at=AT
    )
    labels_of: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families(openmetrics(Facts(run))):
        for sample in family.samples:
            labels_of[sample.name] |= sample.labels.keys()
    return labels_of


def test_what_is_asked_for_is_emitted(emitted: dict[str, Any]) -> None:
    expressions = list(asked())
    assert len(expressions) > 20
    used = set()
    for expression, labels in expressions:
        for name, matchers in METRIC.findall(expression):
            used.add(name)
            assert name in emitted, name
            wanted = {*re.findall(r"(\w+)=", matchers), *labels.split()}
            assert wanted <= emitted[name], (name, wanted)
    assert emitted.keys() - used == set(), "a metric that nobody sees"
