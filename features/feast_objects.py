"""The Feast objects of a feature set, generated from the declarations: entities, state views, a
feature service.

A state view holds the events of one kind of entity as arrays (`features.state`); a feature service
names the arrays that one feature set needs. Feast is imported only when objects are asked for: that
takes seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from features.definition import FeatureSet
from features.state import (
    AMOUNTS,
    IDS,
    REPORTED,
    TIMES,
    entities_with_state,
    entity_features,
    state_columns,
    state_reach_days,
)

if TYPE_CHECKING:
    from feast import Entity, FeatureService, FeatureView
    from feast.data_source import DataSource

BUILT_AT = "built_at"
"""Column of a state table, and Feast's event timestamp: when the state was built.

It only ever grows.
"""

_DESCRIPTIONS = {
    IDS: "ids of the events within reach, by (time, id)",
    TIMES: "their times, microseconds since 1970 UTC",
    AMOUNTS: "their amounts, cents",
    REPORTED: (
        "when each was reported, microseconds since 1970 UTC; the largest int64 where it was not"
    ),
}


@dataclass(frozen=True, kw_only=True)
class FeastObjects:
    """What `FeatureStore.apply` takes; views by the entity's name, services by the feature
    set's.
    """

    entities: Mapping[str, Entity]
    views: Mapping[str, FeatureView]
    services: Mapping[str, FeatureService]

    def all(self) -> list[Any]:
        """Every object, in the order in which Feast wants to hear of them."""
        return [*self.entities.values(), *self.views.values(), *self.services.values()]


def view_name(entity: str) -> str:
    """Name of the state view of an entity, and of its table in the lake."""
    return f"{entity}_state"


def feast_objects(
    stored: FeatureSet,
    feature_sets: Iterable[FeatureSet],
    *,
    source: Callable[[str], DataSource],
    owner: str,
) -> FeastObjects:
    """The objects for all states of `stored` and a service for each of `feature_sets`.

    `source` gives the batch source of a state table by its name, with `built_at` as timestamp
    field.
    """
    from feast import Entity, FeatureService
    from feast.value_type import ValueType

    names = entities_with_state(stored)
    declared = {name: stored.schema.entity(name) for name in names}
    entities = {
        name: Entity(
            name=name,
            join_keys=[e.key],
            value_type=ValueType.INT64,
            description=e.description,
            owner=owner,
        )
        for name, e in declared.items()
    }
    views = {
        name: _view(stored, name, entities[name], source(view_name(name)), owner) for name in names
    }
    services = {
        feature_set.name: FeatureService(
            name=feature_set.name,
            features=[
                views[name][list(state_columns(feature_set, name))]
                for name in entities_with_state(feature_set)
            ],
            description=f"{feature_set.description}: the states that it needs",
            tags={"feature_set": feature_set.name, "digest": feature_set.digest},
            owner=owner,
        )
        for feature_set in feature_sets
    }
    return FeastObjects(entities=entities, views=views, services=services)


def _view(
    stored: FeatureSet, name: str, entity: Entity, source: DataSource, owner: str
) -> FeatureView:
    from feast import FeatureView, Field
    from feast.types import Array, Int64

    features = entity_features(stored, name)
    return FeatureView(
        name=view_name(name),
        entities=[entity],
        schema=[
            Field(name=column, dtype=Array(Int64), description=_DESCRIPTIONS[column])
            for column in state_columns(stored, name)
        ],
        source=source,
        online=True,
        ttl=timedelta(days=state_reach_days(stored, name)),
        description=f"events of each {name} that its features reach back to",
        tags={
            "owners": ", ".join(sorted({f.owner for f in features})),
            "features": ", ".join(f.name for f in features),
        },
        owner=owner,
    )
