"""What an import found in its source: rows by rule with the first of each, labels, card numbers,
values changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.importing.conversion.labels import LabelCounts

_SHOWN = 3


@dataclass(frozen=True)
class BrokenRule:
    """Rows that broke a rule: how many, and the first of them as (file, row number, column, value
    as shown).
    """

    rule: str
    rows: int
    first: tuple[tuple[str, int, str, str], ...]

    def described(self) -> str:
        """One line: the rule, its rows, and the first of them."""
        return f"{self.rule}: {self.rows:,} row{'s' if self.rows != 1 else ''}; {self.examples()}"

    def examples(self) -> str:
        """The first rows, in words."""
        places = [f"{column} {value!r}" if column else value for _, _, column, value in self.first]
        return "; ".join(
            f"{file} row {row}: {place}"
            for (file, row, _, _), place in zip(self.first, places, strict=True)
        )


def broken_rules(findings: Any) -> list[BrokenRule]:
    """Findings (see `conversion.FINDINGS`) by rule, the most frequent first; the first rows in the
    file's order.
    """
    rules = []
    for entry in findings.group_by("rule").aggregate([([], "count_all")]).to_pylist():
        rows = findings.filter(pc.equal(findings["rule"], entry["rule"]))
        first = (
            rows.sort_by([("file", "ascending"), ("row", "ascending")]).slice(0, _SHOWN).to_pylist()
        )
        shown = tuple((row["file"], row["row"], row["column"], row["shown"]) for row in first)
        rules.append(BrokenRule(entry["rule"], entry["count_all"], shown))
    return sorted(rules, key=lambda rule: (-rule.rows, rule.rule))


def rows_of(findings: Any) -> int:
    """How many different rows the findings are of."""
    return int(findings.group_by(["file", "row"]).aggregate([]).num_rows)


@dataclass
class ImportAccount:
    """What an import found, in rows.

    `read` rows of the files looked at, `filtered` of them left out by the mapping's filters,
    `rejected` without a readable time (they belong to no day); `rejected_advice` says what to do
    about each of `rejected_rules`. Of the range that was asked for: `events`, among them
    `quarantinable` with a value that ingest will quarantine, and `repeated`, which are there more
    than once and land once. `over_budget`: more of them are quarantinable than the use case's
    ingest lets pass. `card_numbers` are, by column of ids, how many different values look like card
    numbers and how many there are. `notes` count values that were changed as the mapping declares.
    """

    source: str
    read: int = 0
    filtered: int = 0
    rejected: int = 0
    events: int = 0
    quarantinable: int = 0
    repeated: int = 0
    over_budget: bool = False
    midnight: int = 0
    rules: Sequence[BrokenRule] = ()
    rejected_rules: Sequence[BrokenRule] = ()
    rejected_advice: Sequence[str] = ()
    labels: LabelCounts = field(default_factory=LabelCounts)
    card_numbers: dict[str, tuple[int, int]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    @property
    def positive_share(self) -> float | None:
        """The share of positive labels among those known; None where none is."""
        labelled = self.labels.of("positive") + self.labels.of("negative")
        return self.labels.of("positive") / labelled if labelled else None

    def to_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {
            "source": self.source,
            "rows": {
                "read": self.read,
                "filtered": self.filtered,
                "rejected": self.rejected,
                "to_be_quarantined": self.quarantinable,
                "more_than_ingest_takes": self.over_budget,
                "repeated": self.repeated,
            },
            "rules": _as_json(self.rules),
            "rejected_rules": _as_json(self.rejected_rules),
            "labels": self.labels.table(),
            "positive_share": self.positive_share,
            "card_numbers": {
                name: {"look_like_one": look_alikes, "values": values}
                for name, (look_alikes, values) in self.card_numbers.items()
                if look_alikes
            },
            "notes": dict(self.notes),
            "warnings": list(self.warnings),
        }


def _as_json(rules: Iterable[BrokenRule]) -> list[dict[str, Any]]:
    keys = ("file", "row", "column", "value")
    return [
        {
            "rule": rule.rule,
            "rows": rule.rows,
            "first": [dict(zip(keys, row, strict=True)) for row in rule.first],
        }
        for rule in rules
    ]


def at_midnight(times: Any) -> int:
    """How many times are 00:00:00 UTC to the microsecond."""
    numbers = times.cast(pa.int64())
    day = 86_400_000_000
    whole = pc.equal(pc.subtract(numbers, pc.multiply(pc.divide(numbers, day), day)), 0)
    return int(pc.sum(whole, min_count=0).as_py())
