"""`tollgate report`: the same pages as one self-contained HTML file, for those without Airflow
open.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.base.days import DayRange
from pipelines.ops.facts import Facts
from pipelines.ops.links import OneFile, section_name
from pipelines.ops.pages import DETAILS, LISTS, Page, fragment
from pipelines.pages.render import render, write_page
from pipelines.run import Run, code_version

NEWEST_RELEASES = 10
NEWEST_DAYS = 31


def report_path(folder: Path) -> Path:
    """Where the file is unless somebody asks for another place."""
    return folder / "reports" / "index.html"


def write_report(run: Run, days: DayRange | None = None, out: Path | None = None) -> Path:
    """Write the file over `days` (by default the newest four weeks) and return where it is.

    Reads the ledger alone; raises `StoreError` where the disk does not take the file.
    """
    return write_page(out or report_path(run.folder), report_html(Facts(run, days)))


def report_html(facts: Facts) -> str:
    """All pages as sections of one document; links lead from section to section, and nowhere else.

    Of a longer range the newest days have a section each, so that the file stays small.
    """
    sections = _sections(facts)
    links = OneFile({section_name(page.name, key) for page, key in sections})
    return render(
        "ops/one_file.html.j2",
        use_case=facts.use_case,
        menu=[(page.title, links.to(page.name)) for page in LISTS],
        sections=[
            (section_name(page.name, key), fragment(page, facts, links, key=key))
            for page, key in sections
        ],
        made=facts.at,
        code=code_version(),
    )


def _sections(facts: Facts) -> list[tuple[Page, str]]:
    keys = {
        "releases": [release.release_id for release in facts.releases[:NEWEST_RELEASES]],
        "days": [str(row.day) for row in list(facts.rows)[-NEWEST_DAYS:][::-1]],
        "features": [feature.name for feature in facts.use_case.stored_features.features],
    }
    pages = [(page, "") for page in LISTS]
    for page in DETAILS:
        pages += [(page, key) for key in keys[page.name]]
    return pages
