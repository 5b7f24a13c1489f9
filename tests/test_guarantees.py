"""The list of guarantees, the tests that are marked with it and the table in docs/ belong
together.
"""

from __future__ import annotations

import pytest

from pipelines.base.settings import CHECKOUT
from tests.guarantees.listed import BY_NAME, GUARANTEES
from tests.guarantees.marked import Marked, marked_tests
from tests.guarantees.table import Outcome, parsed, rendered, row_of

TABLE = CHECKOUT / "docs" / "guarantees.md"
MARK = Marked("pickle", "tests/test_x.py::test_y", "a | pickle", "nothing was loaded")


def test_every_guarantee_has_a_test_or_says_why_not() -> None:
    marked = {mark.guarantee for mark in marked_tests()}
    assert marked - BY_NAME.keys() == set()
    assert [
        guarantee.name
        for guarantee in GUARANTEES
        if guarantee.name not in marked and not guarantee.not_built
    ] == []


def test_the_table_lists_the_marked_tests_and_no_others() -> None:
    rows = parsed(TABLE.read_text())
    marks = {(mark.guarantee, mark.test): mark for mark in marked_tests()}
    assert rows.keys() == marks.keys(), (
        "run `make test-faults`, or a part of it as docs/guarantees.md says"
    )
    assert [
        test for test, row in rows.items() if row.fault != row_of(marks[test], [], "").fault
    ] == []
    assert rendered([rows[test] for test in marks]) == TABLE.read_text()


@pytest.mark.parametrize(
    ("outcomes", "tried", "seen", "held"),
    [
        ([Outcome("passed"), Outcome("passed")], "2", "nothing was loaded", True),
        ([Outcome("passed", [(25, "old 9 times, new 16")])], "25", "old 9 times, new 16", True),
        (
            [Outcome("passed", [(25, "old")]), Outcome("failed", [], "assert 1 == 2")],
            "2",
            "FAILED 1 of 2: ",
            False,
        ),
        (
            [Outcome("passed"), Outcome("skipped", [], "no | Redis")],
            "1",
            "skipped 1 of 2: no ¦ Redis",
            False,
        ),
        ([], "", "not run yet", False),
    ],
)
def test_a_row_tells_what_happened(
    outcomes: list[Outcome], tried: str, seen: str, held: bool
) -> None:
    row = row_of(MARK, outcomes, "2026-11-22")
    assert (row.tried, row.held, row.fault) == (tried, held, "a ¦ pickle")
    assert row.seen.startswith(seen)
    assert parsed(rendered([row])) == {(MARK.guarantee, MARK.test): row}
