"""What the monitor's account keeps of a day to compare later days with: counts, and sketches of
columns.
"""

from __future__ import annotations

from pipelines.accounts.part import Part


class SketchAccount(Part):
    """A column: `n` values of which the share `null` (0 to 1) is missing; mean, deviation,
    quantiles `q` at a grid.
    """

    n: int
    null: float
    mean: float
    std: float
    q: tuple[float, ...]


class ProfileAccount(Part):
    """A day's profile; see `watch.profile.DayProfile` for what each member means."""

    rows: int
    hours: tuple[int, ...] = ()
    blocks: dict[str, tuple[int, ...]] = {}
    edges: dict[str, tuple[int, ...]] = {}
    units: dict[str, int] = {}
    inputs: dict[str, SketchAccount] = {}
    features: dict[str, SketchAccount] = {}
    coherence: dict[str, float] = {}
    score: SketchAccount | None = None
    tail: float | None = None
    reports: int | None = None
    rejected: float | None = None
    release: str = ""
