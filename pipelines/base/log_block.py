"""The block that ends a task's log: a rule, a line for each thing to know, a rule."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.base.commands import as_typed

RULE = "─" * 72


def log_block(lines: Mapping[str, str], *, use_case: str = "") -> str:
    """The block of labels and texts; a text of several lines is indented under its label, an empty
    one is left out.

    Commands stand there as they have to be typed here; `use_case` is the one that they are about.
    """
    typed = {label: as_typed(text, use_case=use_case) for label, text in lines.items() if text}
    return "\n".join([RULE, *(_line(label, text) for label, text in typed.items()), RULE])


def _line(label: str, text: str) -> str:
    head, *rest = text.splitlines() or [""]
    return "\n".join([f"{label:<10} {head}", *(f"{'':<10} {line}" for line in rest)])
