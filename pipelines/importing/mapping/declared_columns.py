"""What a mapping may declare of one column of the events: where its values come from, and what they
mean.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from pipelines.base.column_types import parse_column_type

Rounding = Literal["half_even", "half_up", "down"]
EpochUnit = Literal["s", "ms", "us", "ns", "min", "h", "d"]


class Section(BaseModel):
    """A table of the file: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class SourceColumn(Section):
    """Columns of the source that one column of the events is made of: one (`column`), or several
    (`columns`).
    """

    column: str | None = Field(default=None, min_length=1, description="the column of the source")
    columns: tuple[str, ...] = Field(
        default=(), description="several columns of the source, in this order"
    )
    empty: tuple[str, ...] = Field(
        default=(), description='texts that mean "no value", for instance ["NA", "-"]'
    )
    default: str | int | float | bool | None = Field(
        default=None, description="the value of a row that has none"
    )

    @model_validator(mode="after")
    def _one_or_several(self) -> SourceColumn:
        if (self.column is None) == (not self.columns):
            raise ValueError('give either column = "…" or columns = ["…", "…"]')
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the source that are read, in order."""
        return self.columns if self.column is None else (self.column,)


class IdColumn(SourceColumn):
    """An id: of a row, a customer, a terminal.

    `kind` says what an id is. `whole`: a whole number, so that `42` and `42.0` are one id. `text`:
    its letters, so that `0042` and `42` are two. Without it, an id is a whole number where the
    column of the events is one, else text; what could be read in two ways is then refused. Blanks
    around an id never count, and letters that Unicode can write in two ways are one (NFC).
    """

    kind: Literal["whole", "text"] | None = Field(
        default=None, description="whether an id is a whole number or text"
    )
    leading_zeros: Literal["refuse", "drop"] = Field(
        default="refuse", description="of whole numbers: `0042` is refused, or is 42"
    )
    not_card_numbers: str = Field(
        default="",
        description="what the values are, where they look like card numbers and are none",
    )


class NumberColumn(SourceColumn):
    """A number: decimal sign, thousands, currency, scale and rounding are as declared; other values
    are refused.
    """

    decimal: Literal[".", ","] = Field(default=".", description="the decimal sign")
    thousands: Literal["", ",", ".", " ", "'", "_"] = Field(
        default="", description="the sign between thousands"
    )
    currency: str = Field(
        default="", max_length=8, description="a sign before or behind the number, for instance EUR"
    )
    scale: Decimal = Field(
        default=Decimal(1), description="the source's number times this is the events' number"
    )
    unit: Literal["cents"] | None = Field(
        default=None, description="cents: the source's numbers are hundredths"
    )
    round: Rounding | None = Field(
        default=None, description="how numbers with too many decimals are rounded"
    )
    nullable: bool = Field(
        default=False, description="NaN is a row without a number, not an unreadable one"
    )

    @field_validator("scale", mode="before")
    @classmethod
    def _exact(cls, scale: Any) -> Any:
        return str(scale) if isinstance(scale, float) else scale

    @field_validator("scale")
    @classmethod
    def _usable(cls, scale: Decimal) -> Decimal:
        if not scale.is_finite() or scale <= 0:
            raise ValueError("must be a number above 0")
        exponent = scale.normalize().as_tuple().exponent
        if isinstance(exponent, int) and exponent < -9:
            raise ValueError("may have nine decimals")
        return scale

    @model_validator(mode="after")
    def _consistent(self) -> NumberColumn:
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands must be different signs")
        if self.unit is not None and self.scale != 1:
            raise ValueError("give unit or scale, not both")
        if self.columns:
            raise ValueError("a number comes from one column")
        return self

    @property
    def factor(self) -> Decimal:
        """What the source's numbers are multiplied by."""
        return Decimal("0.01") if self.unit == "cents" else self.scale


class TimeColumn(SourceColumn):
    """An instant: text or timestamps, of one column or several joined by a blank, or a number of
    units since an origin.

    `hour` names a second column that holds the hour (0 to 23) of the date in the first.
    """

    hour: str | None = Field(
        default=None, min_length=1, description="a column with the hour of the date, 0 to 23"
    )
    format: str | None = Field(
        default=None, description="of text, as strptime has it; %f are fractions of a second"
    )
    unit: EpochUnit | None = Field(
        default=None, description="what the numbers count, since `origin`"
    )
    origin: str | None = Field(
        default=None, description="from when the numbers count; without it 1970-01-01 UTC"
    )
    zone: str | None = Field(default=None, description="the time zone of times that carry none")
    ambiguous: Literal["refuse", "earlier", "later"] = Field(
        default="refuse",
        description="which instant is meant of a local time that occurs twice in autumn",
    )
    date_only: Literal["refuse", "midnight"] = Field(
        default="refuse", description="whether a date without an hour is refused, or means midnight"
    )

    @model_validator(mode="after")
    def _consistent(self) -> TimeColumn:
        if self.unit is not None and (self.format or self.hour or self.columns):
            raise ValueError(
                "unit (numbers since an origin) goes with one column, without format or hour"
            )
        if self.origin is not None and self.unit is None:
            raise ValueError("origin needs unit: what the numbers count")
        if self.default is not None:
            raise ValueError(
                "a time has no default: the row would be put on a day that is not its own"
            )
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """The columns of the source that are read, in order."""
        return (*super().sources, *((self.hour,) if self.hour else ()))


class PlainColumn(SourceColumn):
    """A value that is read as it stands: a flag or a date."""


EventsColumn = IdColumn | NumberColumn | TimeColumn | PlainColumn


def column_model(
    spark_type: str,
) -> type[IdColumn] | type[NumberColumn] | type[TimeColumn] | type[PlainColumn]:
    """What may be declared of a column of the events that has this Spark SQL type."""
    column_type = parse_column_type(spark_type)
    if column_type.kind in {"bigint", "string"}:
        return IdColumn
    if column_type.kind == "timestamp":
        return TimeColumn
    return NumberColumn if column_type.is_number else PlainColumn
