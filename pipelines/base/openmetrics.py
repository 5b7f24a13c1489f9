"""OpenMetrics text, as Prometheus reads it; https://prometheus.io/docs/specs/om/open_metrics_spec/
(1.0).

What is not known has no sample; nothing is 0 for want of a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

Sample = tuple[str, Mapping[str, str], float | None]
"""A suffix of the family's name (`_total`, `_bucket`, …, none for a gauge), labels, and the value
if it is known.
"""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Samples of one name. `unit` is the end of the name (`seconds`), or none."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    meaning: str
    samples: Sequence[Sample]
    unit: str = ""


def joined(families: Iterable[Family]) -> list[Family]:
    """Families of one name as one, with the samples of all; in the order of their first."""
    by_name: dict[str, Family] = {}
    for family in families:
        earlier = by_name[family.name].samples if family.name in by_name else ()
        by_name[family.name] = replace(family, samples=[*earlier, *family.samples])
    return list(by_name.values())


def labelled(family: Family, **labels: str) -> Family:
    """The family, each sample with these labels before its own."""
    samples = [(suffix, {**labels, **own}, value) for suffix, own, value in family.samples]
    return replace(family, samples=samples)


def exposition(families: Iterable[Family], labels: Mapping[str, str]) -> str:
    """The whole text; every sample carries `labels` besides its own."""
    lines: list[str] = []
    for family in families:
        lines += _lines(family, labels)
    return "\n".join([*lines, "# EOF", ""])


def _lines(family: Family, labels: Mapping[str, str]) -> list[str]:
    samples = [(suffix, own, value) for suffix, own, value in family.samples if value is not None]
    if not samples:
        return []
    name = family.name
    unit = [f"# UNIT {name} {family.unit}"] if family.unit else []
    head = [f"# TYPE {name} {family.kind}", *unit, f"# HELP {name} {family.meaning}"]
    return head + [
        f"{name}{suffix}{_labels({**labels, **own})} {float(value):.10g}"
        for suffix, own, value in samples
    ]


def _labels(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
