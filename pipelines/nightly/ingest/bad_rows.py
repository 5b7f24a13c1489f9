"""Which rules the bad rows of refused days broke, how large a share each, and what a person looks
at first.

A rule that one row in ten breaks is a matter of units, of a column or of the rule: a larger budget
would throw these rows away. Only days that are a little over the budget are shown the budget, and
last.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.nightly.ingest.account import FeedAccount
from pipelines.nightly.ingest.duplicates import CONFLICT
from pipelines.usecases.definition import Feed, UseCase

_NEAR = 5
"""Times the budget up to which a larger budget is an option at all."""
_SMALL_SHARE = 0.05
"""Share of a feed's day up to which it is: beyond this, something is wrong with the rule or with
the files.
"""
_SHOWN = 3
_MAPPING = "the import mapping, if `tollgate import` landed the files"


@dataclass(frozen=True)
class RefusedDay:
    """One feed of one landing day that has more bad rows than `budget`, a share (0 to 1),
    allows.
    """

    feed: Feed
    account: FeedAccount
    budget: float

    @property
    def is_near_budget(self) -> bool:
        """Whether the day is so little over the budget that a larger one is an option."""
        allowed = max(1, self.account.allowed(self.budget))
        few = self.account.quarantined <= _NEAR * allowed
        return few and self.account.quarantined <= _SMALL_SHARE * self.account.rows_in

    def describe(self) -> str:
        """How many of the rows are bad, and how many broke each rule, most first."""
        account = self.account
        rules = ", ".join(
            f"{rule} {count:,} ({_percent(count, account)})" for rule, count in _most_first(account)
        )
        bad = _percent(account.quarantined, account)
        return f"{account.quarantined:,} of {account.rows_in:,} rows ({bad}) broke {rules}"


def next_step(use_case: UseCase, refused: Iterable[RefusedDay], command: str) -> str:
    """What to do about these days, of which there is one at least; `command` runs them again."""
    refused = list(refused)
    steps = [f"look at {_advice(use_case, feed, rule)}" for feed, rule in _worst_rules(refused)]
    again = f"then {command}"
    module = _module(use_case)
    if all(day.is_near_budget for day in refused):
        return (
            f"{'; '.join(steps)}; get corrected files, {again}. Last, if such rows are to be left"
            f" out from now on: raise bad_row_budget in {module}"
        )
    return f"{'; '.join(steps)}; {again}. A larger budget would only leave these rows out"


def _worst_rules(refused: list[RefusedDay]) -> list[tuple[Feed, str]]:
    """The rules that were broken most often, by feed, over all days."""
    feeds = {day.feed.name: day.feed for day in refused}
    counts = Counter[tuple[str, str]]()
    for day in refused:
        for rule, count in day.account.rules.items():
            counts[day.feed.name, rule] += count
    return [(feeds[name], rule) for (name, rule), _ in counts.most_common(_SHOWN)]


def _advice(use_case: UseCase, feed: Feed, rule: str) -> str:
    """Where a rule stands, and what is usually wrong where many rows break it."""
    for declared in feed.rules:
        if declared.name == rule:
            return (
                f"{rule} ({declared.condition}): is the column in another unit or scale (set it in"
                f" {_MAPPING}), or is the rule itself wrong ({_module(use_case)})"
            )
    for column in feed.columns:
        if rule == f"{column.name}_missing":
            return (
                f"{rule}: {column.name} is empty there; name another column or a default for empty"
                f" values in {_MAPPING}, or ask the sender"
            )
        if rule == f"{column.name}_unreadable":
            return (
                f"{rule}: the text is not a {column.type}; look at the number or time format, the"
                f" unit and the decimal sign in {_MAPPING}, or at the sender's export"
            )
        if rule == f"{column.name}_card_number":
            return (
                f"{rule}: card numbers may not be kept as text; key the column in {_MAPPING}, or"
                f" declare it as bigint in {_module(use_case)} where it holds other ids"
            )
    if rule == f"{feed.time}_in_future":
        return (
            f"{rule}: {feed.time} lies after the landing day; look at the sender's clock and time"
            f" zone, or at the time zone in {_MAPPING}"
        )
    if rule == f"{feed.time}_too_late":
        return (
            f"{rule}: {feed.time} lies more than lateness_days ({use_case.ingest.lateness_days},"
            f" {_module(use_case)}) before the landing day; look at the date format, or whether old"
            " rows are sent"
        )
    if rule == CONFLICT:
        return (
            f"{rule}: rows with the same {', '.join(feed.key)} hold different values; ask the"
            " sender which is right"
        )
    return (
        f"{rule}: look at separators, quotes and line ends of the files"
        " (pipelines/nightly/ingest/rules.py)"
    )


def _module(use_case: UseCase) -> str:
    return f"pipelines/usecases/{use_case.name}.py"


def _most_first(account: FeedAccount) -> list[tuple[str, int]]:
    return sorted(account.rules.items(), key=lambda item: -item[1])


def _percent(count: int, account: FeedAccount) -> str:
    return f"{100 * count / account.rows_in:.2g} %"
