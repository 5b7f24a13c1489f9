"""Entity states in Feast's online store, read by their keys: for the scorer, and for the nightly
parity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from features.definition import FeatureSet
from features.feast_objects import BUILT_AT, view_name
from features.state import EMPTY, IDS, EntityState, entities_with_state, state_columns
from features.states_table import StatesTable
from features.timeline import Ints
from pipelines.base.errors import StoreError
from pipelines.online.store import OnlineStore

if TYPE_CHECKING:
    from feast import FeatureService

KEYS_AT_ONCE = 1_000


class FeastStates:
    """The states that one feature set needs, through Feast; to write, it must be the set whose
    states the store keeps.

    `not_before` is when the states of the last complete materialisation were built. Feast ignores
    time-to-live online, so a row that is older is taken as unknown here: its entity had no event
    within reach any more.
    """

    def __init__(
        self, store: OnlineStore, feature_set: FeatureSet, *, not_before: datetime
    ) -> None:
        self.store = store
        self.feature_set = feature_set
        self._not_before = not_before
        self._columns = {
            name: state_columns(feature_set, name) for name in entities_with_state(feature_set)
        }
        self._join_keys = {name: feature_set.schema.entity(name).key for name in self._columns}

    def read(self, keys: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[EntityState]]:
        """The states of those keys, one list for each entity's name; the lists are of one length.

        Raises `StoreError` where the store does not answer or holds rows of older definitions.
        """
        wanted: Any = self._service if len(keys) == len(self._columns) else self._references(keys)
        answer = self.store.read(
            wanted, {self._join_keys[name]: list(values) for name, values in keys.items()}
        )
        return {
            name: [self._state(name, answer, i) for i in range(len(values))]
            for name, values in keys.items()
        }

    def tables(self, keys: Mapping[str, Iterable[int] | Ints]) -> Iterator[tuple[str, StatesTable]]:
        """The states of keys of each entity's name, each key once; an unknown one is there with no
        events.
        """
        for entity, wanted in keys.items():
            each = np.unique(np.asarray(wanted, dtype=np.int64)).tolist()
            for first in range(0, len(each), KEYS_AT_ONCE):
                some = each[first : first + KEYS_AT_ONCE]
                yield (
                    entity,
                    StatesTable.of(list(zip(some, self.read({entity: some})[entity], strict=True))),
                )

    def write(self, entity: str, states: Mapping[Any, EntityState]) -> None:
        """Put states of one kind of entity by key, as built at `not_before`; raises
        `StoreError`.
        """
        rows: dict[str, list[Any]] = {
            column: [getattr(state, column).tolist() for state in states.values()]
            for column in self._columns[entity]
        }
        stamps = {BUILT_AT: [self._not_before] * len(states)}
        self.store.write(entity, rows | {self._join_keys[entity]: list(states)} | stamps)

    @cached_property
    def _service(self) -> FeatureService:
        return self.store.feast.get_feature_service(self.feature_set.name)

    def _references(self, keys: Mapping[str, Any]) -> list[str]:
        references: list[str] = []
        for name in keys:
            references += (f"{view_name(name)}:{column}" for column in self._columns[name])
        return references

    def _state(self, name: str, answer: Mapping[str, Sequence[Any]], place: int) -> EntityState:
        view = view_name(name)
        columns = {column: answer[f"{view}__{column}"][place] for column in self._columns[name]}
        if (
            columns[IDS] is None
            or answer[f"{view}__{IDS}__ts"][place] < self._not_before.timestamp()
        ):
            return EMPTY
        absent = [column for column, values in columns.items() if values is None]
        if absent:
            raise StoreError(
                "a state in the online store is older than the features' definitions",
                where=f"{self.store.address.where}, view {view}",
                expected=f"the arrays {', '.join(columns)}",
                found=f"no {', '.join(absent)}",
                next_step="run the materialize stage for the newest day",
                runbook="docs/runbooks/online-store.md",
            )
        return EntityState.of(columns)
