"""What is kept of a day to compare later days with: counts of all rows, sketches of a sample. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.nightly.monitor.sketch import Sketch

HOURS = 24


@dataclass(frozen=True, kw_only=True)
class DayProfile:
    """A day.

    `rows` events came, `hours` of them in each hour of the day (UTC, 24 counts); `blocks` counts them by block of
    neighbouring keys of each entity, whose lower `edges` are handed on from day to day; `units` is the number of keys
    seen. `inputs` are sketches of the raw columns, `features` of what was made of them, `coherence` says how well a
    feature agrees within a key (see that module), `score` is a sketch of the logit of the champion's score, `tail` the
    share of rows at or above its threshold. `reports` label rows came in, None where that is not known. `rejected` is
    the share of incoming rows that were quarantined.
    """

    rows: int
    hours: tuple[int, ...] = (0,) * HOURS
    blocks: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    edges: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    units: Mapping[str, int] = field(default_factory=dict)
    inputs: Mapping[str, Sketch] = field(default_factory=dict)
    features: Mapping[str, Sketch] = field(default_factory=dict)
    coherence: Mapping[str, float] = field(default_factory=dict)
    score: Sketch | None = None
    tail: float | None = None
    reports: int | None = None
    rejected: float | None = None
    release: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for the ledger."""
        return {
            "rows": self.rows,
            "hours": list(self.hours),
            "blocks": {name: list(counts) for name, counts in self.blocks.items()},
            "edges": {name: list(edges) for name, edges in self.edges.items()},
            "units": dict(self.units),
            "inputs": {name: one.to_json() for name, one in self.inputs.items()},
            "features": {name: one.to_json() for name, one in self.features.items()},
            "coherence": dict(self.coherence),
            "score": self.score.to_json() if self.score else None,
            "tail": self.tail,
            "reports": self.reports,
            "rejected": self.rejected,
            "release": self.release,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> DayProfile:
        """The profile that `to_json` wrote."""
        return cls(
            rows=found["rows"],
            hours=tuple(found["hours"]),
            blocks={name: tuple(counts) for name, counts in found["blocks"].items()},
            edges={name: tuple(edges) for name, edges in found["edges"].items()},
            units=found["units"],
            inputs={name: Sketch.from_json(one) for name, one in found["inputs"].items()},
            features={name: Sketch.from_json(one) for name, one in found["features"].items()},
            coherence=found.get("coherence", {}),
            score=Sketch.from_json(found["score"]) if found["score"] else None,
            tail=found["tail"],
            reports=found["reports"],
            rejected=found["rejected"],
            release=found["release"],
        )
