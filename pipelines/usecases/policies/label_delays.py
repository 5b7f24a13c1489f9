"""How long after their event positives were reported, against the delay after which silence counts
as negative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pipelines.accounts.features import ReportDelays

_STEPS = (3, 7, 23)
"""Days beyond the label delay at which the classes of late reports end."""


def class_ends(delay_days: int) -> tuple[int, ...]:
    """Days after the event up to which each class goes, end included: the first is in time, one
    more has no end.
    """
    return (delay_days, *(delay_days + step for step in _STEPS))


@dataclass(frozen=True, kw_only=True)
class LabelDelays:
    """Numbers of reports by class (`class_ends`, and one for all that came later).

    `unmatched` reports name no event of the days that were looked at: an older one, or none that is
    here.
    """

    delay_days: int
    counts: tuple[int, ...]
    unmatched: int = 0

    @classmethod
    def of(cls, delay_days: int, counts: Mapping[int, int], *, unmatched: int = 0) -> LabelDelays:
        """From numbers by the place of the class; classes that are not named are empty."""
        places = range(len(class_ends(delay_days)) + 1)
        by_class = tuple(int(counts.get(place, 0)) for place in places)
        return cls(delay_days=delay_days, counts=by_class, unmatched=unmatched)

    @classmethod
    def of_account(cls, account: ReportDelays) -> LabelDelays:
        """What `account` made."""
        return cls(
            delay_days=account.delay_days, counts=account.counts, unmatched=account.unmatched
        )

    @classmethod
    def total(cls, delay_days: int, parts: Iterable[LabelDelays]) -> LabelDelays:
        """The sum of those that were counted with this delay; others, of before the policy changed,
        are left out.
        """
        same = [part for part in parts if part.delay_days == delay_days]
        columns = zip(*(part.counts for part in same), strict=True)
        counts = {place: sum(column) for place, column in enumerate(columns)}
        return cls.of(delay_days, counts, unmatched=sum(part.unmatched for part in same))

    def unmatched_as_late(self) -> LabelDelays:
        """The same, where every event of the days that were looked at is here: what names none is
        of an older one.
        """
        counts = (*self.counts[:-1], self.counts[-1] + self.unmatched)
        return LabelDelays(delay_days=self.delay_days, counts=counts)

    @property
    def reported(self) -> int:
        """All reports."""
        return sum(self.counts)

    @property
    def late(self) -> int:
        """Reports that came when their event counted as negative already."""
        return sum(self.counts[1:])

    @property
    def late_share(self) -> float:
        """Late reports over all, 0 to 1; 0 without any."""
        return self.late / self.reported if self.reported else 0.0

    def named(self) -> dict[str, int]:
        """Numbers by class in words, the first one in time."""
        ends: Sequence[int] = class_ends(self.delay_days)
        names = [f"up to {ends[0]} days"]
        names += [f"{before} to {end} days" for before, end in pairwise(ends)]
        return dict(zip([*names, f"more than {ends[-1]} days"], self.counts, strict=True))

    def describe(self) -> str:
        """In words: how many of how many were late, and by how much."""
        text = (
            f"{self.late:,} of {self.reported:,} reports ({100 * self.late_share:.3g} %) came later"
            " than"
        )
        late = ", ".join(
            f"{name} {count:,}" for name, count in list(self.named().items())[1:] if count
        )
        return f"{text} label.delay_days ({self.delay_days})" + (f": {late}" if late else "")

    def account(self) -> ReportDelays:
        """What the ledger keeps, with the numbers by class in words beside them."""
        return ReportDelays(
            delay_days=self.delay_days,
            counts=self.counts,
            unmatched=self.unmatched,
            reported=self.reported,
            late=self.late,
            late_share=self.late_share,
            by_delay=self.named(),
        )

    def to_json(self) -> dict[str, Any]:
        """The same as plain data."""
        return self.account().to_json()
