"""What a server does again and again beside answering: a step that fails is told and tried again,
the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

LOGGER = logging.getLogger(__name__)


class Repeated:
    """Steps by name, all of them done at each `once`; a failure is logged when it begins and when
    it changes.
    """

    def __init__(self, steps: Mapping[str, Callable[[], object]]) -> None:
        self._steps = dict(steps)
        self._told: dict[str, str] = {}

    def once(self) -> None:
        """Do each step."""
        for name, step in self._steps.items():
            try:
                step()
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
                if self._told.get(name) != problem:
                    LOGGER.exception("%s failed; it is tried again and again", name)
                self._told[name] = problem
            else:
                if self._told.pop(name, None) is not None:
                    LOGGER.warning("%s succeeds again", name)
