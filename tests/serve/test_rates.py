"""How many rows a key may send: the bucket against one that is filled tick by tick, and refusals
over HTTP.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.errors import ConfigurationError, UsageError
from pipelines.base.settings import Settings
from pipelines.serve.http import access
from pipelines.serve.http.access import Key
from pipelines.serve.http.rates import Bucket, Rates
from pipelines.serve.refusals import RefusalError
from pipelines.usecases.registry import load
from tests.serve.processes import until
from tests.serve.serving import MADE_AT, event, served
from tests.serve.small_engine import RuleEngine

TICKS = 1024
"""Ticks of the oracle's clock in a second: what lies on them is exact in binary."""

REQUESTS = st.lists(
    st.tuples(st.integers(0, 4 * TICKS), st.integers(1, 300)), min_size=1, max_size=30
)
"""Requests: ticks since the one before, rows."""


class Oracle:
    """A bucket in 1/1024 rows that gets `rate` of them at every tick, and is never more than
    full.
    """

    def __init__(self, rate: int, burst: int) -> None:
        self.rate, self.full = rate, burst * TICKS
        self.held = self.full

    def tick(self, ticks: int) -> None:
        for _ in range(ticks):
            self.held = min(self.full, self.held + self.rate)

    def takes(self, rows: int) -> bool:
        if self.held < min(rows * TICKS, self.full):
            return False
        self.held -= rows * TICKS
        return True


@given(rate=st.integers(1, 500), burst=st.integers(1, 200), requests=REQUESTS)
def test_it_takes_what_a_bucket_filled_tick_by_tick_takes(
    rate: int, burst: int, requests: list[tuple[int, int]]
) -> None:
    oracle, bucket, now = Oracle(rate, burst), Bucket(rate, burst, 7.0), 0
    for ticks, rows in requests:
        oracle.tick(ticks)
        now += ticks
        assert (bucket.take(rows, 7.0 + now / TICKS) == 0) == oracle.takes(rows)


@given(rate=st.integers(1, 500), burst=st.integers(1, 200), requests=REQUESTS)
def test_what_it_says_to_wait_is_enough_and_less_is_not(
    rate: int, burst: int, requests: list[tuple[int, int]]
) -> None:
    bucket, now = Bucket(rate, burst, 0.0), 0.0
    for ticks, rows in requests:
        now += ticks / TICKS
        wait = bucket.take(rows, now)
        if wait:
            assert bucket.take(rows, now + 0.999 * wait) > 0
            now += 1.000001 * wait
            assert bucket.take(rows, now) == 0


@given(rate=st.integers(1, 500), burst=st.integers(1, 200), requests=REQUESTS)
def test_over_any_time_it_takes_no_more_than_burst_rate_and_a_request(
    rate: int, burst: int, requests: list[tuple[int, int]]
) -> None:
    bucket, now, taken = Bucket(rate, burst, 0.0), 0, []
    for ticks, rows in requests:
        now += ticks
        if bucket.take(rows, now / TICKS) == 0:
            taken.append((now, rows))
    for place, (begin, _) in enumerate(taken):
        total = 0
        for at, rows in taken[place:]:
            assert total <= burst + rate * Fraction(at - begin, TICKS)
            total += rows


def key(**changes: object) -> Key:
    return Key(
        **({"name": "shop", "roles": ("scorer",), "sha256": "", "made_at": MADE_AT} | changes)
    )


def test_a_process_has_its_part_and_a_change_begins_anew() -> None:
    now, refused = [0.0], Counter[str]()
    rates = Rates(4, lambda: now[0], refused)
    rates.require(None, 10**9)
    rates.require(key(), 10**9)
    limited = key(rows_per_second=100.0, burst_rows=400)
    rates.require(limited, 100)
    with pytest.raises(RefusalError) as caught:
        rates.require(limited, 60)
    assert (caught.value.status, caught.value.headers) == (429, ((b"retry-after", b"3"),)), (
        "60 rows of 25 a second"
    )
    now[0] = 2.4
    rates.require(limited, 60)
    rates.require(key(name="other", rows_per_second=1.0), 1)
    assert refused == {"shop": 1}
    rates.require(key(rows_per_second=40.0), 10)
    with pytest.raises(RefusalError, match="more rows than this key may send"):
        rates.require(key(rows_per_second=40.0), 10)


def test_over_http_one_key_waits_as_long_as_it_is_told_and_others_do_not(tmp_path: Path) -> None:
    """On a clock of the test's own: what a bucket holds does not depend on how fast requests follow
    each other.
    """
    now = [0.0]
    with served(tmp_path / "home", RuleEngine(load("fraud"))) as running:
        running.service.rates._clock = lambda: now[0]
        other = access.add(running.settings, "other", ["scorer"], made_at=MADE_AT)
        access.limit(running.settings, "scorer", 40.0, 20)
        with running.http() as http, running.http("reader") as reader:
            many = {"events": [event(number) for number in range(100)]}
            until(lambda: http.post("/v1/score", json=many).status_code == 429)
            answered = http.post("/v1/score", json=event(1))
            problem = answered.json()
            assert problem["type"] == "urn:tollgate:rate"
            assert problem["expected"] == "40 rows a second, 20 at once"
            wait = int(answered.headers["retry-after"])
            report = {"transaction_id": 1, "reported_at": "2026-01-01T00:00:00Z"}
            assert http.post("/v1/reports", json=report).status_code == 429
            for _ in range(5):
                headers = {"authorization": f"Bearer {other}"}
                assert http.post("/v1/score", json=many, headers=headers).is_success
            now[0] += wait
            assert http.post("/v1/score", json=event(1)).is_success
            text = reader.get("/metrics").text
            (line,) = (
                line
                for line in text.splitlines()
                if line.startswith("tollgate_serve_over_rate_total")
            )
            assert 'key="scorer"' in line
            assert not any(secret in text for secret in (other, *running.keys.values()))


def test_limits_are_kept_and_one_that_cannot_be_is_refused(tmp_path: Path) -> None:
    settings = Settings.build(home=tmp_path)
    access.add(settings, "shop", ["scorer"], made_at=MADE_AT)
    assert b"rows_per_second" not in access.keys_file(settings).read_bytes(), (
        "an older version reads it"
    )
    access.limit(settings, "shop", 2.5, 10)
    (kept,) = access.read(access.keys_file(settings))
    assert (kept.rows_per_second, kept.burst_rows) == (2.5, 10)
    for rate, burst in (
        (0.0, None),
        (-1.0, None),
        (float("nan"), None),
        (float("inf"), None),
        (1.0, 0),
        (None, 5),
    ):
        with pytest.raises(UsageError):
            access.limit(settings, "shop", rate, burst)
    with pytest.raises(UsageError, match="no key of that name"):
        access.limit(settings, "shops", 1.0)
    access.limit(settings, "shop", None)
    assert access.read(access.keys_file(settings))[0].rows_per_second is None
    access.keys_file(settings).write_text(
        '[{"name":"a","roles":[],"sha256":"","made_at":"","rows_per_second":0}]'
    )
    with pytest.raises(ConfigurationError, match="cannot be read"):
        access.read(access.keys_file(settings))
