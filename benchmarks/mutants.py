"""Mutation run: how often the fast tests fail when one expression is broken on purpose.

`python -m benchmarks.mutants --sample 200 --seed 1 --scratch /tmp/mutants`. A mutant takes about
half a minute of computing, so it is no part of `make bench`. Rooms: features, the evidence for a
release, releases, monitor and ingest, without the modules that need Spark or MLflow. A mutant is
one changed operator, constant, condition or `return`; text is left alone.

A first pass notes which test calls which function. Each mutant then meets the tests that call the
changed function, the room's own first; a survivor also meets the whole files of these tests. All
happens in a copy of the checkout, in children forked from a process that has already imported
pandas, numba and XGBoost. A run that was broken off goes on where it was (`results.jsonl`).
"""

from __future__ import annotations

import argparse
import ast
import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from benchmarks.intervals import clopper_pearson

CHECKOUT = Path(__file__).resolve().parent.parent

ROOMS = {
    "features": "tests/features",
    "pipelines/training/evidence": "tests/pipelines/training",
    "pipelines/releases": "tests/pipelines/releases",
    "pipelines/nightly/monitor": "tests/pipelines/nightly/monitor",
    "pipelines/nightly/ingest": "tests/pipelines/nightly/ingest",
}
"""Each room with the folder of its own tests."""

NOT_PURE = (
    "import mlflow",
    "from mlflow",
    "import matplotlib",
    "from matplotlib",
    "from feast",
    "import feast",
)
"""What a module says that only tests with a service or a picture can judge."""

NEEDS_SPARK = ("from pyspark", "import pyspark", "run.spark", "run_ingest")

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}

BASELINE_SECONDS = 3600
CHILD_SECONDS = 300


@dataclass(frozen=True)
class Mutant:
    """One change: where it is, the line of the function around it (0 where it is none), the
    texts.
    """

    module: str
    line: int
    column: int
    function_line: int
    before: str
    after: str
    number: int

    @property
    def room(self) -> str:
        """The room whose module was changed: the longest prefix."""
        return max((room for room in ROOMS if self.module.startswith(f"{room}/")), key=len)


@dataclass(frozen=True)
class CallsOfTest:
    """What a test called: `functions` as module:line of their first lines."""

    seconds: float
    functions: frozenset[str]

    @classmethod
    def read(cls, path: Path) -> dict[str, CallsOfTest]:
        """The calls of each test, from a file that `write` has written."""
        document: dict[str, dict[str, Any]] = json.loads(path.read_text())
        return {
            test: cls(calls["seconds"], frozenset(calls["functions"]))
            for test, calls in document.items()
        }

    @staticmethod
    def write(path: Path, by_test: Mapping[str, CallsOfTest]) -> None:
        """Keep the calls of each test."""
        document = {
            test: {"seconds": calls.seconds, "functions": sorted(calls.functions)}
            for test, calls in by_test.items()
        }
        path.write_text(json.dumps(document))


@dataclass(frozen=True)
class Judgement:
    """What became of a mutant: `killed`, `timeout`, `survived` or `uncalled`, by so many tests, in
    so many seconds.
    """

    mutant: Mutant
    outcome: str
    tests: int
    seconds: float

    @classmethod
    def from_json(cls, line: str) -> Judgement:
        """The judgement of a line that `to_json` has made."""
        document = json.loads(line)
        mutant = Mutant(**{field.name: document[field.name] for field in fields(Mutant)})
        return cls(mutant, document["outcome"], document["tests"], document["seconds"])

    def to_json(self) -> str:
        """The judgement as a line of JSON."""
        outcome = {"outcome": self.outcome, "tests": self.tests, "seconds": self.seconds}
        return json.dumps({**asdict(self.mutant), **outcome})


class Site:
    """A node that can be changed, and the change."""

    def __init__(
        self, node: ast.AST, field: str, index: int | None, new: ast.AST, function_line: int
    ) -> None:
        self.node = node
        self.field = field
        self.index = index
        self.new = new
        self.function_line = function_line

    @property
    def old(self) -> ast.AST:
        """What stands there now."""
        value = getattr(self.node, self.field)
        return value if self.index is None else value[self.index]

    def swap(self) -> None:
        """Put the new node in the place of the old one; a second call takes it back."""
        old = self.old
        if self.index is None:
            setattr(self.node, self.field, self.new)
        else:
            getattr(self.node, self.field)[self.index] = self.new
        self.new = old


def variants(node: ast.AST) -> Iterator[ast.AST]:
    """The changes of one expression or statement."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            changed = copy.deepcopy(node)
            changed.ops[place] = COMPARISONS[type(operator)]()
            yield changed
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        texts = (node.left, node.right)
        if any(isinstance(side, ast.JoinedStr) or _is_text(side) for side in texts):
            return
        changed_operation = copy.deepcopy(node)
        changed_operation.op = ARITHMETIC[type(node.op)]()
        yield changed_operation
    elif isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
        changed_assignment = copy.deepcopy(node)
        changed_assignment.op = ARITHMETIC[type(node.op)]()
        yield changed_assignment
    elif isinstance(node, ast.BoolOp):
        changed_choice = copy.deepcopy(node)
        changed_choice.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield changed_choice
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield copy.deepcopy(node.operand)
    elif isinstance(node, ast.Constant):
        yield from _constants(node)
    elif isinstance(node, ast.If | ast.IfExp):
        negated = copy.deepcopy(node)
        negated.test = ast.UnaryOp(op=ast.Not(), operand=negated.test)
        yield negated
    elif isinstance(node, ast.comprehension) and node.ifs:
        unfiltered = copy.deepcopy(node)
        unfiltered.ifs = []
        yield unfiltered
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(value=ast.Constant(value=None))
    elif isinstance(node, ast.Continue):
        yield ast.Break()
    elif isinstance(node, ast.Break):
        yield ast.Continue()
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()


def _constants(node: ast.Constant) -> Iterator[ast.AST]:
    """Another truth value, the next integer, another float."""
    if isinstance(node.value, bool):
        yield ast.Constant(value=not node.value)
    elif isinstance(node.value, int):
        yield ast.Constant(value=node.value + 1)
    elif isinstance(node.value, float):
        yield ast.Constant(value=node.value * 1.5 if node.value else 1.0)


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


SKIPPED_FIELDS = {"annotation", "returns", "decorator_list", "type_comment"}


def sites(node: ast.AST, function_line: int = 0) -> Iterator[Site]:
    """Every place of a tree that can be changed; not annotations, decorators, nor text."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        decorators = [decorator.lineno for decorator in node.decorator_list]
        function_line = min([node.lineno, *decorators])
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    if isinstance(node, ast.JoinedStr | ast.Raise):
        return
    for field, value in ast.iter_fields(node):
        if field in SKIPPED_FIELDS:
            continue
        children = value if isinstance(value, list) else [value]
        for place, child in enumerate(children):
            if not isinstance(child, ast.AST):
                continue
            for new in variants(child):
                yield Site(
                    node, field, place if isinstance(value, list) else None, new, function_line
                )
            yield from sites(child, function_line)


def mutants_of(module: str, source: str) -> Iterator[tuple[Mutant, str]]:
    """Every mutant of a module with its whole changed text."""
    tree = ast.parse(source)
    for number, site in enumerate(sites(tree)):
        old = site.old
        before = _first_line(old)
        line = getattr(old, "lineno", getattr(site.node, "lineno", 0))
        column = getattr(old, "col_offset", 0)
        site.swap()
        after = _first_line(site.old)
        text = ast.unparse(ast.fix_missing_locations(tree))
        site.swap()
        yield Mutant(module, line, column, site.function_line, before, after, number), text


def _first_line(node: ast.AST) -> str:
    return ast.unparse(node).strip().splitlines()[0]


def pure_modules(root: Path) -> list[str]:
    """The modules of the rooms, by path, that need neither Spark nor MLflow nor a picture."""
    paths: set[Path] = set()
    for room in ROOMS:
        paths |= set((root / room).rglob("*.py"))
    chosen: list[str] = []
    for path in sorted(paths):
        lines = [line for line in path.read_text().splitlines() if "TYPE_CHECKING" not in line]
        text = "\n".join(_without_typing(lines))
        if not any(sign in text for sign in (*NOT_PURE, *NEEDS_SPARK)):
            chosen.append(str(path.relative_to(root)))
    return chosen


def _without_typing(lines: list[str]) -> Iterator[str]:
    """Lines without the indented imports of Spark's types, which only type checkers read."""
    for line in lines:
        if (
            line.startswith("    from pyspark")
            and "import functions" not in line
            and "Window" not in line
        ):
            continue
        yield line


class Calls:
    """A plugin of pytest: which functions each test calls, and how long it takes."""

    def __init__(self, root: Path) -> None:
        self.root = f"{root}/"
        self.by_test: dict[str, CallsOfTest] = {}
        self.codes: set[CodeType] = set()

    def pytest_runtest_protocol(self) -> None:
        """Begin a new account; pytest goes on with its own protocol."""
        self.codes = set()
        self.begun = time.monotonic()

        def called(frame: FrameType, _event: str, _argument: Any) -> None:
            self.codes.add(frame.f_code)

        sys.settrace(called)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Keep what was called."""
        sys.settrace(None)
        functions = frozenset(
            f"{code.co_filename.removeprefix(self.root)}:{code.co_firstlineno}"
            for code in self.codes
            if code.co_filename.startswith(self.root)
        )
        self.by_test[nodeid] = CallsOfTest(time.monotonic() - self.begun, functions)


def in_child(
    root: Path,
    arguments: list[str],
    plugins: list[Any],
    seconds: float,
    *,
    finish: Callable[[], object] | None = None,
    numba_cache: Path | None = None,
) -> int | None:
    """Run pytest in a fork, in `root`; its exit status, or None where it ran out of time.

    Numba keeps what it compiled by the file of the function alone: a function that calls a changed
    one of another file would run as it was. So a changed file of such functions has its own cache.
    """
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(root)
        sys.path[0] = str(root)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        import numba
        import pytest

        if numba_cache is not None:
            numba.config.CACHE_DIR = str(numba_cache)
        status: int = 99
        try:
            status = int(pytest.main(arguments, plugins=plugins))
            if finish is not None:
                finish()
        finally:
            os._exit(status)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status_word = os.waitpid(child, os.WNOHANG)
        if ended:
            _end_group(child)
            return os.waitstatus_to_exitcode(status_word)
        time.sleep(0.05)
    _end_group(child)
    os.waitpid(child, 0)
    return None


def _end_group(child: int) -> None:
    """End what the child has started; it leads a session of its own."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def copied(scratch: Path) -> Path:
    """A copy of what git knows of the checkout."""
    root = scratch / "tree"
    shutil.rmtree(root, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().splitlines():
        source = CHECKOUT / name
        if source.is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, root / name)
    return root


def calls_by_test(root: Path, scratch: Path, folders: list[str]) -> dict[str, CallsOfTest]:
    """Run the fast tests once and note their calls; kept in `calls.json` for a later run."""
    kept = scratch / "calls.json"
    if kept.exists():
        return CallsOfTest.read(kept)
    plugin = Calls(root)
    status = in_child(
        root,
        ["-m", "not slow", *folders],
        [plugin],
        BASELINE_SECONDS,
        finish=lambda: CallsOfTest.write(kept, plugin.by_test),
    )
    print(f"the tests as they are: status {status}", flush=True)
    return CallsOfTest.read(kept)


def tests_for(mutant: Mutant, calls: Mapping[str, CallsOfTest], compiled: bool) -> list[str]:
    """The tests that call the changed function, the room's own first, the quickest before others.

    Of code outside functions, or compiled by numba (whose calls Python does not see): the tests
    that call anything of the module, or the room's own.
    """
    function = f"{mutant.module}:{mutant.function_line}"
    own = ROOMS[mutant.room]
    whole_module = compiled or not mutant.function_line
    chosen = []
    for test, called in calls.items():
        hit = function in called.functions
        if whole_module and not hit:
            hit = any(name.startswith(f"{mutant.module}:") for name in called.functions)
        if hit or (compiled and test.startswith(own)):
            chosen.append(test)
    return sorted(chosen, key=lambda test: (not test.startswith(own), calls[test].seconds))


def judged(
    root: Path, mutant: Mutant, text: str, calls: Mapping[str, CallsOfTest], caches: Path
) -> Judgement:
    """Whether the tests notice, and what they took."""
    path = root / mutant.module
    source = path.read_text()
    compiled = "@compiled" in source or "njit" in source
    tests = tests_for(mutant, calls, compiled)
    begun = time.monotonic()
    outcome = "survived" if tests else "uncalled"
    try:
        path.write_text(text)
        files = sorted({test.split("::")[0] for test in tests})
        for chosen in (tests[:60], files):
            if not chosen:
                continue
            status = in_child(
                root,
                ["-x", "-m", "not slow", *chosen],
                [],
                CHILD_SECONDS,
                numba_cache=caches / str(begun) if compiled else None,
            )
            if status is None:
                outcome = "timeout"
                break
            if status != 0:
                outcome = "killed"
                break
    finally:
        path.write_text(source)
        shutil.rmtree(caches, ignore_errors=True)
    return Judgement(mutant, outcome, len(tests), round(time.monotonic() - begun, 1))


def main() -> None:
    """Draw the sample, judge each mutant, write a line of JSON for each, and the shares at the
    end.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--tests", nargs="*", default=list(ROOMS.values()))
    parser.add_argument("--only", nargs="*", default=[], help="modules, by the start of their path")
    parser.add_argument(
        "--list", action="store_true", help="count the mutants of each room and stop"
    )
    arguments = parser.parse_args()
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    arguments.scratch.mkdir(parents=True, exist_ok=True)
    root = copied(arguments.scratch.resolve())
    everything: list[tuple[Mutant, str]] = []
    for module in pure_modules(root):
        if not arguments.only or module.startswith(tuple(arguments.only)):
            everything.extend(mutants_of(module, (root / module).read_text()))
    print(
        f"{len(everything)} mutants in {len({mutant.module for mutant, _ in everything})} modules",
        flush=True,
    )
    if arguments.list:
        for room in ROOMS:
            print(f"  {room}: {sum(mutant.room == room for mutant, _ in everything)}")
        return
    _import_first()
    calls = calls_by_test(root, arguments.scratch.resolve(), arguments.tests)
    order = random.Random(arguments.seed).sample(everything, min(arguments.sample, len(everything)))
    results = arguments.scratch / "results.jsonl"
    earlier = results.read_text().splitlines() if results.exists() else []
    done = {_key(Judgement.from_json(line).mutant) for line in earlier}
    for mutant, text in order:
        if _key(mutant) in done:
            continue
        judgement = judged(root, mutant, text, calls, arguments.scratch.resolve() / "numba")
        with results.open("a") as stream:
            stream.write(f"{judgement.to_json()}\n")
        print(
            judgement.outcome,
            f"{mutant.module}:{mutant.line}",
            mutant.before,
            "->",
            mutant.after,
            flush=True,
        )

    print(summary([Judgement.from_json(line) for line in results.read_text().splitlines()]))


def summary(judgements: Sequence[Judgement]) -> str:
    """How many of those that tests call have survived, with an interval of 95 %, and the others."""
    counts = Counter(judgement.outcome for judgement in judgements)
    met = counts["killed"] + counts["timeout"] + counts["survived"]
    low, high = clopper_pearson(counts["survived"], met)
    share = f"{counts['survived'] / max(met, 1):.0%} ({low:.0%} to {high:.0%})"
    called = f"{counts['survived']} of {met} survived, {share}"
    return f"{called}; no fast test calls {counts['uncalled']} of {len(judgements)}"


def _key(mutant: Mutant) -> str:
    return f"{mutant.module}:{mutant.number}"


def _import_first() -> None:
    """What every child would import; nothing of the checkout itself."""
    import hypothesis  # noqa: F401
    import numba  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow  # noqa: F401
    import pydantic  # noqa: F401
    import pytest  # noqa: F401
    import scipy.stats  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import sqlalchemy  # noqa: F401
    import typeguard  # noqa: F401
    import xgboost  # noqa: F401


if __name__ == "__main__":
    main()
