"""The client: typed answers, tables, reports; again when told to, errors with fields."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from pipelines.base.errors import PermanentError, TransientError
from pipelines.serve.client import Reported, ScorerClient
from tests.serve.processes import until
from tests.serve.serving import Served, event, served
from tests.serve.small_engine import open_rule
from tests.serve.test_arrow import table


def test_events_in_typed_answers_out(scorer: Served) -> None:
    fields = {"event_time": datetime.now(UTC), "amount": Decimal("219.99")}
    with scorer.client() as client:
        answers = client.score(
            [event(9_000_001) | fields, event(9_000_002, amount="220.00")],
            reasons=True,
            features=True,
        )
        assert [answer.decision for answer in answers] == [False, True]
        assert [answer.features["amount"] for answer in answers] == [219.99, 220.0]
        assert answers[0].reasons[0].feature == "amount"
        assert client.ready()
        report = {"transaction_id": 9_000_001, "reported_at": datetime.now(UTC)}
        assert client.report([report, report | {"transaction_id": 1}]) == Reported(
            known=1, waiting=1
        )


def test_a_table_in_a_table_out(scorer: Served) -> None:
    with scorer.client() as client:
        scored = client.score_table(
            table([event(9_100_000 + i, amount=i) for i in range(300)]), features=True
        )
    assert scored["transaction_id"].to_pylist() == [9_100_000 + i for i in range(300)]
    assert scored["feature.amount"].to_pylist() == list(range(300))


def test_a_refusal_has_fields(scorer: Served) -> None:
    with scorer.client() as client, pytest.raises(PermanentError) as caught:
        client.score([event(1), event(2, amount=-1)])
    assert (caught.value.where, caught.value.found) == ("row 1, field amount", "-1.0")
    with (
        ScorerClient(scorer.url, "tg_none") as client,
        pytest.raises(PermanentError, match="no valid key"),
    ):
        client.release()


def test_it_comes_again_until_the_service_is_open(tmp_path: Path) -> None:
    """It opens once the client has been told to come again."""
    opening = threading.Event()

    def opened():
        assert opening.wait(120)
        return open_rule(running.settings)

    def open_once_it_was_refused() -> None:
        until(lambda: running.service.gauges.requests["/v1/score", 503] > 0)
        opening.set()

    with served(tmp_path / "home", opened=opened) as running, running.client(attempts=20) as client:
        assert not client.ready()
        watching = threading.Thread(target=open_once_it_was_refused)
        watching.start()
        assert client.score([event(1)])[0].release == "small"
        watching.join()


def test_nobody_there(scorer: Served) -> None:
    with ScorerClient("http://127.0.0.1:9", "tg_none", attempts=2) as client:
        assert not client.ready()
        with pytest.raises(TransientError, match="does not answer"):
            client.score([event(1)])
