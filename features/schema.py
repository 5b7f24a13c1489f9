"""The events that features are made of: their key, time, money and the entities that they belong
to.
"""

from __future__ import annotations

from dataclasses import dataclass

from features.errors import FeatureError


@dataclass(frozen=True, kw_only=True)
class Entity:
    """Something that events belong to (a card's customer, a terminal) and over whose history
    windows slide.
    """

    name: str
    key: str
    description: str


@dataclass(frozen=True, kw_only=True)
class EventSchema:
    """The columns of the use case's events that features are made of.

    `amount` is a money column: decimals with two places in the lake, whole cents (int64) inside the
    engine.
    """

    id: str
    time: str
    amount: str
    entities: tuple[Entity, ...]

    def entity(self, name: str) -> Entity:
        """The entity of that name; raises `FeatureError`."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise FeatureError(
            f"no entity {name!r}", expected=", ".join(e.name for e in self.entities), found=name
        )

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns of the entities, in the declared order."""
        return tuple(entity.key for entity in self.entities)
