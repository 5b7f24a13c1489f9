"""Names of the use cases that are declared, for those who must not load the declarations."""

from __future__ import annotations

import pkgutil

from pipelines.base.settings import CHECKOUT

FOLDER = CHECKOUT / "pipelines" / "usecases"
_NOT_USE_CASES = frozenset({"definition", "feeds", "registry"})


def use_case_names() -> list[str]:
    """The modules of the folder, in the order of the alphabet, whether they load or not."""
    modules = (module.name for module in pkgutil.iter_modules([str(FOLDER)]) if not module.ispkg)
    return sorted(name for name in modules if name not in _NOT_USE_CASES)
