"""The one file: every page in it, no way out of it, and nothing in it that a value could have
become.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.base.settings import Settings
from pipelines.ops.one_file import report_path, write_report
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.pipelines.ops.ledger_year import AT, LAST, write_days, write_incidents, write_releases
from tests.pipelines.ops.test_pages import Parsed


def test_every_page_is_in_it_and_links_stay_inside(settings: Settings, tmp_path: Path) -> None:
    run = Run(settings, load("fraud"), clock=lambda: AT)
    write_days(run, 12)
    ids = write_releases(run)
    write_incidents(run)
    path = write_report(run, out=tmp_path / "out.html")
    text = path.read_text()
    parsed = Parsed(text)
    assert "script" not in parsed.tags
    assert "form" not in parsed.tags
    assert parsed.stack == []
    anchors = {part.split('"')[0] for part in text.split('id="')[1:]}
    assert {
        "now",
        "days",
        "scorecard",
        f"days-{LAST}",
        f"releases-{ids[0]}",
        "features-amount",
    } <= anchors
    assert {address.removeprefix("#") for address in parsed.addresses} <= anchors
    assert path.stat().st_size < 2_000_000
    assert write_report(run) == report_path(run.folder)
