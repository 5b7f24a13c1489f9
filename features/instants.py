"""Instants as the engine has them: int64 microseconds since 1970 UTC; days are numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS_PER_DAY = 86_400_000_000
MICROSECONDS_PER_SECOND = 1_000_000


def microseconds_of(instant: datetime) -> int:
    """Microseconds since 1970 UTC of an instant with a zone, exactly; a float is not."""
    since = instant - EPOCH
    return (
        since.days * MICROSECONDS_PER_DAY
        + since.seconds * MICROSECONDS_PER_SECOND
        + since.microseconds
    )


def arrow_microseconds(column: Any) -> NDArray[np.int64]:
    """The same of an Arrow column of timestamps, of any unit; without a zone it is UTC."""
    import pyarrow as pa

    microseconds: NDArray[np.int64] = (
        column.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    )
    return microseconds


def instant_of(microseconds: int) -> datetime:
    """The instant (UTC) of that many microseconds; raises `OverflowError` past year 9999."""
    return EPOCH + timedelta(microseconds=int(microseconds))


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH.date()).days


def day_of(number: int) -> date:
    """The day of that number."""
    return EPOCH.date() + timedelta(days=number)


def day_start(day: date) -> int:
    """The midnight (UTC) at which the day begins, in microseconds."""
    return day_number(day) * MICROSECONDS_PER_DAY
