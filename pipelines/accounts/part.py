"""What all typed JSON of the ledger has in common: it is frozen, becomes plain JSON data, and is
read back from it.

What older code stored is read with the declared defaults in place of what it lacks. Members that
this code does not know are kept. To JSON goes what was set, so that reading and writing again
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, PlainSerializer

Instant = Annotated[datetime, PlainSerializer(lambda instant: instant.isoformat(), return_type=str)]
"""A time with its zone, in JSON as `datetime.isoformat` writes it (+00:00, not Z)."""


class Part(BaseModel):
    """A part of what the ledger keeps.

    `defer_build`: a type costs nothing before it is first used.
    """

    model_config = ConfigDict(
        frozen=True, extra="allow", defer_build=True, ser_json_inf_nan="constants"
    )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: the members that were set, and those that only other code knows."""
        return self.model_dump(mode="json", exclude_unset=True)

    def replaced(self, **changes: Any) -> Self:
        """A copy in which these members are others; raises `TypeError` for a name that is none of
        its members.
        """
        unknown = changes.keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"{type(self).__name__} has no member {', '.join(sorted(unknown))}")
        return self.model_copy(update=changes)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """What `to_json` wrote; raises `pydantic.ValidationError` for a wrong value."""
        return cls.model_validate(stored)
