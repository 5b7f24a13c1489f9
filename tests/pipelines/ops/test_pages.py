"""Every page from a ledger alone: nothing is markup but ours, an empty ledger is told, a whole year
is read quickly.
"""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
from sqlalchemy import event

from pipelines.base.days import DayRange
from pipelines.base.errors import UsageError
from pipelines.base.settings import Settings
from pipelines.ops.facts import MOST_DAYS, Facts
from pipelines.ops.links import Served
from pipelines.ops.pages import DETAILS, LISTS, Page, whole_page
from pipelines.ops.release import NEWEST
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.accounts import release_account
from tests.pipelines.ops.ledger_year import (
    AT,
    LAST,
    REFUSED,
    write_days,
    write_incidents,
    write_releases,
)

KEYS = {"releases": "", "days": str(REFUSED), "features": "amount"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = Settings.build(home=tmp_path_factory.mktemp("ops") / "home")
    made = Run(settings, load("fraud"), run_id="r", actor="test", clock=lambda: AT)
    write_days(made, 40)
    KEYS["releases"] = write_releases(made)[-1]
    write_incidents(made)
    return made


class Parsed(HTMLParser):
    """Which tags a page opens, which it leaves open, and the text alternatives of its pictures."""

    VOID = frozenset({"meta", "input", "br", "line", "rect", "circle", "polyline"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.stack: list[str] = []
        self.addresses: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        attributes = dict(attrs)
        self.addresses += [
            str(attributes[name]) for name in ("href", "src", "action") if name in attributes
        ]
        if tag == "svg":
            self.pictures.append(attributes)
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.stack.pop() == tag


@pytest.mark.guarantee(
    "injection",
    fault="`<script>` in incidents, reasons and names, on every page",
    seen="no tag but ours, nothing from elsewhere",
)
@pytest.mark.parametrize("page", [*LISTS, *DETAILS], ids=lambda page: page.title)
def test_values_are_text_and_pages_stand_alone(run: Run, page: Page) -> None:
    html = whole_page(page, Facts(run), Served("/ops"), key=KEYS[page.name] if page.parent else "")
    parsed = Parsed(html)
    assert "script" not in parsed.tags
    assert parsed.stack == []
    assert all(address.startswith(("/ops/", "#")) for address in parsed.addresses)
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in parsed.pictures)
    assert parsed.tags.count("desc") == sum(
        picture["class"] == "chart" for picture in parsed.pictures
    )
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_the_evil_text_was_there_to_be_escaped(run: Run) -> None:
    for page in LISTS:
        if page.name not in {"features", "scorecard"}:
            assert "&lt;script&gt;" in whole_page(page, Facts(run), Served("/ops")), page.title


NOTHING = {
    "": "No model yet",
    "releases": "No release yet",
    "days": "No stage has run on these days",
    "features": "no values",
    "incidents": "No incident is open",
    "data-docs": "has not judged any of these days",
    "scorecard": "not known",
}


@pytest.mark.parametrize("page", LISTS, ids=lambda page: page.title)
def test_an_empty_ledger_is_told(settings: Settings, page: Page) -> None:
    empty = Run(settings, load("fraud"), clock=lambda: AT)
    html = whole_page(page, Facts(empty), Served(""))
    assert Parsed(html).stack == []
    assert NOTHING[page.name] in html


@pytest.mark.parametrize(
    ("page", "key"), list(zip(DETAILS, ("no-release", "2031-01-01", "no-feature"), strict=True))
)
def test_what_is_not_there_is_said_to_be_missing(run: Run, page: Page, key: str) -> None:
    with pytest.raises(UsageError):
        whole_page(page, Facts(run), Served(""), key=key)


def test_days_can_be_asked_for(run: Run) -> None:
    days = DayRange(LAST - timedelta(days=3), LAST - timedelta(days=2))
    html = whole_page(LISTS[2], Facts(run, days), Served("/ops"))
    assert str(days.first) in html
    assert f"/ops/days/{LAST}" not in html


def test_a_range_of_years_is_cut_to_its_newest_year(run: Run) -> None:
    days = DayRange(LAST - timedelta(days=1099), LAST)
    facts = Facts(run, days)
    html = whole_page(LISTS[2], facts, Served("/ops"))
    assert facts.shown == DayRange(LAST - timedelta(days=MOST_DAYS - 1), LAST)
    assert f"{1100 - MOST_DAYS} older ones are on earlier pages" in html
    assert f"/ops/days/{LAST}" in html


def test_years_of_releases_cost_no_more_queries_and_the_old_champion_has_its_line(
    settings: Settings,
) -> None:
    """The list asked the ledger for all moves and incidents once for each release: 8 seconds after
    three years.
    """
    made = Run(settings, load("fraud"), run_id="r", actor="test", clock=lambda: AT)
    _add_releases(made, range(3))
    champion = "fraud-0001"
    made.ledger.move_champion(champion, expected=None, reason="first", actor="ann", at=AT)
    few = _queries_of(made)
    _add_releases(made, range(3, NEWEST + 20))
    assert _queries_of(made) == few
    html = whole_page(LISTS[1], Facts(made), Served("/ops"))
    assert f"/ops/releases/{champion}" in html
    assert "/ops/releases/fraud-0000" not in html
    assert "19 older ones" in html


def _add_releases(run: Run, numbers: range) -> None:
    for number in numbers:
        made_at = AT - timedelta(days=7 * (NEWEST + 20 - number))
        run.ledger.add_release(
            f"fraud-{number:04d}", release_account(as_of="2026-11-09"), at=made_at
        )


def _queries_of(run: Run) -> int:
    queries: list[str] = []

    def count(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        queries.append(statement)

    event.listen(run.ledger._engine, "before_cursor_execute", count)
    whole_page(LISTS[1], Facts(run), Served("/ops"))
    event.remove(run.ledger._engine, "before_cursor_execute", count)
    return len(queries)


def test_the_day_page_tells_attempts_gate_and_quarantine(run: Run) -> None:
    html = whole_page(DETAILS[1], Facts(run), Served("/ops"), key=str(REFUSED))
    assert '<td class="number">2</td>' in html, "two attempts"
    assert "held &lt;script&gt;" in html, "the incident about this day"


def test_the_day_page_tells_the_slices_once_labels_matured(run: Run) -> None:
    matured, young = (
        whole_page(DETAILS[1], Facts(run), Served("/ops"), key=str(LAST - timedelta(days=back)))
        for back in (7, 6)
    )
    assert "7 positives of at least 20" in matured
    assert "44 % of 90" in matured
    assert "By slice" not in young
