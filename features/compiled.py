"""Functions that numba compiles on their first call; what it made is kept on disk, so that it is
made once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """The function, compiled; it does not hold Python's interpreter lock while it runs."""
    done: Any = njit(cache=True, nogil=True)(function)
    return cast(Function, done)
