"""Who decides the days that are scored: the contenders as loaded, or by policy the declared
rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby

from pipelines.base.days import DayRange, batched
from pipelines.releases.contenders import Contenders
from pipelines.releases.fallback import Fallback, fallback_on
from pipelines.releases.scorer import rule_scorer
from pipelines.run import Run


def decided_alike(
    days: DayRange, rows: Mapping[date, int], fallbacks: Sequence[Fallback], at_once: int
) -> Iterator[DayRange]:
    """Days that are scored and committed together: up to `at_once` rows, all decided alike."""
    for part in batched(days, rows, at_once):
        for _, alike in groupby(part, lambda day: fallback_on(fallbacks, day)):
            periods = list(alike)
            yield DayRange(periods[0], periods[-1])


def deciding(
    run: Run, contenders: Contenders, fallbacks: Sequence[Fallback], day: date
) -> Contenders:
    """The contenders as they stand on a day: in a fallback the rule decides it."""
    span = fallback_on(fallbacks, day)
    if span is None:
        return contenders
    return contenders.with_rule(rule_scorer(run.use_case, reason=span.policy_reason))
