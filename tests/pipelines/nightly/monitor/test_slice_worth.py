"""Slices over several matured days: sums of what each day found; too few positives are said."""

from __future__ import annotations

from pipelines.accounts.performance import SliceAccount
from pipelines.nightly.monitor.performance.slice_outcome import SliceWorth, few, with_past


def test_days_are_pooled_by_slice_and_a_slice_declared_lately_begins_with_its_own() -> None:
    today = [
        SliceWorth(name="night", positives=6, caught=3),
        SliceWorth(name="new", positives=2, caught=1),
    ]
    before = [
        [SliceAccount(slice="night", positives=9, caught=2)],
        [SliceAccount(slice="night", positives=5), SliceAccount(slice="gone", positives=50)],
    ]
    night, new = with_past(today, before, least=20)
    assert (night.past_positives, night.past_caught, night.past_note) == (20, 5, "")
    assert (new.past_positives, new.past_caught, new.past_note) == (
        2,
        1,
        "2 positives of at least 20",
    )
    assert (few(20, 20), few(0, 20)) == ("", "0 positives of at least 20")
