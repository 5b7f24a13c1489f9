"""When a new home can train for the first time: the days that a training needs, counted from the
first ingested one.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.usecases.definition import UseCase


def first_training(use_case: UseCase, first_day: date) -> date:
    """The first day as of which a training is possible in a home whose first ingested day is
    `first_day`.

    As of that day (00:00 UTC) half of the days to learn from are there, then a label delay, the
    test days, and the delay in which their labels mature.
    """
    learnt = (use_case.model.history_days + 1) // 2
    return first_day + timedelta(
        days=learnt + use_case.model.test_days + 2 * use_case.label.delay_days
    )


def too_early(use_case: UseCase, as_of: date, first_day: date | None) -> str:
    """Why a home is too young to train as of a day; empty where it is not.

    `first_day` is None with no day ingested.
    """
    if first_day is None:
        return (
            "no day has been ingested yet; the first training is possible some weeks after the"
            " first day"
        )
    possible = first_training(use_case, first_day)
    if as_of >= possible:
        return ""
    return (
        f"the home is too young to train: its first day is {first_day}, and with every day ingested"
        f" from then on the first training is possible as of {possible}"
    )
