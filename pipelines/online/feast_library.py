"""Feast, imported at half its price and kept from talking on standard output."""

from __future__ import annotations

import contextlib
import io
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any


def load_feast() -> None:
    """Import Feast without the recompilation of its classes for run-time type checks: 2.3 s instead
    of 4.3 s.

    Feast decorates its classes with typeguard's `typechecked`, which parses and compiles them again
    on import. For the length of this import the decorator does nothing; code that was imported
    before or is imported later keeps it.
    """
    if "feast" in sys.modules:
        return
    import typeguard

    original = typeguard.typechecked
    typeguard.typechecked = _as_it_is  # type: ignore[assignment]
    try:
        import_module("feast")
        import_module("feast.infra.offline_stores.contrib.spark_offline_store.spark")
    finally:
        typeguard.typechecked = original
    warnings.filterwarnings(
        "ignore", category=RuntimeWarning, message=".*experimental feature in alpha.*"
    )
    warnings.filterwarnings(
        "ignore", category=UserWarning, message="Could not serialize pd.DataFrame.attrs"
    )


@contextlib.contextmanager
def quiet_feast() -> Iterator[None]:
    """Feast prints its progress: that does not belong on our standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _as_it_is(target: Callable[..., Any] | None = None, **_: Any) -> Any:
    return target if target is not None else _as_it_is
