"""The table of guarantees as Markdown: made of marks and outcomes, and read back so that a part can
be run again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from tests.guarantees.listed import GUARANTEES, Guarantee
from tests.guarantees.marked import Marked

NOT_RUN = "not run yet"
_WIDEST = 160
_HEAD = ("fault", "tried", "seen", "test", "run")
_INTRODUCTION = """# What holds when things go wrong

Made by `make test-faults` from the run of the tests themselves; do not edit. Each row is a test that injects the fault
into the real thing: *tried* is how often it did, *seen* what it counted or asserted. A test that failed or was skipped
says so, and one that was never run, too. Running a part
(`.venv/bin/python -m pytest FILE -m guarantee --thorough --guarantees docs/guarantees.md`) brings its rows up to date;
*run* is the day (UTC) of a row's last run. `make test` runs these tests too,
most with fewer tries, and the kills of an ingest not at all.
"""  # noqa: E501


@dataclass(frozen=True)
class Outcome:
    """How one test (a parameter of it) ended: pytest's word, the tries it reported, why it did not
    pass.
    """

    word: str
    tries: Sequence[tuple[int, str]] = ()
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A row of the table below its guarantee."""

    guarantee: str
    fault: str
    tried: str
    seen: str
    test: str
    run: str

    @property
    def held(self) -> bool:
        """Whether the test ran, and what must hold did."""
        return self.tried != "" and not self.seen.startswith(("FAILED", "skipped", NOT_RUN))


def row_of(mark: Marked, outcomes: Sequence[Outcome], run: str) -> Row:
    """The row of a marked test from the outcomes of all its parameters; without outcomes it was not
    run.
    """
    words = Counter(outcome.word for outcome in outcomes)
    bad = next((outcome for outcome in outcomes if outcome.word == "failed"), None)
    if bad is not None:
        tried, seen = (
            str(len(outcomes)),
            f"FAILED {words['failed']} of {len(outcomes)}: {bad.reason}",
        )
    elif words["skipped"]:
        reason = next(outcome.reason for outcome in outcomes if outcome.word == "skipped")
        tried, seen = (
            str(words["passed"]),
            f"skipped {words['skipped']} of {len(outcomes)}: {reason}",
        )
    elif not outcomes:
        tried, seen = "", NOT_RUN
    else:
        reported = list(chain.from_iterable(outcome.tries for outcome in outcomes))
        tried = f"{sum(times for times, _ in reported) if reported else len(outcomes):,}"
        seen = (
            "; ".join(dict.fromkeys(text for _, text in reported)) or mark.seen or "as it must be"
        )
    return Row(mark.guarantee, _cell(mark.fault), tried, _cell(seen), mark.test, run)


def rendered(rows: Sequence[Row]) -> str:
    """The whole document."""
    held = sum(row.held for row in rows)
    ran = [row for row in rows if row.seen != NOT_RUN]
    total = (
        f"{len(GUARANTEES)} guarantees, {len(rows)} tests: {held} of {len(ran)} that were run held"
    )
    total += f", {len(rows) - len(ran)} not run yet." if len(rows) > len(ran) else "."
    parts = [_INTRODUCTION, total + "\n"]
    for guarantee in GUARANTEES:
        parts.append(_section(guarantee, [row for row in rows if row.guarantee == guarantee.name]))
    return "\n".join(parts)


def _section(guarantee: Guarantee, rows: Sequence[Row]) -> str:
    lines = [f"## {guarantee.name}", "", f"{guarantee.fault}: {guarantee.must_see}.", ""]
    if rows:
        lines += [_line(_HEAD), _line(("---",) * len(_HEAD))]
        lines += [_line((row.fault, row.tried, row.seen, f"`{row.test}`", row.run)) for row in rows]
        lines.append("")
    if guarantee.not_built:
        lines += [f"Not built: {guarantee.not_built}.", ""]
    return "\n".join(lines)


def parsed(text: str) -> dict[tuple[str, str], Row]:
    """The rows of a document, by guarantee and test."""
    rows: dict[tuple[str, str], Row] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("## "):
            name = line.removeprefix("## ")
        cells = line.removeprefix("| ").removesuffix(" |").split(" | ")
        if len(cells) == len(_HEAD) and cells[3].startswith("`"):
            fault, tried, seen, test, run = cells
            rows[(name, test.strip("`"))] = Row(
                name, fault, tried.strip(), seen, test.strip("`"), run.strip()
            )
    return rows


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text as a cell: one line, no bar and no tag of its own."""
    flat = " ".join(text.split()).replace("|", "¦").replace("<", "‹").replace(">", "›")
    return flat if len(flat) <= _WIDEST else f"{flat[: _WIDEST - 1]}…"
