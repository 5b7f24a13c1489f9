"""Great Expectations, imported without two libraries that only its rarest expectations use: 5.0 s
of CPU, not 6.9 s.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_UNUSED = ("altair", "scipy.stats")


def load_great_expectations() -> Any:
    """The library.

    Its expectations about whole distributions (KL divergence, KS and chi-square tests) do not work.

    They crash under numpy 2 anyway; drift is judged elsewhere. Where altair or scipy's statistics
    are imported already, nothing is kept from them, and whoever imports these later gets the real
    ones.
    """
    if "great_expectations" not in sys.modules:
        with _absent([name for name in _UNUSED if name not in sys.modules]):
            import_module("great_expectations")
    return sys.modules["great_expectations"]


class _Absent(ModuleType):
    """Stands in for a library during the import; whatever is asked of it later says what is
    missing.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__name__}.{name}")

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError(
            f"{self.__name__} was left out of Great Expectations (expectations/library.py)"
        )


@contextmanager
def _absent(names: list[str]) -> Iterator[None]:
    stand_ins = {name: _Absent(name) for name in names}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name) is stand_in:
                del sys.modules[name]
            package, _, attribute = name.rpartition(".")
            if package and vars(sys.modules.get(package, stand_in)).get(attribute) is stand_in:
                delattr(sys.modules[package], attribute)
