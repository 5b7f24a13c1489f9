# ruff: noqa: DTZ001
"""One rule for each kind of value, whatever file it comes from: numbers, ids, times, labels; what
is refused is named.

Expected values are computed here with Python's own `Decimal` and `datetime`, not with Arrow or
pandas.
"""

from __future__ import annotations

import csv
import json
import re
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.days import DayRange
from pipelines.base.errors import ConfigurationError
from pipelines.importing.conversion.column_values import ColumnValues
from pipelines.importing.conversion.conversion import FileRows, read_events
from pipelines.importing.conversion.ids import convert_id
from pipelines.importing.conversion.numbers import convert_number
from pipelines.importing.conversion.source import Source
from pipelines.importing.conversion.times import convert_time
from pipelines.importing.landed.account import ImportAccount
from pipelines.importing.landed.judgement import judged
from pipelines.importing.mapping.declared_columns import IdColumn, NumberColumn, TimeColumn
from pipelines.importing.mapping.definition import Mapping, SourceFiles, parse_mapping
from pipelines.usecases.registry import load

FRAUD = load("fraud")
AMOUNT = pa.decimal128(12, 2)
FILES = SourceFiles(files="x", format="csv")
BERLIN = SourceFiles(files="x", format="csv", time_zone="Europe/Berlin")
KEY = b"k" * 40


def broken_rules(converted: ColumnValues) -> list[str]:
    """The rules that values of a column broke: one for each row."""
    rules = ([problem.rule] * len(problem.rows) for problem in converted.problems)
    return list(chain.from_iterable(rules))


def numbers(values: pa.Array, **declared: Any) -> tuple[list[Decimal | None], list[str]]:
    """The amounts of a column, and the rules that its values broke."""
    converted = convert_number(values, NumberColumn(column="AMT", **declared), "amount", AMOUNT)
    return converted.values.to_pylist(), broken_rules(converted)


def times(
    values: list[Any] | pa.Array, files: SourceFiles = FILES, **declared: Any
) -> tuple[list[Any], list[str]]:
    """The times of a column, and the rules that its values broke."""
    raw = values if isinstance(values, pa.Array) else pa.array(values)
    converted = convert_time([raw], TimeColumn(column="T", **declared), files, "event_time")
    return converted.values.to_pylist(), broken_rules(converted)


def ids(
    values: list[Any] | pa.Array, *, key: bytes | None = None, **declared: Any
) -> tuple[list[Any], list[str]]:
    """The ids of a column, and the rules that its values broke."""
    raw = values if isinstance(values, pa.Array) else pa.array(values)
    converted = convert_id([raw], IdColumn(column="ID", **declared), "customer_id", pa.int64(), key)
    return converted.values.to_pylist(), broken_rules(converted)


@given(
    st.decimals(min_value=-99_999, max_value=99_999, places=2),
    st.sampled_from(["text", "double", "float32", "int"]),
)
def test_an_amount_is_the_same_from_every_kind_of_file(amount: Decimal, kind: str) -> None:
    if kind == "int":
        amount = amount.to_integral_value()
    if kind == "float32" and abs(amount) > 1_000:
        return
    values = {
        "text": lambda: pa.array([f"{amount}"]),
        "double": lambda: pa.array([float(amount)]),
        "float32": lambda: pa.array([float(amount)], pa.float32()),
        "int": lambda: pa.array([int(amount)]),
    }[kind]()
    assert numbers(values) == ([amount], [])


@given(
    st.decimals(min_value=0, max_value=9_999, places=4),
    st.sampled_from(["half_even", "half_up"]),
    st.booleans(),
)
def test_too_many_decimals_are_refused_or_rounded_as_declared_from_text_and_doubles(
    number: Decimal, rounding: str, as_text: bool
) -> None:
    values = pa.array([str(number)]) if as_text else pa.array([float(number)])
    exact = number == number.quantize(Decimal("0.01"))
    assert numbers(values) == (([number], []) if exact else ([None], ["amount_decimals"]))
    mode = ROUND_HALF_UP if rounding == "half_up" else ROUND_HALF_EVEN
    assert numbers(values, round=rounding) == (
        [number.quantize(Decimal("0.01"), rounding=mode)],
        [],
    )


@pytest.mark.parametrize(
    ("text", "declared", "expected"),
    [
        ("1.234,50", {"decimal": ",", "thousands": "."}, "1234.50"),
        ("1,234.50", {"thousands": ","}, "1234.50"),
        ("1 234,50 \u20ac", {"decimal": ",", "thousands": " ", "currency": "\u20ac"}, "1234.50"),
        ("1\u202f234,50", {"decimal": ",", "thousands": " "}, "1234.50"),
        ("EUR 12.50", {"currency": "EUR"}, "12.50"),
        (" 12.50 ", {}, "12.50"),
        ("1250", {"unit": "cents"}, "12.50"),
        ("1.25", {"scale": 1000}, "1250.00"),
        ("1.5e2", {}, "150.00"),
        ("-0.50", {}, "-0.50"),
        ("n/a", {"empty": ["n/a"], "default": 0}, "0.00"),
        ("", {"default": "7.5", "unit": "cents"}, "7.50"),
    ],
)
def test_numbers_are_read_as_declared(text: str, declared: dict[str, Any], expected: str) -> None:
    assert numbers(pa.array([text]), **declared) == ([Decimal(expected)], [])


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1,234.50",
        "12,50",
        "1.234.50",
        "$5",
        "nan",
        "inf",
        "1e12",
        "99999999999",
        "0x10",
        "1_000",
        "--5",
    ],
)
def test_what_is_no_number_lands_as_it_stands(text: str) -> None:
    converted = convert_number(pa.array([text, "5"]), NumberColumn(column="AMT"), "amount", AMOUNT)
    assert converted.values.to_pylist() == [None, Decimal("5.00")]
    assert [(problem.rule, problem.landed) for problem in converted.problems] == [
        ("amount_unreadable", (text,))
    ]


def test_a_sign_that_is_not_declared_is_not_guessed() -> None:
    assert numbers(pa.array(["1.234"]), decimal=",")[1] == ["amount_unreadable"]
    assert numbers(pa.array(["12.34,5"]), decimal=",", thousands=".")[1] == ["amount_unreadable"]


def test_nan_is_a_missing_value_only_where_the_mapping_says_so() -> None:
    values = pa.array([float("nan"), 5.0])
    assert numbers(values) == ([None, Decimal(5)], ["amount_unreadable"])
    assert numbers(values, nullable=True) == ([None, Decimal(5)], [])


def test_what_was_rounded_is_counted() -> None:
    converted = convert_number(
        pa.array([0.125, 0.13]), NumberColumn(column="AMT", round="half_even"), "amount", AMOUNT
    )
    assert converted.values.to_pylist() == [Decimal("0.12"), Decimal("0.13")]
    assert converted.notes == {"amount rounded": 1}


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.sampled_from(["iso", "z", "text", "us", "s", "ns"]),
)
def test_an_instant_is_the_same_in_every_form(moment: datetime, form: str) -> None:
    whole = moment.replace(microsecond=0) if form in {"text", "s"} else moment
    expected = whole.replace(tzinfo=UTC)
    epoch = (whole - datetime(1970, 1, 1)) // timedelta(microseconds=1)
    readings = {
        "iso": lambda: times([whole.isoformat(sep=" ")]),
        "z": lambda: times([whole.isoformat() + "Z"]),
        "text": lambda: times([whole.strftime("%d.%m.%Y %H:%M:%S")], format="%d.%m.%Y %H:%M:%S"),
        "us": lambda: times([str(epoch)], unit="us"),
        "s": lambda: times([epoch // 10**6], unit="s"),
        "ns": lambda: times(pa.array([epoch * 1000], pa.int64()).cast(pa.timestamp("ns"))),
    }[form]()
    assert readings == ([expected], [])


@pytest.mark.parametrize(
    ("value", "declared", "rule"),
    [
        ("2024-02-30 10:00:00", {}, "event_time_unreadable"),
        ("01.03.2024 10:00", {}, "event_time_unreadable"),
        ("2024-03-01 25:00:00", {}, "event_time_unreadable"),
        ("2024-03-01", {}, "event_time_without_hour"),
        ("1709251620000", {"unit": "s"}, "event_time_out_of_range"),
        ("12345-01-01 00:00:00", {}, "event_time_unreadable"),
        ("0001-01-01 00:00:00", {}, "event_time_unreadable"),
        ("soon", {"unit": "s"}, "event_time_unreadable"),
        ("", {}, "event_time_missing"),
        ("2024-03-01 10:00:00.5", {"format": "%Y-%m-%d %H:%M:%S"}, "event_time_unreadable"),
    ],
)
def test_a_time_that_cannot_be_read_is_named_and_costs_no_other(
    value: str, declared: Any, rule: str
) -> None:
    good = (
        "2024-03-01 10:00:00"
        if not declared
        else {"%d.%m.%Y": "02.03.2024"}.get(declared.get("format"), "1709287200")
    )
    converted, rules = times([value, good], **declared)
    assert converted[0] is None
    assert rules[0] == rule


def test_a_timestamp_beyond_the_year_9999_is_a_problem_of_its_row() -> None:
    far = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp()) + 86_400 * 400
    values = pa.array([far, 1_709_287_200], pa.int64()).cast(pa.timestamp("s"))
    assert times(values) == (
        [None, datetime(2024, 3, 1, 10, tzinfo=UTC)],
        ["event_time_out_of_range"],
    )


def test_a_date_without_an_hour_is_midnight_only_where_the_mapping_says_so() -> None:
    assert times(["01.03.2024"], format="%d.%m.%Y")[1] == ["event_time_without_hour"]
    dates = pa.array([date(2024, 3, 1)])
    assert times(dates)[1] == ["event_time_without_hour"]
    for values in (dates, pa.array(["2024-03-01"])):
        assert times(values, date_only="midnight") == ([datetime(2024, 3, 1, tzinfo=UTC)], [])


def test_of_the_two_october_hours_the_mapping_says_which_is_meant() -> None:
    twice, never = "2024-10-27 02:30:00", "2024-03-31 02:30:00"
    assert times([twice], BERLIN) == ([None], ["event_time_ambiguous"])
    assert times([never], BERLIN) == ([None], ["event_time_impossible"])
    for fold, meant in enumerate(("earlier", "later")):
        expected = datetime(
            2024, 10, 27, 2, 30, fold=fold, tzinfo=ZoneInfo("Europe/Berlin")
        ).astimezone(UTC)
        assert times([twice], BERLIN, ambiguous=meant) == ([expected], [])
    assert times(["2024-10-27T02:30:00+01:00"], BERLIN)[0] == [
        datetime(2024, 10, 27, 1, 30, tzinfo=UTC)
    ]


def test_a_time_of_several_columns() -> None:
    expected = [datetime(2011, 1, 1, 17, tzinfo=UTC)]
    for day, hour in (
        (["2011-01-01"], ["17"]),
        ([date(2011, 1, 1)], [17]),
        ([datetime(2011, 1, 1)], [17.0]),
    ):
        column = TimeColumn(column="dteday", hour="hr")
        assert (
            convert_time([pa.array(day), pa.array(hour)], column, FILES, "t").values.to_pylist()
            == expected
        )
    joined = TimeColumn(columns=("d", "t"))
    assert (
        convert_time(
            [pa.array(["2011-01-01"]), pa.array(["17:00:00"])], joined, FILES, "t"
        ).values.to_pylist()
        == expected
    )
    wrong = convert_time(
        [pa.array(["2011-01-01"]), pa.array(["24"])], TimeColumn(column="d", hour="h"), FILES, "t"
    )
    assert [problem.rule for problem in wrong.problems] == ["t_unreadable"]


def test_an_offset_counts_from_its_origin() -> None:
    assert times([31, "90061.5"][:1], unit="s", origin="2018-04-01T00:00:00") == (
        [datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC)],
        [],
    )
    assert times(["90061.5"], unit="s", origin="2018-04-01") == (
        [datetime(2018, 4, 2, 1, 1, 1, 500_000, tzinfo=UTC)],
        [],
    )
    assert times([2], BERLIN, unit="d", origin="2018-04-01") == (
        [datetime(2018, 4, 2, 22, tzinfo=UTC)],
        [],
    )


@pytest.mark.parametrize(
    "values",
    [
        pa.array([42, 7]),
        pa.array(["42", " 7 "]),
        pa.array([42.0, 7.0]),
        pa.array(["42.0", "7."]),
        pa.array([42, 7], pa.uint8()),
    ],
)
def test_a_whole_number_is_the_same_id_in_every_form(values: pa.Array) -> None:
    assert ids(values) == ([42, 7], [])


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("4.95683E+18", "customer_id_scientific"),
        ("0042", "customer_id_leading_zeros"),
        ("4956828990005111019.0", "customer_id_rounded"),
        (float(2**53 + 2), "customer_id_rounded"),
        (1.5, "customer_id_unreadable"),
        ("NA", "customer_id_unreadable"),
        ("None", "customer_id_unreadable"),
        ("99999999999999999999", "customer_id_unreadable"),
        ("12a", "customer_id_unreadable"),
        ("+42", "customer_id_unreadable"),
    ],
)
def test_no_id_becomes_another(value: object, rule: str) -> None:
    converted = convert_id(
        [pa.array([value])], IdColumn(column="ID"), "customer_id", pa.int64(), None
    )
    assert converted.values.to_pylist() == [None]
    assert [problem.rule for problem in converted.problems] == [rule]
    landed = str(converted.problems[0].landed[0])
    assert not re.fullmatch(r"[0-9]{1,18}", landed), "ingest would take it for an id"


def test_hashed_ids_are_merged_or_split_by_declaration_only() -> None:
    first, two = (ids([text], key=KEY)[0][0] for text in ("42", "43"))
    assert first != two
    assert ids(["42", "0042"], key=KEY) == ([first, None], ["customer_id_leading_zeros"])
    assert ids(["42", "0042"], key=KEY, kind="text")[1] == []
    assert len(set(ids(["42", "0042"], key=KEY, kind="text")[0])) == 2
    assert ids(["42", "0042"], key=KEY, kind="whole", leading_zeros="drop") == ([first, first], [])
    assert ids(["NA", "NULL", "nan"], key=KEY)[1] == []
    assert len({*ids(["NA", "NULL", "nan"], key=KEY)[0]}) == 3
    assert ids(["NA", None, "None"], key=KEY, empty=["NA"]) == ([None] * 3, ["customer_id_none"])
    assert ids(["x", ""], key=KEY, default="nobody")[0][1] == ids(["nobody"], key=KEY)[0][0]
    assert ids(["4.95683E+18"], key=KEY, kind="text")[1] == ["customer_id_scientific"]


def test_a_refused_id_that_is_to_be_hashed_lands_without_itself() -> None:
    converted = convert_id(
        [pa.array(["4.95683E+18"])], IdColumn(column="ID"), "customer_id", pa.int64(), KEY
    )
    assert converted.problems[0].landed == ("refused: scientific notation: digits are lost",)
    assert converted.problems[0].shown == ("9.99999E+99",)


def test_an_id_of_several_columns_keeps_its_parts_apart() -> None:
    column = IdColumn(columns=("a", "b"), kind="text")
    parts = [pa.array(["x|", "x", "x", None]), pa.array(["y", "|y", "y", "y"])]
    converted = convert_id(parts, column, "customer_id", pa.int64(), KEY).values.to_pylist()
    assert len(set(converted[:3])) == 3
    assert converted[3] is None


SPELLINGS = [
    ("0", "1"),
    ("0.0", "1.0"),
    (" 0", " 1"),
    ("false", "true"),
    ("FALSE", "True"),
    ("+0", "1e0"),
]


@pytest.mark.parametrize(("no", "yes"), SPELLINGS)
@pytest.mark.parametrize("positive", [[1], ["1"], [1.0], [True], ["true"]])
def test_labels_that_mean_the_same_are_the_same(
    tmp_path: Path, no: str, yes: str, positive: list[Any]
) -> None:
    rows = read(
        tmp_path, [row(n, fraud=yes if n % 4 == 1 else no) for n in range(12)], positive=positive
    )
    assert [int(label) for label in rows.good["_label"].to_pylist()] == [
        int(n % 4 == 1) for n in range(12)
    ]


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        (pa.array([True, False]), [1]),
        (pa.array([1.0, 0.0]), [1]),
        (pa.array([1, 0], pa.int8()), [True]),
        (pa.array(["Yes", " no "]), ["yes"]),
        (pa.array(["Y", "N"]).dictionary_encode(), ["y"]),
        (pa.array([1, 0]).cast(pa.decimal128(21, 2)), [1]),
    ],
)
def test_labels_of_every_type(tmp_path: Path, values: pa.Array, positive: list[Any]) -> None:
    table = pa.table(
        {
            "id": [1, 2],
            "time": ["2024-03-01 10:00:00"] * 2,
            "card": [1, 1],
            "shop": [1, 1],
            "amt": ["1"] * 2,
            "fraud": values,
        }
    )
    pq.write_table(table, tmp_path / "tx.parquet")
    how = mapping(positive=positive, source={"files": "tx.parquet", "format": "parquet"})
    computed = read_events(tmp_path / "tx.parquet", how, FRAUD.events, b"")
    assert computed.good["_label"].to_pylist() == [1, 0]


def test_an_unknown_label_is_counted_shown_and_refused_beyond_the_share(tmp_path: Path) -> None:
    events = [row(n, fraud={3: "2", 5: "", 7: "\x1b[2J"}.get(n, str(n % 2))) for n in range(12)]
    with pytest.raises(
        ConfigurationError, match="3 of 12 rows have a label that is neither"
    ) as caught:
        account(tmp_path, events)
    assert "2: 1 (unknown)" in caught.value.found
    assert "(empty): 1 (unknown)" in caught.value.found
    assert "\\x1b[2J: 1 (unknown)" in caught.value.found
    summary = account(tmp_path, events, unknown_share=0.25)
    assert summary.labels.of("unknown") == 3
    assert any("3 events have an unknown label" in warning for warning in summary.warnings)
    else_negative = account(tmp_path, events, negative="everything else")
    assert else_negative.labels.of("negative") == 9


@pytest.mark.parametrize(
    ("positive", "negative", "problem"),
    [
        (["chargeback"], None, "say which values are negative"),
        (["yes"], ["YES"], "both positive and negative"),
        ([1], [True], "both positive and negative"),
    ],
)
def test_labels_that_are_not_clear_are_refused(
    positive: list[Any], negative: Any, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        mapping(positive=positive, **({"negative": negative} if negative else {}))


def test_one_bad_value_costs_one_row_and_is_named(tmp_path: Path) -> None:
    events = [row(n) for n in range(200)]
    events[7]["amt"], events[20]["card"], events[30]["time"] = (
        "abc",
        "1.5E+3",
        "2024-02-30 10:00:00",
    )
    summary = account(tmp_path, events)
    assert (summary.read, summary.events, summary.quarantinable, summary.rejected) == (
        200,
        199,
        2,
        1,
    )
    assert [rule.described() for rule in summary.rules] == [
        "amount_unreadable: 1 row; tx.csv row 8: amt 'abc'",
        "customer_id_scientific: 1 row; tx.csv row 21: card '9.9E+9'",
    ]
    assert (
        summary.rejected_rules[0].described()
        == "event_time_unreadable: 1 row; tx.csv row 31: time '2024-02-30 10:00:00'"
    )


def test_a_line_with_another_number_of_fields_is_counted_and_shows_nothing_of_itself(
    tmp_path: Path,
) -> None:
    write(tmp_path, [row(n) for n in range(50)])
    with (tmp_path / "tx.csv").open("a") as file:
        file.write("51,\x1b[2Jsecret\n")
    summary = judged(
        Source(tmp_path, mapping(), FRAUD.events), FRAUD, DayRange.parse("2024-03-01", "2024-03-01")
    )
    (rule,) = summary.rejected_rules
    assert (
        rule.described() == "malformed_row: 1 row; tx.csv row 51: 2 fields where the header has 6"
    )


def test_a_quote_that_is_never_closed_does_not_swallow_rows(tmp_path: Path) -> None:
    write(tmp_path, [row(n) for n in range(500)])
    path = tmp_path / "tx.csv"
    lines = path.read_text().splitlines()
    for place in (100, 300):
        spoilt = [*lines[:place], lines[place].replace("1.50", '"1.50'), *lines[place + 1 :]]
        path.write_text("\n".join([*spoilt, ""]))
        with pytest.raises(ConfigurationError, match="500 lines below the header, but") as caught:
            read_events(path, mapping(), FRAUD.events, b"")
        assert "quote" in caught.value.next_step
    unquoted = mapping(source={"files": "tx.csv", "format": "csv", "quote": ""})
    computed = read_events(path, unquoted, FRAUD.events, b"")
    assert (computed.good.num_rows, computed.unreadable.num_rows) == (499, 1)


def test_values_may_go_over_lines(tmp_path: Path) -> None:
    write(tmp_path, [row(n, card=f"{n}\n") for n in range(50)])
    declared = mapping(source={"files": "tx.csv", "format": "csv", "multiline": True})
    assert read_events(tmp_path / "tx.csv", declared, FRAUD.events, b"").good.num_rows == 50


def test_too_many_rows_without_a_time_are_a_mistake_of_the_mapping(tmp_path: Path) -> None:
    few = [row(n, time="soon" if n < 10 else "2024-03-01 10:00:00") for n in range(100)]
    assert account(tmp_path, few).rejected == 10
    many = [row(n, time="soon" if n < 11 else "2024-03-01 10:00:00") for n in range(100)]
    with pytest.raises(ConfigurationError, match="11 of 100 rows have no time") as caught:
        account(tmp_path, many)
    assert "row 1: time 'soon'" in caught.value.found
    assert "format" in caught.value.next_step


@pytest.mark.parametrize("declared", [{}, {"kind": "whole"}])
def test_a_column_of_card_numbers_is_refused_unless_hashed_or_declared(
    tmp_path: Path, declared: dict[str, str]
) -> None:
    events = [row(n, card=card_number(n)) for n in range(40)]
    with pytest.raises(
        ConfigurationError, match="40 of 40 values of card look like card numbers"
    ) as caught:
        account(tmp_path, events, customer={"column": "card", **declared})
    assert 'keyed = ["customer_id"]' in caught.value.next_step
    assert not [event for event in events if event["card"] in str(caught.value)]
    write(tmp_path, events)
    hashed = Source(tmp_path, mapping(keyed=["customer_id"]), FRAUD.events, KEY)
    assert judged(
        hashed, FRAUD, DayRange.parse("2024-03-01", "2024-03-01")
    ).card_numbers.keys() == {
        "transaction_id",
        "terminal_id",
    }
    assert (
        account(
            tmp_path, events, customer={"column": "card", "not_card_numbers": "device numbers"}
        ).events
        == 40
    )


def test_ids_of_which_one_in_ten_looks_like_a_card_number_by_chance_pass(tmp_path: Path) -> None:
    events = [row(n, card=str(10**15 + n)) for n in range(200)]
    look_alikes, values = account(tmp_path, events).card_numbers["customer_id"]
    assert values == 200
    assert 10 <= look_alikes <= 30


def test_a_column_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tx.csv").write_text(
        "id,time,card,shop,amt,amt,fraud\n1,2024-03-01 10:00:00,1,2,3,4,0\n"
    )
    with pytest.raises(ConfigurationError, match="column amt is there 2 times"):
        read_events(tmp_path / "tx.csv", mapping(), FRAUD.events, b"")
    (tmp_path / "tx.csv").write_text(
        "id,time,card,shop,amt,other,other,fraud\n1,2024-03-01 10:00:00,1,2,3,4,5,0\n"
    )
    assert read_events(tmp_path / "tx.csv", mapping(), FRAUD.events, b"").good.num_rows == 1


def test_special_types_are_read_as_what_they_stand_for(tmp_path: Path) -> None:
    moment = datetime(2024, 3, 1, 10)
    table = pa.table(
        {
            "id": pa.array([1, 2]).dictionary_encode(),
            "time": pa.array([moment] * 2, pa.timestamp("ns")),
            "card": pa.array(["17", "18"]).cast(pa.string_view()),
            "shop": pa.array(["3", "4"], pa.large_string()),
            "amt": pa.array(np.array([0.29, 10.5], np.float16)),
            "fraud": pa.array([0, 1], pa.int8()),
        }
    )
    pq.write_table(table, tmp_path / "tx.parquet", use_deprecated_int96_timestamps=True)
    how = mapping(source={"files": "tx.parquet", "format": "parquet"})
    first, second = read_events(tmp_path / "tx.parquet", how, FRAUD.events, b"").good.to_pylist()
    assert (first["transaction_id"], first["customer_id"], first["terminal_id"]) == (1, 17, 3)
    assert (first["event_time"], first["amount"]) == (moment.replace(tzinfo=UTC), Decimal("0.29"))
    assert second["amount"] == Decimal("10.50")


def test_filters_keep_and_drop_rows_and_count_them(tmp_path: Path) -> None:
    events = [row(n, amt=str(n - 2), shop=str(n % 3)) for n in range(30)]
    write(tmp_path, events)
    filters = {
        "drop": [{"column": "amt", "below": 0}],
        "keep": [{"column": "shop", "values": ["1", 2.0]}],
    }
    computed = read_events(tmp_path / "tx.csv", mapping(**filters), FRAUD.events, b"")
    kept = [event for event in events if int(event["amt"]) >= 0 and event["shop"] in {"1", "2"}]
    assert computed.good["transaction_id"].to_pylist() == [int(row["id"]) for row in kept]
    assert computed.filtered == 30 - len(kept)


@pytest.mark.parametrize(
    ("encoding", "options"),
    [
        ("utf-8", {}),
        ("utf-8-sig", {}),
        ("cp1252", {"encoding": "cp1252"}),
        ("utf-16", {"encoding": "utf-16"}),
    ],
)
def test_encodings_and_bytes_that_are_none(
    tmp_path: Path, encoding: str, options: dict[str, str]
) -> None:
    line = "id,time,card,shop,amt,fraud\n1,2024-03-01 10:00:00,Caf\u00e9,2,3,0\n"
    (tmp_path / "tx.csv").write_bytes(line.encode(encoding))
    how = mapping(keyed=["customer_id"], source={"files": "tx.csv", "format": "csv", **options})
    assert (
        read_events(tmp_path / "tx.csv", how, FRAUD.events, KEY).good["customer_id"].to_pylist()
        == ids(["Caf\u00e9"], key=KEY)[0]
    )
    if encoding == "cp1252":
        computed = read_events(
            tmp_path / "tx.csv", mapping(keyed=["customer_id"]), FRAUD.events, KEY
        )
        assert computed.findings["rule"].to_pylist() == ["customer_id_encoding"]


def row(number: int, **changes: str) -> dict[str, str]:
    event = {
        "id": str(number),
        "time": "2024-03-01 10:00:00",
        "card": str(number % 7),
        "shop": "3",
        "amt": "1.50",
    }
    return event | {"fraud": str(int(number % 10 == 0))} | changes


def card_number(number: int) -> str:
    """A made-up number of 16 digits with a right check digit, computed here by the rule of ISO/IEC
    7812.
    """
    digits = f"4929{number:011d}"
    total = sum(sum(divmod(int(d) * (2 - n % 2), 10)) for n, d in enumerate(digits))
    return digits + str(-total % 10)


def write(folder: Path, events: list[dict[str, str]]) -> None:
    with (folder / "tx.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "time", "card", "shop", "amt", "fraud"])
        writer.writeheader()
        writer.writerows(events)


def mapping(
    *, customer: Any = "card", positive: list[Any] | None = None, **changes: Any
) -> Mapping:
    labels = {"column": "fraud", "positive": positive or [1], "delay_hours": 168}
    labels |= {name: changes.pop(name) for name in ("negative", "unknown_share") if name in changes}
    document = {
        "source": {"files": "tx.csv", "format": "csv"},
        "events": {
            "transaction_id": "id",
            "event_time": "time",
            "customer_id": customer,
            "terminal_id": "shop",
            "amount": "amt",
        },
        "labels": labels,
        **changes,
    }
    return parse_mapping(json.loads(json.dumps(document)), FRAUD, where="test")


def read(folder: Path, events: list[dict[str, str]], **changes: Any) -> FileRows:
    write(folder, events)
    return read_events(folder / "tx.csv", mapping(**changes), FRAUD.events, b"")


def account(folder: Path, events: list[dict[str, str]], **changes: Any) -> ImportAccount:
    write(folder, events)
    source = Source(folder, mapping(**changes), FRAUD.events)
    return judged(source, FRAUD, DayRange.parse("2024-03-01", "2024-03-01"))
