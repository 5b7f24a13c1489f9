"""The pages of Model Ops by name, and how one is made: facts in, escaped HTML out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from markupsafe import Markup

from pipelines.ops.data_docs import data_docs_content
from pipelines.ops.day import day_content, days_content
from pipelines.ops.facts import Facts
from pipelines.ops.features import feature_content, features_content
from pipelines.ops.incidents import incidents_content
from pipelines.ops.links import Links, anchor
from pipelines.ops.now import now_content
from pipelines.ops.release import release_content, releases_content
from pipelines.ops.scorecard import scorecard_content
from pipelines.pages.render import render
from pipelines.status.use_cases import Overview

Content = Callable[[Facts, str], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page: its address below the root, its title, its template, and what the template shows.

    A page of one thing (`key`) stands below the page of all of them, `parent`.
    """

    name: str
    title: str
    template: str
    content: Content
    parent: str = ""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Who looks: `forms` holds what this person may do on a page of one release, by action: the
    token of each form.
    """

    name: str = ""
    forms: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


LISTS = (
    Page(name="", title="Now", template="now", content=lambda facts, _: now_content(facts)),
    Page(
        name="releases",
        title="Releases",
        template="releases",
        content=lambda facts, _: releases_content(facts),
    ),
    Page(name="days", title="Days", template="days", content=lambda facts, _: days_content(facts)),
    Page(
        name="features",
        title="Features",
        template="features",
        content=lambda facts, _: features_content(facts),
    ),
    Page(
        name="incidents",
        title="Incidents",
        template="incidents",
        content=lambda facts, _: incidents_content(facts),
    ),
    Page(
        name="data-docs",
        title="Data docs",
        template="data_docs",
        content=lambda facts, _: data_docs_content(facts),
    ),
    Page(
        name="scorecard",
        title="Scorecard",
        template="scorecard",
        content=lambda facts, _: scorecard_content(facts),
    ),
)
"""The pages of the navigation, in its order."""

DETAILS = (
    Page(
        name="releases",
        title="Release",
        template="release",
        content=release_content,
        parent="releases",
    ),
    Page(name="days", title="Day", template="day", content=day_content, parent="days"),
    Page(
        name="features",
        title="Feature",
        template="feature",
        content=feature_content,
        parent="features",
    ),
)
"""The pages of one release, day or feature."""


def fragment(
    page: Page, facts: Facts, links: Links, *, key: str = "", reader: Reader | None = None
) -> Markup:
    """The page's own content as HTML; raises `PermanentError` where `key` names nothing that is
    known.
    """
    html = render(
        f"ops/{page.template}.html.j2",
        **page.content(facts, key),
        facts=facts,
        use_case=facts.use_case,
        reader=reader or Reader(),
        to=links.to,
        link=lambda text, page, key="", **query: anchor(links, text, page, key, **query),
    )
    return Markup(html)


def overview_page(
    rows: Sequence[Overview], links: Mapping[str, Links], *, reader: str, at: datetime
) -> str:
    """The first page of several use cases: each with what decides, how far it is, whether it is
    well.

    `links` lead to the pages of each, by its name; `at` is the time of reading (UTC).
    """
    return render(
        "ops/use_cases.html.j2",
        rows=[(row, links[row.name].to("") if row.problem else "") for row in rows],
        made=at,
        reader=Reader(name=reader),
    )


def whole_page(
    page: Page,
    facts: Facts,
    links: Links,
    *,
    key: str = "",
    reader: Reader | None = None,
    overview: str = "",
) -> str:
    """The page as one HTML document with navigation; `overview` is the address of the list of use
    cases, where there is one.
    """
    return render(
        "ops/frame.html.j2",
        title=key or page.title,
        use_case=facts.use_case,
        overview=overview,
        menu=[
            (entry.title, links.to(entry.name), entry.name == (page.parent or page.name))
            for entry in LISTS
        ],
        content=fragment(page, facts, links, key=key, reader=reader),
        made=facts.at,
        reader=reader or Reader(),
    )
