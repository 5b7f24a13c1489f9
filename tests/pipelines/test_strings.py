"""Any text at every place where input becomes a path, SQL or HTML (CSV:
nightly/score/test_alerts.py).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.fraud import BASELINE
from pipelines.accounts.audit import AuditDetail
from pipelines.base.days import parse_day
from pipelines.base.errors import PermanentError, TollgateError, UsageError
from pipelines.base.settings import Settings
from pipelines.landing.landing import Landing
from pipelines.ledger.ledger import Ledger, NewIncident
from pipelines.object_store.storage import LocalStorage
from pipelines.ops.facts import Facts
from pipelines.ops.links import Served
from pipelines.ops.pages import DETAILS, LISTS, whole_page
from pipelines.releases.bundle import load_bundle
from pipelines.run import Run
from pipelines.training.golden_store import load_golden
from pipelines.usecases.registry import load
from tests.accounts import incident_detail, ingest_account, release_account
from tests.servers import new_database

AT = datetime(2026, 11, 20, 2, tzinfo=UTC)
DAY = date(2026, 11, 7)
EVIL = """
../../etc/passwd | /etc/passwd | .. | . | %2e%2e%2f | ..\\..\\x | a/../../b | ~ | x/y
'; DROP TABLE releases; -- | " OR ""=" | x') UNION SELECT 1 -- | $(id) | `id` | {{7*7}} | ${jndi:ldap://x}
<script>alert(1)</script> | "><img src=x onerror=alert(1)> | </title> | &#60;b&#62; | <!-- | javascript:1
=1+1 | @SUM(A1) | ＤＲＯＰ | 𝔘𝔫𝔦 | NaN | 2026-11-07/
""".replace("\n", " | ").split(" | ")  # noqa: E501
EVIL += ["", "\x00", "a\x00b", "a\nb", "a\r\nSet-Cookie: x", "2026-11-07\n", "\u202e"]
TEXT = st.one_of(st.sampled_from(EVIL), st.text(max_size=40))
DOORS: dict[str, Callable[[Path, str], object]] = {
    "a day": lambda _, text: parse_day(text),
    "a feed that is read": lambda root, text: Landing(LocalStorage(root)).arrival(text, DAY),
    "a feed that is written": (
        lambda root, text: Landing(LocalStorage(root)).write_day(text, DAY, [])
    ),
    "a release": lambda root, text: load_bundle(root, text),
    "a golden set": lambda root, text: load_golden(root, text),
    "a use case": lambda _, text: load(text),
    "a feature set": lambda _, text: load("fraud").feature_set(text),
    "the setting of a use case": lambda root, text: (
        Settings.build(home=root, use_case=text).use_case
    ),
}
"""Where text becomes (a part of) a path or a module's name."""


@pytest.mark.guarantee(
    "path tricks",
    fault="any text (hypothesis) as a day, feed, release, golden set, use case, feature set",
    seen="taken as a plain name or refused in our words; nothing lies outside the root",
)
@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=60, deadline=None)
@given(text=TEXT)
def test_text_that_becomes_a_path_stays_inside(door: str, text: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder, "outer", "root")
        root.mkdir(parents=True)
        if taken(DOORS[door], root, text):
            assert not set(text) & set("./\\%\x00~ \n"), "only plain names are taken"
        inside = {path for path in Path(folder).rglob("*") if path.is_relative_to(root)}
        assert set(Path(folder).rglob("*")) - inside == {root.parent}


def taken(door: Callable[[Path, str], object], root: Path, text: str) -> bool:
    """Whether the door takes the text; an error that is not ours goes on."""
    try:
        door(root, text)
    except TollgateError:
        return False
    return True


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    """One ledger for all texts: what one of them had broken, the next would see."""
    server = request.getfixturevalue("postgresql_server") if request.param == "postgresql" else None
    made = Ledger(new_database(server) if server else "sqlite://", "fraud")
    made.add_release("known", release_account(), at=AT)
    return made


@pytest.mark.guarantee(
    "injection",
    fault=(
        "any text (hypothesis) as release, actor, reason, run, payload of the ledger, on SQLite and"
        " PostgreSQL"
    ),
    seen="it comes back as it was written, or is refused in our words; nothing else is changed",
)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=TEXT)
def test_text_that_goes_into_the_ledger_is_no_sql(ledger: Ledger, text: str) -> None:
    counted = len(ledger.audit_entries(AuditDetail))
    try:
        ledger.record_stage(
            DAY, ingest_account(reason=text, rules={text: 1}), "refused", run_id=text, at=AT
        )
        new = NewIncident(
            kind="drift",
            subject=text,
            severity="warning",
            summary=text,
            detail=incident_detail(next_step=text),
        )
        number = ledger.report_incident(new, at=AT, actor=text)[0].incident_id
        ledger.settle_incident("drift", text, resolution=text, at=AT, actor=text)
    except PermanentError:
        assert "\x00" in text, "PostgreSQL's text has no NUL"
        return
    assert ledger.latest("ingest")[DAY].account.reason == text
    assert ledger.latest("ingest")[DAY].run_id == text
    kept = next(incident for incident in ledger.incidents() if incident.incident_id == number)
    assert (kept.subject, kept.summary, kept.resolution, kept.detail.next_step) == (
        text,
        text,
        text,
        text,
    )
    assert [release.release_id for release in ledger.releases()] == ["known"]
    with pytest.raises(PermanentError):
        ledger.release(text)
    assert len(ledger.audit_entries(AuditDetail)) >= counted


class Tags(HTMLParser):
    """The tags of a page with their attributes' names, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))


def pages(text: str) -> list[str]:
    """All pages of a home whose ledger is full of the text."""
    with TemporaryDirectory() as folder:
        made = Run(Settings.build(home=folder, ledger="sqlite://"), load("fraud"), clock=lambda: AT)
        made.ledger.record_stage(DAY, ingest_account(reason=text), "refused", run_id=text, at=AT)
        incident = NewIncident(
            kind="drift",
            subject=text,
            severity="critical",
            summary=text,
            detail=incident_detail(next_step=text),
        )
        made.ledger.report_incident(incident, at=AT, actor=text)
        facts = Facts(made)
        day_page = next(page for page in DETAILS if page.name == "days")
        return [
            *(whole_page(page, facts, Served("/ops")) for page in LISTS),
            whole_page(day_page, facts, Served("/ops"), key=str(DAY)),
        ]


PLAIN = [Tags(html).elements for html in pages("plain")]


@pytest.mark.guarantee(
    "injection",
    fault=(
        "any text (hypothesis) as run, reason, subject and summary, on all of the Model Ops pages"
    ),
    seen="the very tags of a page that holds plain words",
)
@settings(max_examples=25, deadline=None)
@given(text=TEXT.filter(lambda text: text.strip() != "" and str(DAY) not in text))
def test_text_on_a_page_is_text(text: str) -> None:
    """Days in a text are made links to their pages, by intent: such texts are left out."""
    assert [Tags(html).elements for html in pages(text)] == PLAIN


@settings(max_examples=30, deadline=None)
@given(text=TEXT)
def test_a_page_of_something_unknown_is_refused(text: str) -> None:
    with TemporaryDirectory() as folder:
        facts = Facts(
            Run(Settings.build(home=folder, ledger="sqlite://"), load("fraud"), clock=lambda: AT)
        )
        for page in DETAILS:
            if text not in BASELINE.names:
                with pytest.raises(UsageError):
                    whole_page(page, facts, Served("/ops"), key=text)
