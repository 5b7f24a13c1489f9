"""What the refusal of a day with too many bad rows points at: the rule, the column, the mapping;
the budget last.
"""

from __future__ import annotations

import pytest

from pipelines.nightly.ingest.account import FeedAccount
from pipelines.nightly.ingest.bad_rows import RefusedDay, next_step
from pipelines.usecases.registry import load

FRAUD = load("fraud")
EVENTS, REPORTS = FRAUD.feeds
AGAIN = "`tollgate run ingest --from 2026-03-01 --to 2026-03-01`"


def refused(rules: dict[str, int], rows: int = 10_000, *, feed: object = EVENTS) -> RefusedDay:
    bad = sum(rules.values())
    account = FeedAccount(rows_in=rows, accepted=rows - bad, quarantined=bad, rules=rules)
    return RefusedDay(feed, account, FRAUD.ingest.bad_row_budget)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.06, 0.16, 0.4, 1.0])
def test_a_rule_that_a_large_share_breaks_is_named_and_no_larger_budget_is_advised(
    share: float,
) -> None:
    day = refused({"amount_plausible": int(10_000 * share)})
    advice = next_step(FRAUD, [day], AGAIN)
    assert "amount_plausible (amount <= 100000)" in advice
    assert "pipelines/usecases/fraud.py" in advice
    assert "unit or scale" in advice
    assert "mapping" in advice
    assert "bad_row_budget" not in advice
    assert AGAIN in advice


def test_a_column_that_is_often_empty_points_at_a_default_or_another_column() -> None:
    advice = next_step(FRAUD, [refused({"terminal_id_missing": 1_600})], AGAIN)
    assert "terminal_id is empty" in advice
    assert "name another column or a default for empty values" in advice
    assert "bad_row_budget" not in advice


def test_near_the_budget_a_larger_one_is_the_last_option() -> None:
    advice = next_step(FRAUD, [refused({"amount_not_negative": 60})], AGAIN)
    assert (
        advice.index("amount_not_negative") < advice.index(AGAIN) < advice.index("bad_row_budget")
    )


def test_one_day_far_over_the_budget_decides_for_all() -> None:
    days = [refused({"amount_not_negative": 60}), refused({"terminal_id_missing": 4_000})]
    advice = next_step(FRAUD, days, AGAIN)
    assert advice.index("terminal_id_missing") < advice.index("amount_not_negative")
    assert "bad_row_budget" not in advice


@pytest.mark.parametrize(
    ("rule", "feed", "word"),
    [
        ("amount_unreadable", EVENTS, "decimal sign"),
        ("event_time_unreadable", EVENTS, "time format"),
        ("event_time_in_future", EVENTS, "time zone"),
        ("event_time_too_late", EVENTS, "lateness_days"),
        ("reported_at_too_late", REPORTS, "lateness_days"),
        ("transaction_id_missing", REPORTS, "transaction_id is empty"),
        ("conflicting_content", EVENTS, "different values"),
        ("malformed_row", EVENTS, "separators"),
    ],
)
def test_every_rule_has_advice_of_its_own(rule: str, feed: object, word: str) -> None:
    advice = next_step(FRAUD, [refused({rule: 3_000}, feed=feed)], AGAIN)
    assert rule in advice
    assert word in advice


def test_the_shares_stand_beside_the_counts() -> None:
    day = refused({"terminal_id_missing": 1_600, "amount_plausible": 40})
    assert (
        day.describe()
        == "1,640 of 10,000 rows (16 %) broke terminal_id_missing 1,600 (16 %), amount_plausible 40"
        " (0.4 %)"
    )
