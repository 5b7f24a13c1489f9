"""Ways to break a declaration that is valid, each with the place that the error has to name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal, get_args, get_origin

from expectations.definition import Check
from features.definition import Calendar, LabelRate, WindowCount
from pipelines.usecases.definition import POLICIES, Bound, Column, Feed, Rule, UseCase
from pipelines.usecases.fraud import USE_CASE
from pipelines.usecases.policies.evidence import Band, KeyGroup, Slice
from pipelines.usecases.policies.value_types import Bounds
from pipelines.usecases.validation.problems import DeclarationError
from pipelines.usecases.validation.values import field_types


@dataclass(frozen=True)
class Break:
    """`change` makes the part `section` of a use case wrong at `place`."""

    place: str
    section: str
    change: Callable[[Any], Any]


def places_of(breaks: Sequence[Break], use_case: UseCase = USE_CASE) -> list[str]:
    """The places that the error names once all these breaks are made; none where the declaration is
    taken.
    """
    parts: dict[str, Any] = {}
    for broken in breaks:
        parts[broken.section] = broken.change(
            parts.get(broken.section, getattr(use_case, broken.section))
        )
    try:
        replace(use_case, **parts)
    except DeclarationError as error:
        return [problem.place for problem in error.problems]
    return []


def all_breaks() -> list[Break]:
    """Every value out of its range or of another type, and every name that there is not, a break
    for each place.
    """
    return [*value_breaks(), *name_breaks(), *feed_breaks(), *feature_breaks(), *check_breaks()]


def value_breaks() -> Iterator[Break]:
    """For each field of each policy a value that it cannot have."""
    for section in POLICIES:
        for name, kind in field_types(type(getattr(USE_CASE, section))).items():
            for value in impossible(kind):
                yield _value(section, name, value)


def impossible(kind: Any) -> list[Any]:
    """Values that are not of the type: beyond its bounds, of another type, no choice."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        bounds = [note for note in parts[1:] if isinstance(note, Bounds)]
        values: list[Any] = ["3", None, True]
        for bound in bounds:
            values += [bound.least if bound.above else bound.least - 1, math.nan, math.inf]
            values += [bound.most + 1] if math.isfinite(bound.most) else []
        return values if parts[0] is not str else [3, None]
    if origin is Literal:
        return [parts[0] + "s", 1]
    if kind is bool:
        return [1, "yes"]
    return [3.5] if kind is str else [7]


def name_breaks() -> list[Break]:
    """Names that nothing has, and values that do not fit each other."""
    return [
        _value("review", "unit", "customer"),
        _value("rule", "column", "amonut"),
        _value("model", "feature_set", "extendet"),
        _value("label", "feed", "fraud_report"),
        _value("label", "reported_at", "reported"),
        _value("watch", "fall_back_on", ("inputs",)),
        _value("watch", "roll_back_on", ("harmful",)),
        _value("watch", "least", 6),
        _value("watch", "least_matured", 29),
        _value("watch", "slow_days", 30),
        _value("drift", "minimum", 5001),
        _value("rollout", "canary_share", 1.0),
        _value("schedule", "nightly", "0 25 * * *"),
        _value("schedule", "looks", "1,31 * * *"),
        _value("schedule", "paged", ("scores",)),
        Break("schedule.deadlines[score]", "schedule", _member("deadlines", "score", "25:30")),
        Break("schedule.deadlines", "schedule", _member("deadlines", "monitoring", "06:10")),
        Break("retention.days", "retention", _member("days", "cellar", 400)),
        Break("retention.days[transactions]", "retention", _member("days", "transactions", 30)),
        Break("retention.days[predictions]", "retention", _member("days", "predictions", 3)),
        Break("model.fixed", "model", _member("fixed", "max_dept", 5)),
        Break("model.fixed[num_boost_round]", "model", _member("fixed", "num_boost_round", 0)),
        Break("model.fixed[monotone_constraints]", "model", _constraint("terminal_tx_count_2d", 1)),
        Break("model.fixed[monotone_constraints][is_night]", "model", _constraint("is_night", 2)),
        Break(
            "evidence.slices[x].where[0].column",
            "evidence",
            _slice("x", Band(column="amuont", low=1)),
        ),
        Break(
            "evidence.slices[y].where[0]",
            "evidence",
            _slice("y", Band(column="amount", low=2, high=1)),
        ),
        Break(
            "evidence.slices[z].where[0].key",
            "evidence",
            _slice("z", KeyGroup(key="terminal", of=2, number=0)),
        ),
        Break("evidence.slices[v].where[0].number", "evidence", _slice("v", _group(number=2))),
        Break("evidence.slices[w].where[0].by", "evidence", _slice("w", _group(by="remainders"))),
        Break("evidence.slices[u].where", "evidence", _slice("u")),
        Break("evidence.slices", "evidence", _slice("night", Band(column="is_night", low=1))),
    ]


def _added_column_breaks() -> Iterator[Break]:
    """Columns that are added later, with defaults that are none of their values."""
    added_on = date(2026, 12, 1)
    wrong_defaults: dict[str, Any] = {
        "int": 2**31,
        "bigint": True,
        "double": math.inf,
        "boolean": 1,
        "date": "1 December",
        "timestamp": "2026-12-01T00:00:00",
        "decimal(6,2)": "0.125",
        "string": 3,
    }
    for kind, default in wrong_defaults.items():
        column = Column(
            name="extra", type=kind, description="added", added_on=added_on, default=default
        )
        yield Break("events.columns[extra].default", "events", _column(column))
    for added, default in ((added_on, None), (None, 1)):
        column = Column(
            name="extra", type="int", description="half", added_on=added, default=default
        )
        yield Break("events.columns[extra].default", "events", _column(column))
    least = Bound(value=1, rule="extra_from_one", description="one or more")
    bounded = Column(
        name="extra", type="int", description="x", added_on=added_on, default=0, least=least
    )
    yield Break("events.columns[extra].default", "events", _column(bounded))
    for name, place in (
        ("transaction_id", "events.columns[transaction_id].added_on"),
        ("event_time", "events.columns[event_time].added_on"),
        ("amount", "feature_sets.schema.amount"),
        ("customer_id", "feature_sets.schema.entities[customer].key"),
    ):
        yield Break(place, "events", _later(name, added_on))


def _later(name: str, added_on: date) -> Callable[[Feed], Feed]:
    """The feed with one of its columns declared as added later."""
    defaults = {"event_time": "2026-01-01T00:00:00Z", "amount": "1.00"}

    def change(feed: Feed) -> Feed:
        columns = [
            replace(column, added_on=added_on, default=defaults.get(name, 1))
            if column.name == name
            else column
            for column in feed.columns
        ]
        return replace(feed, columns=tuple(columns))

    return change


def feed_breaks() -> list[Break]:
    """Columns, keys and rules that contradict each other."""
    return [
        Break("events.key", "events", lambda feed: replace(feed, key=("transaction",))),
        Break("events.time", "events", lambda feed: replace(feed, time="event")),
        Break(
            "events.columns",
            "events",
            _column(Column(name="amount", type="double", description="again")),
        ),
        Break(
            "events.columns[day].name",
            "events",
            _column(Column(name="day", type="date", description="reserved")),
        ),
        Break(
            "events.columns[note].type",
            "events",
            _column(Column(name="note", type="text", description="typed")),
        ),
        Break(
            "events.columns[size].not_card_numbers",
            "events",
            _column(
                Column(name="size", type="int", description="a number", not_card_numbers="sizes")
            ),
        ),
        *_added_column_breaks(),
        Break("events.columns[amount].most.value", "events", _bounded("amount", most=-1)),
        Break(
            "events.further_rules[dear].condition",
            "events",
            _rule("dear", "amuont > 3 AND terminal_id IS NOT NULL"),
        ),
        Break("events.rules[amount_missing]", "events", _rule("amount_missing", "amount < 3")),
        Break("events.rules", "events", _rule("amount_plausible", "amount < 3")),
        Break("labels.name", "labels", lambda feed: replace(feed, name="Fraud")),
        Break("labels.key", "labels", lambda feed: replace(feed, key=("reported_at",))),
    ]


def feature_breaks() -> list[Break]:
    """Features of no entity or period, and sets that contradict each other."""
    texts = {"owner": "a", "description": "b", "unit": "c", "reason": "d"}
    stray = WindowCount(entity="shop", days=3, **texts)
    early = LabelRate(entity="terminal", days=5, delay_days=1, **texts)
    weekdays = Calendar(period="weekday", **texts)  # type: ignore[arg-type]
    return [
        Break("feature_sets[baseline].name", "feature_sets", _set("baseline", name="base")),
        Break(
            "feature_sets[extended][shop_tx_count_3d].entity",
            "feature_sets",
            _set("extended", stray),
        ),
        Break(
            "feature_sets[extended][terminal_positive_rate_5d].delay_days",
            "feature_sets",
            _set("extended", early),
        ),
        Break(
            "feature_sets[extended][is_weekday].period", "feature_sets", _set("extended", weekdays)
        ),
        Break("feature_sets.schema.amount", "feature_sets", _schema(amount="sum")),
        Break("feature_sets.schema.time", "feature_sets", _schema(time="time")),
    ]


def check_breaks() -> list[Break]:
    """Checks of no suite, of a kind or column that there is not, of no severity."""
    between = "ExpectColumnValuesToBeBetween"
    return [
        Break(
            "checks[transaction]",
            "checks",
            _check("transaction", between, column="amount", min_value=0),
        ),
        Break(
            "checks[features][0].type",
            "checks",
            _check("features", "ExpectMiracles", column="amount"),
        ),
        Break(
            "checks[fraud_reports][0].arguments[amount]",
            "checks",
            _check("fraud_reports", between, column="amount", min_value=0),
        ),
        Break(
            "checks[fraud_reports_by_day][0].arguments",
            "checks",
            _check("fraud_reports_by_day", between, column="rows", minimum=0),
        ),
        Break(
            "checks[predictions][1].severity",
            "checks",
            _check("predictions", between, "grave", column="score"),
        ),
        Break(
            "checks[transactions][1].arguments.max_value",
            "checks",
            _check("transactions", between, column="amount", min_value=2, max_value=1),
        ),
    ]


def _value(section: str, name: str, value: object) -> Break:
    return Break(f"{section}.{name}", section, lambda policy: replace(policy, **{name: value}))


def _member(name: str, member: str, value: object) -> Callable[[Any], Any]:
    return lambda policy: replace(policy, **{name: {**getattr(policy, name), member: value}})


def _constraint(name: str, sign: int) -> Callable[[Any], Any]:
    def change(model: Any) -> Any:
        constraints = {**model.fixed["monotone_constraints"], name: sign}
        return replace(model, fixed={**model.fixed, "monotone_constraints": constraints})

    return change


def _slice(name: str, *where: Band | KeyGroup) -> Callable[[Any], Any]:
    return lambda evidence: replace(
        evidence, slices=(*evidence.slices, Slice(name=name, where=where))
    )


def _group(number: int = 0, by: Any = "range") -> KeyGroup:
    return KeyGroup(key="terminal_id", of=2, number=number, by=by)


def _column(column: Column) -> Callable[[Feed], Feed]:
    return lambda feed: replace(feed, columns=(*feed.columns, column))


def _rule(name: str, condition: str) -> Callable[[Feed], Feed]:
    rule = Rule(name=name, condition=condition, description="a rule")
    return lambda feed: replace(feed, further_rules=(*feed.further_rules, rule))


def _bounded(name: str, *, most: int) -> Callable[[Feed], Feed]:
    def change(feed: Feed) -> Feed:
        columns = []
        for column in feed.columns:
            if column.name == name:
                assert column.most is not None
                column = replace(column, most=replace(column.most, value=most))
            columns.append(column)
        return replace(feed, columns=tuple(columns))

    return change


def _set(which: str, *features: Any, **changes: str) -> Callable[[Any], Any]:
    def change(sets: Any) -> Any:
        return {
            **sets,
            which: replace(sets[which], features=(*sets[which].features, *features), **changes),
        }

    return change


def _schema(**changes: str) -> Callable[[Any], Any]:
    return lambda sets: {
        name: replace(feature_set, schema=replace(feature_set.schema, **changes))
        for name, feature_set in sets.items()
    }


def _check(
    suite: str, kind: str, severity: Any = "critical", **arguments: object
) -> Callable[[Any], Any]:
    check = Check(type=kind, arguments=arguments, severity=severity, meaning="a check")
    return lambda checks: {**checks, suite: (*checks.get(suite, ()), check)}
