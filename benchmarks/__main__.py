"""`make bench`: every benchmark in turn, each in a process of its own; their tables go to
`benchmarks/README.md`.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).with_name("README.md")
MODULES = (
    "simulate",
    "features",
    "scoring",
    "serve",
    "nightly",
    "monitor",
    "ops",
    "scale",
    "training",
    "gate",
    "watch",
    "fortnights",
)


def measured(module: str) -> str:
    """The Markdown tables that `python -m benchmarks.<module>` prints; raises `CalledProcessError`
    where it fails.
    """
    command = [sys.executable, "-m", f"benchmarks.{module}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return "\n".join(
        line for line in output.splitlines() if line.startswith("|") or not line
    ).strip()


def with_table(text: str, module: str, table: str) -> str:
    """`text` with the table between the markers of `module`; raises `ValueError` where the markers
    are missing.
    """
    pattern = re.compile(rf"(<!-- {module} -->\n).*?(<!-- /{module} -->)", re.DOTALL)
    if not pattern.search(text):
        raise ValueError(f"{README} has no markers <!-- {module} --> and <!-- /{module} -->")
    return pattern.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)


def machine() -> str:
    """One line on where the figures come from."""
    return (
        f"Measured on {os.cpu_count()} cores, {platform.system()}, Python"
        f" {platform.python_version()}."
    )


def main(arguments: list[str]) -> None:
    """Measure the modules named (all where none is) and write each table as soon as it is there."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(MODULES))
    modules = parser.parse_args(arguments).modules
    if unknown := sorted(set(modules) - set(MODULES)):
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(MODULES)}")
    for module in modules or MODULES:
        print(f"== {module}", flush=True)
        table = measured(module)
        print(table, flush=True)
        text = with_table(README.read_text(), module, table)
        README.write_text(with_table(text, "machine", machine()))


if __name__ == "__main__":
    main(sys.argv[1:])
