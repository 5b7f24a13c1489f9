"""What can be wrong with a suite itself, as opposed to the data that it judges."""

from __future__ import annotations


class ExpectationError(ValueError):
    """A check that Great Expectations does not know, or one that could not be evaluated at all."""

    def __init__(self, what: str, *, where: str = "", expected: str = "", found: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        fields = (("where", self.where), ("expected", self.expected), ("found", self.found))
        return "\n".join(
            [self.what, *(f"  {label + ':':<11} {text}" for label, text in fields if text)]
        )
