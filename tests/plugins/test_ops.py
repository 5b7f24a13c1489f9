"""Model Ops behind Airflow's own API server and users: who sees what, who may roll back, how it
looks on a phone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from pipelines.base.settings import CHECKOUT, Settings
from pipelines.run import Run
from pipelines.usecases.registry import load
from tests.browser import browser, chromium
from tests.guarantees.plugin import Tried
from tests.pipelines.ops.ledger_year import (
    LAST,
    write_days,
    write_incidents,
    write_releases,
    write_waiting,
)
from tests.plugins.api_server import SECRET, api_server
from tests.ports import free_ports

pytestmark = pytest.mark.slow

PAGES = (
    "",
    "releases",
    "days",
    f"days/{LAST}",
    "features",
    "features/amount",
    "incidents",
    "data-docs",
    "scorecard",
)
ROUTES = {
    ("get", "/"): "",
    ("get", "/metrics"): "metrics",
    ("get", "/u/{use_case}"): "u/fraud",
    ("get", "/{name}"): "releases",
    ("get", "/{name}/{key}"): f"days/{LAST}",
    ("post", "/releases/{release}/{action}"): "releases/{release}/rollback",
}
"""Every route of the app, and a request to it."""

NOT_TWICE = frozenset({"metrics", "u/fraud"})
"""What is no page of one use case, or its own address already."""

TOKEN = re.compile(r'name="token" value="([^"]+)"')


PATIENCE = 120.0
"""Seconds after which no answer is expected any more."""


class Site:
    """The server's address, its ledger, and its people."""

    def __init__(self, url: str, run: Run, releases: list[str], waiting: str) -> None:
        self.url, self.run, self.releases, self.waiting = url, run, releases, waiting

    def token(self, name: str) -> str:
        answer = httpx.post(
            f"{self.url}/auth/token", json={"username": name, "password": name}, timeout=PATIENCE
        )
        return str(answer.json()["access_token"])

    def person(self, name: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/ops", cookies={"_token": self.token(name)}, timeout=PATIENCE
        )

    @property
    def champion(self) -> str:
        pointer = self.run.ledger.champion()
        assert pointer is not None
        return pointer.release_id

    @property
    def generation(self) -> int:
        pointer = self.run.ledger.champion()
        assert pointer is not None
        return pointer.generation


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    (port,) = free_ports(1)
    settings = Settings.build(home=tmp_path_factory.mktemp("ops") / "home", airflow_port=port)
    run = Run(settings, load("fraud"), run_id="r", actor="test")
    write_days(run, 20)
    releases = write_releases(run)
    waiting = write_waiting(run)
    write_incidents(run)
    with api_server(settings) as url:
        yield Site(url, run, releases, waiting)


def form(site: Site, person: httpx.Client, release: str, **changes: object) -> dict[str, object]:
    """The form of a release's page, as a browser would fill it in."""
    token = TOKEN.search(person.get(f"/releases/{release}").text)
    plain = {
        "token": token[1] if token else "",
        "to": site.releases[0],
        "generation": site.generation,
    }
    return {**plain, "reason": "too many alerts", **changes}


@pytest.mark.guarantee(
    "unauthenticated", fault="every page, without a user", seen="401, nothing of ours in the answer"
)
def test_nobody_sees_anything(site: Site) -> None:
    for path in (*PAGES, f"releases/{site.champion}"):
        assert asked(f"{site.url}/ops/{path}").status_code == 401, path
    for path in ("nothing", "docs", "openapi.json", "metrics"):
        answer = asked(f"{site.url}/ops/{path}")
        assert answer.status_code in {401, 404}, path
        assert "fraud-" not in answer.text
    assert asked(f"{site.url}/ops/").status_code == 401
    assert asked(f"{site.url}/ops/", cookies={"_token": "x"}).status_code == 403
    assert asked(f"{site.url}/ops/releases/{site.champion}/rollback", "post").status_code == 401


def asked(url: str, method: str = "get", **more: Any) -> httpx.Response:
    """What is answered, however long that takes on a busy machine."""
    return httpx.request(method, url, timeout=PATIENCE, **more)


def changed(token: str, **claims: object) -> str:
    """A token with other claims, signed as the server signs (JWS, HS512)."""
    header, payload, _ = token.split(".")
    document = json.loads(base64.urlsafe_b64decode(payload + "=="))
    content = f"{header}.{_base64(json.dumps({**document, **claims}).encode())}"
    return f"{content}.{_base64(hmac.digest(SECRET.encode(), content.encode(), hashlib.sha512))}"


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@pytest.mark.guarantee(
    "unauthenticated", fault="every route of ours × no token, forged, expired, no role, viewer"
)
def test_every_route_asks_who_is_there(site: Site, tried: Tried) -> None:
    source = (CHECKOUT / "plugins" / "tollgate_ops" / "app.py").read_text()
    assert set(re.findall(r'@_(?:router|over_all)\.([a-z]+)\("([^"]+)"', source)) == ROUTES.keys()
    good, before = site.token("ada"), site.champion
    past = int(time.time()) - 60
    tokens = {
        "none": None,
        "forged": good.rpartition(".")[0] + "." + _base64(b"x" * 64),
        "expired": changed(good, iat=past - 60, nbf=past - 60, exp=past),
        "no role": site.token("nina"),
    }
    answers: dict[str, set[int]] = {}
    paths = [(method, path) for (method, _), path in ROUTES.items()]
    paths += [(method, f"u/fraud/{path}") for method, path in paths if path not in NOT_TWICE]
    for method, path in paths:
        url = f"{site.url}/ops/{path.format(release=before)}"
        assert asked(url, method, headers=bearer(changed(good))).status_code in {
            200,
            403,
        }, "it is the token"
        for who, token in (
            *tokens.items(),
            *([("viewer", site.token("vera"))] if method == "post" else []),
        ):
            for given in (
                ({"headers": bearer(token)}, {"cookies": {"_token": token}}) if token else ({},)
            ):
                answer = asked(url, method, **given)
                answers.setdefault(who, set()).add(answer.status_code)
                assert "fraud-" not in answer.text.replace(before, "")
    assert site.champion == before
    assert answers == {
        "none": {401},
        "forged": {403},
        "expired": {401},
        "no role": {403},
        "viewer": {403},
    }
    summary = ", ".join(
        f"{who} {'/'.join(map(str, sorted(codes)))}" for who, codes in answers.items()
    )
    tried(len(paths) * len(tokens) + 2, f"{summary}; the champion stays")


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.guarantee(
    "huge request", fault="a form of 1 GiB (in `make test` 64 MiB), its length told or in chunks"
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_huge_form_is_refused_and_takes_no_memory(
    site: Site, chunked: bool, tried: Tried, thorough: bool
) -> None:
    size, piece = (1 << 30 if thorough else 1 << 26), b"reason=" + b"x" * ((1 << 20) - 7)
    command = ["tests.plugins.api_server", site.url.rpartition(":")[2]]
    server = next(
        process
        for process in psutil.process_iter(["cmdline"])
        if (process.info["cmdline"] or [])[-2:] == command
    )
    before = peak_memory(server.pid)
    headers = {"content-type": "application/x-www-form-urlencoded"} | (
        {} if chunked else {"content-length": str(size)}
    )
    pieces = (piece for _ in range(size // len(piece)))
    for who in ({}, {"_token": site.token("otto")}):
        answer = httpx.post(
            f"{site.url}/ops/releases/{site.champion}/rollback",
            content=pieces,
            headers=headers,
            cookies=who,
            timeout=PATIENCE,
        )
        assert answer.status_code == 413, answer.text
        pieces = (piece for _ in range(size // len(piece)))
    grown = (peak_memory(server.pid) - before) >> 20
    assert grown < 32
    tried(2, f"413, by a user and by nobody; the server's peak memory grew by {grown} MiB")


def peak_memory(pid: int) -> int:
    """The largest resident memory that the process ever had, bytes."""
    match = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match
    return int(match[1]) * 1024


@pytest.mark.guarantee(
    "unauthenticated", fault="a viewer posts a rollback", seen="403, the champion stays"
)
def test_a_viewer_sees_all_and_moves_nothing(site: Site) -> None:
    before = site.run.ledger.champion()
    with site.person("vera") as vera:
        scraped = vera.get("/metrics")
        assert scraped.headers["content-type"].startswith("application/openmetrics-text")
        assert "tollgate_champion_generation" in scraped.text
        assert {path: vera.get(f"/{path}").status_code for path in PAGES} == dict.fromkeys(
            PAGES, 200
        )
        page = vera.get(f"/releases/{site.champion}")
        assert "<form" not in page.text
        assert "role in Airflow" in page.text
        answer = vera.post(
            f"/releases/{site.champion}/rollback", data=form(site, vera, site.champion)
        )
    assert answer.status_code == 403
    assert "Your role in Airflow does not allow this" in answer.text
    assert site.run.ledger.champion() == before


@pytest.mark.guarantee(
    "unauthenticated",
    fault="forms without our token, with a made-up one, from elsewhere, of another user",
    seen="403, the champion stays",
)
@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "made.up.token"}, {}),
        ({}, {"origin": "https://elsewhere.example"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ],
)
def test_a_form_of_another_site_moves_nothing(
    site: Site, changes: dict[str, object], headers: dict[str, str]
) -> None:
    before = site.run.ledger.champion()
    with site.person("otto") as otto:
        data = form(site, otto, site.champion, **changes)
        assert (
            otto.post(f"/releases/{site.champion}/rollback", data=data, headers=headers).status_code
            == 403
        )
        other = form(site, otto, site.releases[0])
        assert otto.post(f"/releases/{site.champion}/rollback", data=other).status_code == 403
    with site.person("ada") as ada:
        assert ada.post(f"/releases/{site.champion}/rollback", data=data).status_code == 403, (
            "made for otto"
        )
    assert site.run.ledger.champion() == before


def test_an_action_that_nobody_knows_is_not_found(site: Site) -> None:
    with site.person("otto") as otto:
        assert otto.post(f"/releases/{site.champion}/delete", data={}).status_code == 404


@pytest.mark.parametrize(
    ("changes", "status"), [({"reason": " "}, 422), ({"generation": 9}, 409), ({"to": "x"}, 409)]
)
def test_what_cannot_be_done_is_told(site: Site, changes: dict[str, object], status: int) -> None:
    before = site.run.ledger.champion()
    with site.person("otto") as otto:
        data = form(site, otto, site.champion, **changes)
        answer = otto.post(f"/releases/{site.champion}/rollback", data=data)
    assert answer.status_code == status
    assert "<h1>" in answer.text
    assert site.run.ledger.champion() == before


def test_in_a_browser(site: Site) -> None:
    """At phone and desk width, light and dark: nothing wider than the window, nothing refused; then
    a rollback.
    """
    if chromium() is None:
        pytest.skip("no Chromium")
    back, champion = site.releases
    with browser() as tab:
        tab.cookie(site.url, "_token", site.token("otto"))
        for width, dark in ((390, True), (1280, False)):
            tab.look(width, dark=dark)
            for path in (*PAGES, f"releases/{champion}"):
                tab.open(f"{site.url}/ops/{path}")
                assert tab.ask("document.documentElement.scrollWidth") <= width, (path, width)
                assert "Model Ops" in tab.ask("document.title"), path
                background = tab.ask("getComputedStyle(document.body).backgroundColor")
                assert background == ("rgb(18, 22, 28)" if dark else "rgb(246, 247, 249)")
        tab.open(f"{site.url}/ops/releases/{site.waiting}")
        tab.ask(
            "document.querySelector('form[action$=reject] input[name=reason]').value = 'not on a"
            " Friday'"
        )
        tab.submit("document.querySelector('form[action$=reject] button').click()")
        assert "rejected by otto: not on a Friday" in tab.ask("document.body.textContent")
        tab.open(f"{site.url}/ops/releases/{champion}")
        tab.ask(
            "document.querySelector('form[action$=rollback] input[name=reason]').value = 'seen in"
            " the browser'"
        )
        tab.submit("document.querySelector('form[action$=rollback] button').click()")
        assert tab.ask("document.querySelector('h1').textContent") == back
        assert tab.errors == []
    move = site.run.ledger.moves()[-1]
    assert (move.kind, move.champion, move.actor, move.reason) == (
        "rollback",
        back,
        "otto",
        "seen in the browser",
    )
