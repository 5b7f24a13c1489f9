"""Model Ops over a ledger of a year of nights: seconds from asking for a page to its whole HTML, in
a warm process.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from statistics import median

from pipelines.base.days import DayRange
from pipelines.base.settings import Settings
from pipelines.ops.facts import Facts
from pipelines.ops.links import Served
from pipelines.ops.one_file import report_html
from pipelines.ops.openmetrics import openmetrics
from pipelines.ops.pages import DETAILS, LISTS, whole_page
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.pipelines.ops.ledger_year import AT, LAST, write_days, write_incidents, write_releases

NIGHTS, RELEASES, REPEATS = 365, 12, 5
AIM = 1.0
ONE_FILE = "`tollgate report`, one file of them all"


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="ops-") as home:
        run = Run(Settings.build(home=home), load("fraud"), actor="bench", clock=lambda: AT)
        write_days(run, NIGHTS)
        newest = write_releases(run, RELEASES)[-1]
        write_incidents(run)
        print(f"| page, ledger of {NIGHTS} nights and {RELEASES} releases | seconds | size | aim |")
        print("|---|---|---|---|")
        for name, made in _pages(run, newest).items():
            seconds, size = _measured(made)
            aim = "" if name == ONE_FILE else f"<= {AIM:.0f} s"
            print(f"| {name} | {seconds:.2f} s | {size / 1024:.0f} KiB | {aim} |", flush=True)


def _pages(run: Run, release: str) -> dict[str, Callable[[], str]]:
    keys = {"releases": release, "days": str(LAST), "features": "amount"}
    year = DayRange(LAST - timedelta(days=NIGHTS - 1), LAST)
    links = Served("/ops")
    return {
        **{page.title: lambda page=page: whole_page(page, Facts(run), links) for page in LISTS},
        **{
            page.title: lambda page=page: whole_page(page, Facts(run), links, key=keys[page.name])
            for page in DETAILS
        },
        "Days, all of the year": lambda: whole_page(LISTS[2], Facts(run, year), links),
        "metrics": lambda: openmetrics(Facts(run)),
        ONE_FILE: lambda: report_html(Facts(run)),
    }


def _measured(made: Callable[[], str]) -> tuple[float, int]:
    """Median seconds of a few times, and the size of what came out."""
    taken = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        size = len(made().encode())
        taken.append(time.perf_counter() - begun)
    return median(taken), size


if __name__ == "__main__":
    main()
