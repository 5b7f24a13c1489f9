"""Feature sets: they are made of the columns of the events, agree with each other, and name only
what there is.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from features.definition import EventSchema, Feature, FeatureSet, RequestAmount
from features.feature import EntityFeature
from pipelines.usecases.feeds import DAY, Feed
from pipelines.usecases.policies.label import LabelPolicy
from pipelines.usecases.validation.problems import Problems
from pipelines.usecases.validation.values import check_values

_WHOLE = ("bigint", "int")


def check_feature_sets(
    sets: Mapping[str, FeatureSet], events: Feed, label: LabelPolicy, problems: Problems
) -> None:
    """Report what is wrong with the feature sets, each by itself and beside the others."""
    problems.require(bool(sets), "one feature set or more", "none")
    if not sets:
        return
    schema = next(iter(sets.values())).schema
    problems.at("schema").look(_check_schema, schema, events)
    definitions: dict[str, Feature] = {}
    for name, feature_set in sets.items():
        place = problems.at(f"[{name}]")
        place.at("name").require(
            feature_set.name == name, f"{name}, as it is declared under", feature_set.name
        )
        place.at("schema").require(
            feature_set.schema == schema, "the schema of the other sets", "another schema"
        )
        for feature in feature_set.features:
            same = definitions.setdefault(feature.name, feature) == feature
            place.at(f"[{feature.name}]").require(
                same, "one definition in every set", "another definition"
            )
            place.at(f"[{feature.name}]").look(_check_feature, feature, schema, label)


def _check_schema(schema: EventSchema, events: Feed, problems: Problems) -> None:
    types = {column.name: column.type for column in events.columns}
    what = f"a column of {events.name}"
    problems.at("id").require(
        (schema.id,) == events.key, f"the key of the events ({', '.join(events.key)})", schema.id
    )
    problems.at("id").require(
        types.get(schema.id, "bigint") in _WHOLE,
        "a column of whole numbers",
        f"{schema.id} {types.get(schema.id)}",
    )
    problems.at("time").require(
        schema.time == events.time, f"the time of the events ({events.time})", schema.time
    )
    problems.at("amount").require_name(schema.amount, types, what)
    problems.at("amount").require(
        types.get(schema.amount, "decimal(1,2)").replace(" ", "").endswith(",2)"),
        "a column of type decimal(p,2)",
        f"{schema.amount} {types.get(schema.amount)}",
    )
    added = [column.name for column in events.added]
    problems.at("amount").require(
        schema.amount not in added, "a column that the events had from the first day", schema.amount
    )
    problems.at("entities").require_unique([entity.name for entity in schema.entities], "entity")
    for entity in schema.entities:
        place = problems.at(f"entities[{entity.name}].key")
        place.require_name(entity.key, types, what)
        place.require(
            types.get(entity.key, "bigint") in (*_WHOLE, "string"),
            "a column of whole numbers or text",
            f"{entity.key} {types.get(entity.key)}",
        )
        place.require(
            entity.key not in added,
            "a column that the events had from the first day: with a default, all rows from before"
            " would be of one and the same key",
            entity.key,
        )


def _check_feature(
    feature: Feature, schema: EventSchema, label: LabelPolicy, problems: Problems
) -> None:
    check_values(feature, problems)
    if isinstance(feature, EntityFeature):
        entities = [entity.name for entity in schema.entities]
        problems.at("entity").require_name(feature.entity, entities, "an entity of the schema")
        problems.at("delay_days").look(_check_label_delay, feature, label)
    if isinstance(feature, RequestAmount):
        problems.at("column").require_name(
            feature.column, [schema.amount], "the schema's column of amounts"
        )
    taken = {DAY, schema.id, schema.time, *schema.keys}
    problems.at("name").require(
        feature.name not in taken, "a name that no key or time has", feature.name
    )
    for part in feature.inputs:
        problems.at(f"[{part.name}]").look(_check_feature, part, schema, label)


def _check_label_delay(feature: EntityFeature, label: LabelPolicy, problems: Problems) -> None:
    """A window of labels that are not known yet: the evidence would refuse every model that has
    it.
    """
    delay = getattr(feature, "delay_days", 0)
    problems.require(
        "reported" not in feature.reads or delay >= label.delay_days,
        f"label.delay_days ({label.delay_days}) or more: it reads labels",
        delay,
    )


def stored_names(sets: Mapping[str, FeatureSet]) -> Collection[str]:
    """The names of every feature of every set."""
    names: dict[str, None] = {}
    for feature_set in sets.values():
        names |= dict.fromkeys(feature_set.names)
    return names
