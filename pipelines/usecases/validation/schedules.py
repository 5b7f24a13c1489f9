"""Schedules: cron expressions that say a time, and deadlines of stages that there are."""

from __future__ import annotations

import re
from calendar import day_abbr, month_abbr

from pipelines.usecases.policies.schedule import DEADLINE_STAGES, Cron, Schedule
from pipelines.usecases.validation.problems import Problems
from pipelines.usecases.validation.values import field_types

_PRESETS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minutes, hours, days of the month, months, days of the week (0 and 7 are Sunday)."""

_MONTHS = {name.lower(): number for number, name in enumerate(month_abbr) if name}
_WEEKDAYS = {name.lower(): (number + 1) % 7 for number, name in enumerate(day_abbr)}
_WORDS: tuple[dict[str, int], ...] = ({}, {}, {}, _MONTHS, _WEEKDAYS)
_PART = re.compile(r"(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/(\d+))?")
_DEADLINE = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


def check_schedule(schedule: Schedule, problems: Problems) -> None:
    """Report cron expressions that say no time, and deadlines of no stage, without a time or out of
    order.
    """
    for name, kind in field_types(Schedule).items():
        if kind == Cron:
            expression = getattr(schedule, name)
            problems.at(name).require(
                is_cron(expression),
                "a cron expression of five fields (minute, hour, day, month, weekday) or a preset"
                " such as @daily",
                expression,
            )
    problems.look(_check_deadlines, schedule)


def is_cron(expression: str) -> bool:
    """Whether an expression of five fields, or a preset, says when something runs."""
    if expression in _PRESETS:
        return True
    parts = expression.lower().split()
    return len(parts) == len(_RANGES) and all(
        all(_is_part(text, bounds, words) for text in part.split(","))
        for part, bounds, words in zip(parts, _RANGES, _WORDS, strict=True)
    )


def _is_part(text: str, bounds: tuple[int, int], words: dict[str, int]) -> bool:
    match = _PART.fullmatch(text)
    if match is None:
        return False
    first, last, step = match.groups()
    low, high = bounds
    if step is not None and not 1 <= int(step) <= high:
        return False
    if first == "*":
        return last is None
    numbers = [_number(end, words) for end in (first, last) if end is not None]
    return all(number is not None and low <= number <= high for number in numbers) and (
        len(numbers) == 1 or numbers[0] <= numbers[1]  # type: ignore[operator]
    )


def _number(text: str, words: dict[str, int]) -> int | None:
    return int(text) if text.isdecimal() else words.get(text)


def _check_deadlines(schedule: Schedule, problems: Problems) -> None:
    place = problems.at("deadlines")
    for stage, time in schedule.deadlines.items():
        place.require_name(stage, DEADLINE_STAGES, "a stage that has a deadline")
        place.at(f"[{stage}]").require(
            _DEADLINE.fullmatch(time) is not None, "a time from 00:00 to 23:59", time
        )
    stages = [stage for stage in schedule.deadlines if stage in DEADLINE_STAGES]
    in_order = [stage for stage in DEADLINE_STAGES if stage in stages]
    place.require(
        stages == in_order, f"the order of the chain ({', '.join(in_order)})", ", ".join(stages)
    )
    # midnight is the end of the next morning's day, not its beginning (see `Schedule.deadline`)
    times = [schedule.deadlines[stage].replace("00:00", "24:00") for stage in in_order]
    place.require(
        times == sorted(times), "a stage's deadline after those before it", ", ".join(times)
    )
    for stage in schedule.paged:
        problems.at("paged").require_name(stage, schedule.deadlines, "a stage with a deadline")
