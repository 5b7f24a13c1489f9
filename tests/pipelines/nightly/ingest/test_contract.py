"""The schema contract of a part file: each way to differ from the declared columns has its
sentence, and files as declared have none.
"""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from pipelines.nightly.ingest.contract import contract_problems
from pipelines.usecases.feeds import Column, Feed

DAY = date(2026, 11, 7)
FEED = Feed(
    name="rides",
    description="rides",
    columns=(
        Column(name="ride", type="bigint", description="its id"),
        Column(name="at", type="timestamp", description="when"),
        Column(name="fare", type="decimal(6,2)", description="price"),
        Column(name="bike", type="string", description="which"),
    ),
    key=("ride",),
    time="at",
)
TYPES: dict[str, pa.DataType] = {
    "ride": pa.int64(),
    "at": pa.timestamp("us", tz="UTC"),
    "fare": pa.decimal128(6, 2),
    "bike": pa.string(),
}


def _parquet(folder: Path, **types: pa.DataType) -> Path:
    path = folder / "part-0.parquet"
    pa.parquet.write_table(pa.schema(types).empty_table(), path)
    return path


def _text(folder: Path, header: str) -> Path:
    path = folder / "part-0.csv.gz"
    path.write_bytes(gzip.compress(f"{header}\n".encode()))
    return path


def test_a_file_as_declared_has_no_problem(tmp_path: Path) -> None:
    assert contract_problems(FEED, _parquet(tmp_path, **TYPES), DAY) == []
    assert contract_problems(FEED, _text(tmp_path, "ride,at,fare,bike"), DAY) == []


@pytest.mark.parametrize(
    ("header", "problems"),
    [
        ("ride,at,price,bike", ["column fare is called price"]),
        ("ride,at,bike", ["column fare is missing"]),
        ("ride,at,fare,bike,lock", ["column lock is not declared"]),
        ("ride,at,bike,price", ["column fare is missing", "column price is not declared"]),
        ("ride,at,fare,bike,bike", ["column bike is there twice"]),
        ("ride,fare,at,bike", ["columns stand in another order: ride, fare, at, bike"]),
        (
            "id,time,fare,bike",
            [
                "column ride is missing",
                "column at is missing",
                "column id is not declared",
                "column time is not declared",
            ],
        ),
    ],
)
def test_each_difference_of_names_has_its_sentence(
    tmp_path: Path, header: str, problems: list[str]
) -> None:
    assert contract_problems(FEED, _text(tmp_path, header), DAY) == problems


@pytest.mark.parametrize(
    ("column", "given", "fits"),
    [
        ("ride", pa.int32(), True),
        ("ride", pa.float64(), False),
        ("ride", pa.string(), False),
        ("at", pa.timestamp("ms", tz="UTC"), True),
        ("at", pa.string(), False),
        ("fare", pa.decimal128(5, 2), True),
        ("fare", pa.float64(), False),
        ("bike", pa.int64(), False),
    ],
)
def test_a_type_fits_where_every_value_survives(
    tmp_path: Path, column: str, given: pa.DataType, fits: bool
) -> None:
    path = _parquet(tmp_path, **{**TYPES, column: given})
    declared = {each.name: each.type for each in FEED.columns}[column]
    expected = [] if fits else [f"{column} is {given}, not {declared}"]
    assert contract_problems(FEED, path, DAY) == expected


def test_types_are_not_judged_where_names_are_wrong(tmp_path: Path) -> None:
    types = {"ride": pa.string(), **{name: TYPES[name] for name in ("at", "fare")}}
    assert contract_problems(FEED, _parquet(tmp_path, **types), DAY) == ["column bike is missing"]
