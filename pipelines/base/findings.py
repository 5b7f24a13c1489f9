"""What a check of `tollgate doctor` has found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pipelines.base.masking import mask_passwords
from pipelines.base.settings import Settings


@dataclass(frozen=True)
class Finding:
    """The outcome of one check; `advice` is set where `ok` is false."""

    name: str
    ok: bool
    found: str
    advice: str = ""


Check = Callable[[Settings], Iterator[Finding]]


def guarded(check: Check, settings: Settings) -> Iterator[Finding]:
    """What a check finds; one that fails is a finding too, by the check's own name."""
    try:
        yield from check(settings)
    except Exception as error:
        advice = getattr(error, "next_step", "") or "correct what it names; docs/settings.md"
        problem = mask_passwords(next(iter(str(error).splitlines()), type(error).__name__))
        yield Finding(
            check.__name__.strip("_").replace("_", " "), ok=False, found=problem, advice=advice
        )
