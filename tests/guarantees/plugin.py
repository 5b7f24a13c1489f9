"""The part of pytest that keeps the books of the marked tests, and writes the table after a run
that asks for it.

Options: `--guarantees FILE` writes (or, after a part of the tests, brings up to date) the table;
`--thorough` lets tests inject their faults as often as the guarantees say, where a usual run takes
a few. Reports of xdist's workers come together in the controller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.guarantees.listed import BY_NAME
from tests.guarantees.marked import marked_tests
from tests.guarantees.table import Outcome, Row, parsed, rendered, row_of

Tried = Callable[[int, str], None]
"""How often a fault was injected, and what was seen."""

MARK = "guarantee"
TRIED = "tried"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("guarantees")
    group.addoption(
        "--guarantees", type=Path, default=None, help="write the table of guarantees to this file"
    )
    group.addoption(
        "--thorough", action="store_true", help="inject every fault as often as the guarantees say"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{MARK}(name, fault=…, seen=…): injects a fault of the list tests/guarantees/listed.py",
    )
    if config.getoption("guarantees") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Books(config.getoption("guarantees")), "guarantee-books")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers(MARK):
            if mark.args[0] not in BY_NAME:
                raise pytest.UsageError(f"{item.nodeid}: no guarantee is called {mark.args[0]!r}")


@pytest.fixture
def tried(request: pytest.FixtureRequest) -> Tried:
    """Reports how often the fault was injected and what was seen, both as the test counted them."""

    def report(times: int, seen: str) -> None:
        assert times > 0, "a fault that was not injected shows nothing"
        request.node.user_properties.append((TRIED, [times, seen]))

    return report


@pytest.fixture(scope="session")
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether faults are to be injected as often as the guarantees say (`make test-faults`)."""
    return bool(pytestconfig.getoption("thorough"))


class Books:
    """What each marked test did in this run; written down at its end."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.outcomes: dict[str, list[Outcome]] = defaultdict(list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the call of each test; of set-up and tear-down only what went wrong."""
        if report.when != "call" and report.passed:
            return
        test = report.nodeid.split("[")[0]
        tries = [tuple(value) for name, value in report.user_properties if name == TRIED]
        self.outcomes[test].append(Outcome(report.outcome, tries, _reason(report)))

    def pytest_sessionfinish(self) -> None:
        """Rows of tests that ran now, and of the others as an earlier run left them."""
        earlier = parsed(self.target.read_text()) if self.target.exists() else {}
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        rows: list[Row] = []
        for mark in marked_tests():
            outcomes = self.outcomes.get(mark.test)
            if outcomes:
                rows.append(row_of(mark, outcomes, today))
            else:
                rows.append(earlier.get((mark.guarantee, mark.test)) or row_of(mark, [], ""))
        self.target.write_text(rendered(rows))


def _reason(report: pytest.TestReport) -> str:
    """In a line, why a test failed or was skipped."""
    if report.passed:
        return ""
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash else report.longrepr).strip().splitlines()[0]
