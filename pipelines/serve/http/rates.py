"""How many rows a key may send: a token bucket each, refused with the seconds until it is full
enough again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import ceil

from pipelines.serve.http.access import Key
from pipelines.serve.refusals import RefusalError


class Bucket:
    """Holds `burst` rows and gets `rate` a second. Full at first.

    A request of more rows than it holds is taken when it is full, and leaves it in debt: what is
    sent over a longer time is never more than `burst` and one request above the rate, whatever the
    size of requests.
    """

    __slots__ = ("_held", "_since", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._held, self._since = burst, now

    def take(self, rows: int, now: float) -> float:
        """0 where the rows are taken; else the seconds after which they would be.

        `now`: seconds of any clock.
        """
        held = min(self.burst, self._held + (now - self._since) * self.rate)
        self._held, self._since = held, now
        short = min(rows, self.burst) - held
        if short > 0:
            return short / self.rate
        self._held = held - rows
        return 0.0


class Rates:
    """The buckets of one of `workers` processes, each with its part of a key's rate and burst.

    `refused` counts by the key's name.
    """

    def __init__(self, workers: int, clock: Callable[[], float], refused: Counter[str]) -> None:
        self._workers, self._clock, self.refused = workers, clock, refused
        self._buckets: dict[str, tuple[Key, Bucket]] = {}

    def require(self, key: Key | None, rows: int) -> None:
        """Take so many rows of the key's; raises `RefusalError` (429) where it has sent more than
        it may.
        """
        if key is None or key.rows_per_second is None:
            return
        limited = self._buckets.get(key.name)
        if limited is None or (limited[0] is not key and limited[0] != key):
            limited = self._buckets[key.name] = (key, self._bucket(key, key.rows_per_second))
        seconds = limited[1].take(rows, self._clock())
        if seconds > 0:
            self.refused[key.name] += 1
            raise self._too_many(key, seconds)

    def _bucket(self, key: Key, rate: float) -> Bucket:
        return Bucket(rate / self._workers, (key.burst_rows or rate) / self._workers, self._clock())

    def _too_many(self, key: Key, seconds: float) -> RefusalError:
        return RefusalError(
            "more rows than this key may send",
            status=429,
            kind="rate",
            expected=(
                f"{key.rows_per_second:g} rows a second, {key.burst_rows or key.rows_per_second:g}"
                " at once"
            ),
            found=f"the next {seconds:.3g} s are used up",
            next_step="send it again after Retry-After",
            headers=[(b"retry-after", b"%d" % ceil(seconds))],
        )
