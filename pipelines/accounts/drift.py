"""What the monitor's account says of drift: how far each feature and the score moved, and the
verdict on the day.
"""

from __future__ import annotations

from pipelines.accounts.part import Part


class ConstantShare(Part):
    """A column that is constant in the reference: the value (None: missing), and the shares of rows
    (0 to 1) off it.
    """

    constant: float | None = None
    reference_share: float = 0.0
    share: float = 0.0


class ComparedColumn(Part):
    """One column against the reference. `value` is None where one side has no values at all.

    `method` says what `value` and `threshold` are: a distance, or a share of rows off a constant.
    `drifted` is None in an account that did not say it of this column.
    """

    name: str = ""
    value: float | None = None
    threshold: float = 0.0
    reference_mean: float | None = None
    mean: float | None = None
    method: str = ""
    constant: ConstantShare | None = None
    drifted: bool | None = None


class DriftAccount(Part):
    """The verdict on a day's drift; `summary` says it in a sentence.

    `columns` holds each feature's value, `compared` all that is known of each, `score` and
    `score_column` the same of the score. `drifted` names the features beyond their threshold,
    `moved` describes the first of them. `skipped` says of each feature that was not compared why.
    `release` made the reference of `reference_rows` rows; `share` (0 to 1) of the compared features
    drifted, None where none was compared.
    """

    detected: bool = False
    judged: bool = False
    summary: str = ""
    share: float | None = None
    columns: dict[str, float | None] = {}
    compared: tuple[ComparedColumn, ...] = ()
    score: float | None = None
    score_column: ComparedColumn | None = None
    drifted: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    skipped: dict[str, str] = {}
    method: str = ""
    release: str = ""
    rows: int = 0
    reference_rows: int = 0

    def column(self, name: str) -> ComparedColumn | None:
        """What was measured of a feature; None where it was not compared."""
        return next((column for column in self.compared if column.name == name), None)
