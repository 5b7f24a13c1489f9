"""The tests that are marked with a guarantee, read from their source: nothing is imported."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.settings import CHECKOUT


@dataclass(frozen=True, order=True)
class Marked:
    """A mark of a test function: `test` is its node id without parameters, `fault` what this test
    injects.

    `seen`: what the test asserts, told where it held and reported nothing of its own.
    """

    guarantee: str
    test: str
    fault: str
    seen: str = ""


def marked_tests(root: Path = CHECKOUT) -> list[Marked]:
    """All marks of the tests below `root`/tests, in order of files."""
    marked: list[Marked] = []
    for path in sorted((root / "tests").rglob("test_*.py")):
        text = path.read_text()
        if "mark.guarantee" in text:
            marked += _of_module(ast.parse(text), path.relative_to(root).as_posix())
    return marked


def _of_module(module: ast.Module, path: str) -> list[Marked]:
    marked: list[Marked] = []
    for function in module.body:
        if isinstance(function, ast.FunctionDef):
            marked += [
                _mark(decorator, f"{path}::{function.name}")
                for decorator in function.decorator_list
                if isinstance(decorator, ast.Call)
                and ast.unparse(decorator.func) == "pytest.mark.guarantee"
            ]
    return marked


def _mark(call: ast.Call, test: str) -> Marked:
    named = {
        keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg
    }
    return Marked(ast.literal_eval(call.args[0]), test, named["fault"], named.get("seen", ""))
