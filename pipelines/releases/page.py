"""The page of a release: its model card, below the title what became of the model since the card
was made.

A card knows nothing of moves, answers, overrides and incidents, which come later. MLflow keeps it
as it was made; the page in the home's reports holds the same card, and its head is written anew
after every move, from the ledger alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.accounts.audit import ApprovalDetail, AuditEntry, RejectionDetail
from pipelines.base.errors import StoreError
from pipelines.ledger.ledger import Incident, Move
from pipelines.pages.document import Grid, Link, Section, Text, sections_html
from pipelines.pages.render import write_page
from pipelines.releases.facts import ReleaseRow, release_rows
from pipelines.run import Run

LOGGER = logging.getLogger(__name__)
MOVE_COLUMNS = ("number", "when", "move", "release", "champion", "challenger", "by", "why")
_SINCE = re.compile(r"<!-- since -->.*?<!-- /since -->", re.DOTALL)


def release_page_path(folder: Path, release_id: str) -> Path:
    """Where the page of a release is."""
    return folder / "reports" / "releases" / f"{release_id}.html"


def write_release_pages(run: Run, cards: Mapping[str, str] | None = None) -> list[Path]:
    """Write the head of every release's page; raises `StoreError`.

    `cards` are model cards (HTML) of new releases.

    A release whose card is not here (it was made elsewhere) has no page.
    """
    moves = run.ledger.moves()
    answers: list[AuditEntry[Any]] = [
        *run.ledger.audit_entries(ApprovalDetail),
        *run.ledger.audit_entries(RejectionDetail),
    ]
    written = []
    for row in release_rows(run):
        path = release_page_path(run.folder, row.release)
        card = (cards or {}).get(row.release) or (
            path.read_text(encoding="utf-8") if path.is_file() else ""
        )
        if card:
            sections = since_sections(row, run.ledger.states(row.release), moves, answers)
            written.append(write_page(path, with_head(card, sections_html(sections))))
    return written


def refresh_release_pages(run: Run, cards: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """The same after a move, which stands whatever becomes of the pages; returns warnings."""
    try:
        write_release_pages(run, cards)
    except (StoreError, OSError) as error:
        LOGGER.warning("the pages of releases are not up to date: %s", error)
        return ("the pages of releases are not up to date; `tollgate report` writes them again",)
    return ()


def since_sections(
    row: ReleaseRow,
    states: Sequence[Mapping[str, str]],
    moves: Iterable[Move],
    answers: Iterable[AuditEntry[Any]],
) -> list[Section]:
    """What became of a release; what there is nothing to tell of is left out.

    `answers` are audit entries.
    """
    concerned = [move for move in moves if row.release in _named(move)]
    paragraphs = [f"{row.state} since {_instant(row.since)}: {row.state_reason}", *row.notes]
    approver = [f"Let through by {row.approver}."] if row.approver else []
    return [
        Section(
            "Since it was made",
            [*map(Text, (*paragraphs, *approver)), Link("all days and releases", "../index.html")],
        ),
        *_section(
            "Overrides",
            ("when", "who", "move", "against", "why"),
            [_override(override) for override in row.overrides],
        ),
        *_section(
            "Incidents",
            ("opened", "kind", "severity", "what", "resolved"),
            [_told(i) for i in row.incidents],
        ),
        *_section("States", ("since", "state", "by", "why"), [_state(state) for state in states]),
        *_section(
            "Answers",
            ("when", "who", "answer", "why"),
            [_answer(answer) for answer in answers if answer.subject == row.release],
        ),
        *_section("Moves", MOVE_COLUMNS, [_move(move) for move in concerned]),
    ]


def with_head(card: str, head: str) -> str:
    """The card's HTML with the head below its title, in place of an earlier one."""
    marked = f"<!-- since -->{head}<!-- /since -->"
    if _SINCE.search(card):
        return _SINCE.sub(lambda _: marked, card, count=1)
    return card.replace("</h1>", f"</h1>\n{marked}", 1)


def _section(
    heading: str, columns: Sequence[str], rows: Sequence[Sequence[object]]
) -> list[Section]:
    return [Section(heading, (Grid(columns, rows),))] if rows else []


def _named(move: Move) -> set[Any]:
    """The releases that a move is about."""
    return {move.subject, move.champion, move.challenger, move.detail.before}


def _override(override: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        _instant(override["at"]),
        override["actor"],
        override["kind"],
        override["against"],
        override["reason"],
    )


def _told(incident: Incident) -> tuple[object, ...]:
    resolved = (
        f"{incident.resolved_at:%Y-%m-%d %H:%M} UTC: {incident.resolution}"
        if incident.resolved_at
        else "open"
    )
    return (
        f"{incident.opened_at:%Y-%m-%d %H:%M} UTC",
        incident.kind,
        incident.severity,
        incident.summary,
        resolved,
    )


def _state(state: Mapping[str, str]) -> tuple[object, ...]:
    return (_instant(state["recorded_at"]), state["state"], state["actor"], state["reason"])


def _answer(answer: AuditEntry[Any]) -> tuple[object, ...]:
    return (
        _instant(answer.recorded_at.isoformat()),
        answer.actor,
        answer.kind,
        answer.detail.reason,
    )


def _move(m: Move) -> tuple[object, ...]:
    return (
        m.generation,
        f"{m.at:%Y-%m-%d %H:%M} UTC",
        m.kind,
        m.subject,
        m.champion,
        m.challenger,
        m.actor,
        m.reason,
    )


def _instant(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"
