"""What the service counts of itself: requests, rows, seconds by stage; as families for
`/metrics`.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping

from pipelines.base.openmetrics import Family, Sample

SECONDS = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)
"""Upper bounds of the histograms' buckets."""

STAGES = ("queue", "score", "total")
"""Of a request: waiting for its batch; of a batch: in the engine; of a request: from its headers to
its answer.
"""


class Histogram:
    """Counts of values by bucket; `observe` takes a third of a microsecond."""

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count a value."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def samples(self, labels: Mapping[str, str]) -> list[Sample]:
        """Its buckets, cumulated, with count and sum."""
        buckets: list[Sample] = []
        total = 0
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            total += count
            buckets.append(("_bucket", {**labels, "le": bound}, total))
        return [*buckets, ("_count", labels, total), ("_sum", labels, self.sum)]


class Gauges:
    """The figures of one process."""

    def __init__(self) -> None:
        self.stages = {stage: Histogram() for stage in STAGES}
        self.requests: Counter[tuple[str, int]] = Counter()
        self.over_rate: Counter[str] = Counter()
        self.rows = 0
        self.batches = 0
        self.batch_rows = 0
        self.shed = 0
        self.fallback_rows = 0
        self.certificate_ends: float | None = None

    def queued(self, seconds: float) -> None:
        """A request has waited so long for its batch."""
        self.stages["queue"].observe(seconds)

    def scored(self, seconds: float, rows: int) -> None:
        """A batch of so many rows was so long in the engine."""
        self.stages["score"].observe(seconds)
        self.batches += 1
        self.batch_rows += rows

    def answered(self, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self.requests[path, status] += 1
        self.shed += status == 429
        self.stages["total"].observe(seconds)

    def families(
        self, *, queue_rows: int, ready: bool, engine: Mapping[str, float]
    ) -> list[Family]:
        """All of it, with what is read at this moment."""
        requests: list[Sample] = [
            ("_total", {"path": path, "status": str(status)}, count)
            for (path, status), count in self.requests.items()
        ]
        seconds: list[Sample] = []
        for stage, histogram in self.stages.items():
            seconds += histogram.samples({"stage": stage})
        return [
            _counter("requests", "requests by path and status", requests),
            _counter("rows", "events that were answered", [("_total", {}, self.rows)]),
            _counter("batches", "calls of the engine", [("_total", {}, self.batches)]),
            _counter(
                "batch_rows",
                "events that the engine was asked for",
                [("_total", {}, self.batch_rows)],
            ),
            _counter("shed", "requests that were told to come again", [("_total", {}, self.shed)]),
            _counter(
                "over_rate",
                "requests of more rows than their key may send, by its name",
                [("_total", {"key": name}, count) for name, count in self.over_rate.items()],
            ),
            _counter(
                "fallback_rows",
                "events that the declared rule decided",
                [("_total", {}, self.fallback_rows)],
            ),
            _gauge("queue_rows", "events that are not answered yet", queue_rows),
            _gauge("ready", "1 while it answers as it should", ready),
            Family(
                name="tollgate_serve_stage_seconds",
                kind="histogram",
                unit="seconds",
                meaning="seconds by stage (queue and total: of a request; score: of a batch)",
                samples=seconds,
            ),
            *self._certificate(),
            *(_of_engine(name, value) for name, value in engine.items()),
        ]

    def _certificate(self) -> list[Family]:
        meaning = "when the certificate ends, in seconds since 1970"
        return (
            []
            if self.certificate_ends is None
            else [_gauge("certificate_ends", meaning, self.certificate_ends)]
        )


def _counter(name: str, meaning: str, samples: list[Sample]) -> Family:
    return Family(name=f"tollgate_serve_{name}", kind="counter", meaning=meaning, samples=samples)


def _gauge(name: str, meaning: str, value: float) -> Family:
    return Family(
        name=f"tollgate_serve_{name}", kind="gauge", meaning=meaning, samples=[("", {}, value)]
    )


def _of_engine(name: str, value: float) -> Family:
    """A figure of the engine: a counter where its name ends in `_total`."""
    plain = re.sub(r"\W", "_", name)
    counts = plain.endswith("_total")
    return Family(
        name=f"tollgate_serve_engine_{plain.removesuffix('_total')}",
        kind="counter" if counts else "gauge",
        meaning=f"the engine's {plain.removesuffix('_total').replace('_', ' ')}",
        samples=[("_total" if counts else "", {}, value)],
    )
