"""The causes of a difference, in the order in which they are tried, and their places in it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CAUSES = (
    "fallback",
    "history not whole",
    "other content",
    "later event first",
    "never asked",
    "never arrived",
    "concurrent",
    "unknown then known",
    "report",
    "unexplained",
)
"""In the order in which they are tried; the first that can have changed a value is its cause."""

(
    FALLBACK,
    NOT_WHOLE,
    CONTENT,
    LATER,
    NEVER_ASKED,
    NEVER_ARRIVED,
    CONCURRENT,
    UNKNOWN,
    REPORT,
    UNEXPLAINED,
) = range(10)

Codes = NDArray[np.int8]
