"""The page of a release, and what status, overview, lists and card say of it: no override or
incident is lost.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipelines.base.settings import Settings
from pipelines.ledger.ledger import NewIncident
from pipelines.ops.one_file import write_report
from pipelines.pages.document import Document, Section, Text
from pipelines.releases.approval import approve
from pipelines.releases.facts import release_rows
from pipelines.releases.inventory import all_releases
from pipelines.releases.page import refresh_release_pages, release_page_path
from pipelines.releases.promotion import promote
from pipelines.releases.undo import rollback
from pipelines.run import Run
from pipelines.status.status import standing
from tests.pipelines.releases.boosters import AT
from tests.pipelines.releases.bundles import USE, stored_release

EVIL = '<img src=x onerror="alert(1)">'


class _Page(HTMLParser):
    """Headings, links and cells of a page; empty cells and unknown tags would show."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.headings: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self._in = ""
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._in = tag
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        if self._in == "h2" and data.strip():
            self.headings.append(data)
        self._in = ""


@pytest.fixture
def run(settings: Settings) -> Run:
    return Run(settings, USE, run_id="test-run", actor="ann", clock=lambda: AT)


@pytest.fixture
def ids(run: Run) -> list[str]:
    """A champion by the policy, a refused release that a person put over it, and one that waits."""
    release_ids = [
        stored_release(run, 1, "approved").release_id,
        stored_release(run, 2, "refused").release_id,
    ]
    promote(run, release_ids[0], reason="approved")
    promote(run, release_ids[1], to="champion", reason=f"the board {EVIL}", override=True)
    flood = NewIncident(
        kind="guardrail", subject=release_ids[1], severity="critical", summary=f"a flood {EVIL}"
    )
    run.ledger.report_incident(flood, at=AT, actor="t")
    waiting = stored_release(run, 3, "needs a person").release_id
    run.ledger.set_state(waiting, "candidate", reason="waits for approval", actor="train", at=AT)
    return [*release_ids, waiting]


def _cards(run: Run) -> dict[str, str]:
    return {
        release.release_id: Document(
            f"Model card: {release.release_id}", [Section("Purpose", (Text("none"),))]
        ).to_html()
        for release in run.ledger.releases()
    }


def test_a_page_tells_override_incident_states_and_moves(run: Run, ids: list[str]) -> None:
    assert refresh_release_pages(run, _cards(run)) == ()
    path = release_page_path(run.folder, ids[1])
    page = _Page(path)
    assert page.headings == [
        "Since it was made",
        "Overrides",
        "Incidents",
        "States",
        "Moves",
        "Purpose",
    ]
    assert "img" not in page.tags, "what others wrote is text"
    assert page.links == ["../index.html"]
    for fragment in (
        "verdict is &#x27;refused&#x27;",
        "the board &lt;img",
        "a flood &lt;img",
        "by ann",
        "open incident",
    ):
        assert fragment in path.read_text(), fragment


def test_sections_without_content_are_left_out(run: Run, ids: list[str]) -> None:
    refresh_release_pages(run, _cards(run))
    page = _Page(release_page_path(run.folder, ids[2]))
    assert page.headings == ["Since it was made", "States", "Purpose"]


def test_a_page_follows_moves_and_resolved_incidents(run: Run, ids: list[str]) -> None:
    refresh_release_pages(run, _cards(run))
    run.ledger.settle_incident("guardrail", ids[1], resolution="looked at", at=AT, actor="ben")
    rollback(run, reason="nonsense")
    refresh_release_pages(run)
    path = release_page_path(run.folder, ids[1])
    assert _Page(path).headings == [
        "Since it was made",
        "Overrides",
        "Incidents",
        "States",
        "Moves",
        "Purpose",
    ]
    text = path.read_text()
    assert "open incident" not in text
    for fragment in ("retired since", "rollback", "nonsense", "looked at"):
        assert fragment in text, fragment


def test_the_report_shows_it_too(run: Run, ids: list[str]) -> None:
    approve(run, ids[2], approver="ben", reason="seen the slices")
    text = write_report(run).read_text()
    for fragment in (
        "Against the rules",
        "a flood &lt;img",
        "Let through by ben",
        "seen the slices",
        f"{ids[2]}.html",
    ):
        assert fragment in text, fragment


def test_override_and_incident_are_shown_wherever_the_release_is(run: Run, ids: list[str]) -> None:
    now = standing(run)
    attention = " ".join(what for _, what in now.attention)
    listed = {summary.release: summary.to_json() for summary in all_releases(run)}
    row = {row.release: row for row in release_rows(run)}[ids[1]]
    for text in (
        attention,
        " ".join(listed[ids[1]]["notes"]),
        " ".join(row.notes),
        str(now.to_json()["releases"][1]),
    ):
        assert "the board" in text
        assert "a flood" in text
    assert f"{ids[2]} is a candidate: waits for approval" in attention
    assert listed[ids[0]]["notes"] == []
    assert (listed[ids[0]]["approver"], listed[ids[1]]["approver"], listed[ids[2]]["approver"]) == (
        "policy",
        "ann",
        None,
    )


def test_a_full_disk_does_not_undo_a_move(run: Run, ids: list[str]) -> None:
    reports = run.folder / "reports"
    reports.parent.mkdir(exist_ok=True)
    reports.write_text("not a folder")
    assert "not up to date" in refresh_release_pages(run, _cards(run))[0]


def test_status_names_what_is_tried_out(run: Run, ids: list[str]) -> None:
    release = stored_release(run, 4, "approved").release_id
    promote(run, release, reason="approved")
    now = standing(run)
    assert now.challenger is not None
    assert (now.challenger.release, now.challenger.state) == (release, "shadow")
