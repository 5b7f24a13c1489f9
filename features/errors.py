"""What can be wrong with a feature declaration or with the data handed to the engine."""

from __future__ import annotations


class FeatureError(ValueError):
    """A definition that contradicts itself, or events that lack what the definitions need."""

    def __init__(self, what: str, *, expected: str = "", found: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        parts = [
            self.what,
            f"  expected:   {self.expected}" if self.expected else "",
            f"  found:      {self.found}",
        ]
        return "\n".join(part for part in parts if part and not part.endswith("found:      "))
