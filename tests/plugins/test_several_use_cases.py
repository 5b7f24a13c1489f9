"""Model Ops beside several use cases: it opens on their list, and each has pages of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from pipelines.base.settings import Settings
from pipelines.run import Run
from pipelines.usecases.registry import load
from plugins.tollgate_ops import access, app
from tests.pipelines.ops.ledger_year import LAST, write_days, write_releases
from tests.pipelines.usecases.more_use_cases import like_fraud, use_cases_in


@pytest.fixture
def client(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    """A reader of every use case's pages but those of `secret`."""
    monkeypatch.setenv("TOLLGATE_HOME", str(settings.home))
    settings.home.mkdir(exist_ok=True)
    more = {
        "returns": like_fraud("returns"),
        "secret": like_fraud("secret"),
        "bike": "import nothing_at_all",
    }
    app._run.cache_clear()
    with use_cases_in(tmp_path / "more", **more):
        run = Run(settings, load("returns"), run_id="r", actor="test")
        write_days(run, 5)
        write_releases(run)
        monkeypatch.setattr(app, "may_see", lambda _user, name: name != "secret")
        made = app.ops_app()
        made.dependency_overrides[get_user] = lambda: SimpleNamespace(get_name=lambda: "vera")
        made.dependency_overrides[access.may_read] = lambda: None
        made.dependency_overrides[access.acts] = lambda: False
        yield TestClient(made)
    app._run.cache_clear()


def test_it_opens_on_the_list_and_leads_into_each(client: TestClient) -> None:
    text = client.get("/").text
    assert '<a href="/u/returns/">returns</a>' in text
    assert '<a href="/u/fraud/">fraud</a>' in text
    assert "secret" not in text
    assert "nothing_at_all" in text, "one that does not load says why"
    assert 'href="/u/bike/"' not in text
    assert str(LAST) in text


def test_each_page_is_of_its_own_use_case_and_leads_to_its_own(client: TestClient) -> None:
    for path in ("", "releases", "days", f"days/{LAST}", "features", "incidents", "scorecard"):
        answer = client.get(f"/u/returns/{path}")
        assert answer.status_code == 200, path
        assert "<b>returns</b>" in answer.text
        assert 'href="/u/returns/releases"' in answer.text
        assert '<a href="/">All use cases</a>' in answer.text
        assert "/u/fraud/" not in answer.text
    assert "<b>fraud</b>" in client.get("/releases").text
    assert 'href="/u/fraud/days"' in client.get("/releases").text
    assert client.get("/u/returns").text.count("<b>returns</b>") == 1


def test_one_that_is_not_there_or_does_not_load_says_so(client: TestClient) -> None:
    answer = client.get("/u/parcels/")
    assert answer.status_code == 404
    assert "nknown use case" in answer.text
    answer = client.get("/u/bike/")
    assert (answer.status_code, "cannot be imported" in answer.text) == (409, True)


def test_the_figures_are_of_all_that_the_reader_may_see(client: TestClient) -> None:
    text = client.get("/metrics").text
    assert text.count("# TYPE tollgate_releases gauge") == 1
    for name in ("fraud", "returns"):
        assert f'tollgate_releases{{use_case="{name}"}}' in text
    assert "secret" not in text
    assert text.endswith("# EOF\n")
