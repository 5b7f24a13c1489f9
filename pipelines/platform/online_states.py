"""Entity states in Feast's online store, read and moved one by one: the `StateStore` behind the online path."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from features.definition import FeatureSet
from features.feast_objects import BUILT_AT, view_name
from features.state import EMPTY, IDS, EntityState, entities_with_state, state_columns
from pipelines.platform.errors import StoreError
from pipelines.platform.online_store import OnlineStore

if TYPE_CHECKING:
    from feast import FeatureService


class FeastStates:
    """The states that one feature set needs, through Feast; to write, it must be the set whose states the store keeps.

    `not_before` is when the states of the last complete materialisation were built. Feast ignores time-to-live online,
    so a row that is older is taken as unknown here: its entity had no event within reach any more. Writes are held back
    until a key among them is read again, or `flush` is called: what is read always comes from the online store.
    """

    def __init__(
        self, store: OnlineStore, feature_set: FeatureSet, *, not_before: datetime, clock: Callable[[], datetime]
    ) -> None:
        self.store = store
        self.feature_set = feature_set
        self._not_before = not_before.timestamp()
        self._clock = clock
        self._columns = {name: state_columns(feature_set, name) for name in entities_with_state(feature_set)}
        self._join_keys = {name: feature_set.schema.entity(name).key for name in self._columns}
        self._held: dict[str, dict[Any, EntityState]] = {name: {} for name in self._columns}

    def read(self, keys: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[EntityState]]:
        """The states of those keys, one list for each entity's name; the lists are of one length.

        Raises `StoreError` where the store does not answer or holds rows of older definitions.
        """
        if any(key in self._held[name] for name, wanted in keys.items() for key in wanted):
            self.flush()
        wanted: Any = self._service if len(keys) == len(self._columns) else self._references(keys)
        answer = self.store.read(wanted, {self._join_keys[name]: list(values) for name, values in keys.items()})
        return {name: [self._state(name, answer, i) for i in range(len(values))] for name, values in keys.items()}

    def write(self, states: Mapping[str, tuple[Any, EntityState]]) -> None:
        """Put one state for each entity's name."""
        for name, (key, state) in states.items():
            self._held[name][key] = state

    def flush(self) -> None:
        """Write what was held back: one transaction for each entity's name."""
        for name, states in self._held.items():
            if states:
                self.store.write(name, self._rows(name, states))
                states.clear()

    @cached_property
    def _service(self) -> FeatureService:
        return self.store.feast.get_feature_service(self.feature_set.name)

    def _rows(self, name: str, states: Mapping[Any, EntityState]) -> dict[str, list[Any]]:
        rows: dict[str, list[Any]] = {
            column: [getattr(state, column).tolist() for state in states.values()] for column in self._columns[name]
        }
        return rows | {self._join_keys[name]: list(states), BUILT_AT: [self._clock()] * len(states)}

    def _references(self, keys: Mapping[str, Any]) -> list[str]:
        return [f"{view_name(name)}:{column}" for name in keys for column in self._columns[name]]

    def _state(self, name: str, answer: Mapping[str, Sequence[Any]], i: int) -> EntityState:
        view = view_name(name)
        columns = {column: answer[f"{view}__{column}"][i] for column in self._columns[name]}
        if columns[IDS] is None or answer[f"{view}__{IDS}__ts"][i] < self._not_before:
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
