"""The fallback in a real ledger: what is in force when, whoever begins and ends it, and in whatever
order.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.accounts.audit import FallbackDetail
from pipelines.ledger.ledger import Ledger
from pipelines.releases.fallback import begin, end, fallback_on, fallbacks, in_force

START = date(2026, 11, 2)
AT = datetime(2026, 11, 2, 3, tzinfo=UTC)
CALLS = st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=12)


@settings(max_examples=20, deadline=None)
@given(calls=CALLS)
def test_the_rule_decides_from_each_beginning_to_the_next_end(
    calls: list[tuple[bool, int]],
) -> None:
    """Against a plain record of who decides each day, as somebody would keep it on paper."""
    with TemporaryDirectory() as folder:
        ledger = Ledger(f"sqlite:///{Path(folder) / 'ledger.db'}", "fraud")
        paper: dict[date, bool] = {}
        today, on = START, False
        for begins, further in calls:
            change = begin if begins else end
            changed = change(ledger, today, reason="r", actor="a", at=AT)
            assert changed == (on != begins)
            on = begins
            for _ in range(further):
                paper[today] = on
                today += timedelta(days=1)
        periods = fallbacks(ledger)
        assert {day: fallback_on(periods, day) is not None for day in paper} == paper
        assert (in_force(ledger) is not None) == on
        assert (fallback_on(periods, START + timedelta(days=999)) is not None) == on


def test_what_was_begun_says_by_whom_and_why_and_how_it_ended(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", "fraud")
    assert begin(
        ledger, START, reason="a holiday", actor="monitor", at=AT, told_on=START - timedelta(days=1)
    )
    assert end(ledger, START + timedelta(days=3), reason="enough", actor="ann", at=AT)
    (periods,) = fallbacks(ledger)
    assert periods.to_json() == {
        "first": "2026-11-02",
        "last": "2026-11-04",
        "reason": "a holiday",
        "begun_by": "monitor",
        "begun_at": AT.isoformat(),
        "told_on": "2026-11-01",
        "ended_by": "ann",
        "ended_because": "enough",
    }
    assert [entry.detail.told_on for entry in ledger.audit_entries(FallbackDetail)] == [
        date(2026, 11, 1),
        None,
    ]
