"""Steps that a server repeats: one that fails is told once and keeps none of the others from being
done.
"""

from __future__ import annotations

import pytest

from pipelines.serve.http.repeated import Repeated


def test_a_step_that_fails_is_told_when_that_changes_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    errors: list[Exception | None] = [
        ValueError("a"),
        ValueError("a"),
        OSError("b"),
        None,
        None,
        ValueError("a"),
    ]
    waiting, done = iter(errors), []

    def first() -> None:
        if error := next(waiting):
            raise error

    repeated = Repeated({"the first step": first, "the second": lambda: done.append(1)})
    for _ in errors:
        repeated.once()
    assert len(done) == len(errors)
    assert [
        (record.levelname, record.exc_info and str(record.exc_info[1])) for record in caplog.records
    ] == [
        ("ERROR", "a"),
        ("ERROR", "b"),
        ("WARNING", None),
        ("ERROR", "a"),
    ]
    assert all("the first step" in record.getMessage() for record in caplog.records)
