"""Names say what a thing is: words of our own dialect are no names of variables or parameters. And
no comprehension has two loops or an assignment inside.

`LEFT` is what remains from before, by room: in the product the members of stored accounts and of
error types. A room that has fewer lowers its number; none rises.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from pipelines.base.settings import CHECKOUT

DIALECT = frozenset({"found", "told", "one", "mine", "theirs", "then", "known", "asked"})
ROOMS = (
    "benchmarks",
    "dags",
    "docker",
    "expectations",
    "features",
    "pipelines",
    "plugins",
    "tests",
)
LEFT = {
    "benchmarks": 2,
    "expectations": 1,
    "features": 1,
    "pipelines/accounts": 3,
    "pipelines/base": 2,
    "pipelines/nightly": 2,
    "pipelines/releases": 1,
    "pipelines/serve": 3,
    "pipelines/status": 1,
    "pipelines/training": 1,
    "pipelines/usecases": 1,
}


def dialect_names() -> Iterator[tuple[str, str]]:
    """(room, file and line) of each variable or parameter with such a name."""
    for top in ROOMS:
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            parts = path.relative_to(CHECKOUT).parts
            room = "/".join(parts[:2]) if len(parts) > 2 else top
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    name = node.id
                elif isinstance(node, ast.arg):
                    name = node.arg
                else:
                    continue
                if name in DIALECT:
                    yield room, f"{path.relative_to(CHECKOUT)}:{node.lineno} {name}"


def test_no_room_has_more_names_of_our_own_dialect_than_before() -> None:
    seen = list(dialect_names())
    counts = Counter(room for room, _ in seen)
    more = {room: count for room, count in counts.items() if count > LEFT.get(room, 0)}
    assert more == {}, [place for room, place in seen if room in more]
    assert dict(counts) == LEFT, "fewer than before: lower the numbers of LEFT"


def test_no_comprehension_has_two_loops_or_an_assignment_inside() -> None:
    seen = []
    for top in ROOMS:
        for path in sorted((CHECKOUT / top).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                    assigns = any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))
                    if len(node.generators) > 1 or assigns:
                        seen.append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")
    assert seen == []
