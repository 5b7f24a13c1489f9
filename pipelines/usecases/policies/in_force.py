"""Every policy value that is in force for a use case: what it is, who set it, and what it
decides.
"""

from __future__ import annotations

import ast
import inspect
import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import cache
from typing import Any

from pipelines.usecases.definition import POLICIES, UseCase
from pipelines.usecases.policies.value_types import unit_of
from pipelines.usecases.validation.values import field_types


@dataclass(frozen=True, kw_only=True)
class PolicyValue:
    """A value in force: `watch.weeks` is the value `weeks` of the section `watch`.

    `value` is plain data (an open end of a band is None). `set_in` is the file, relative to the
    checkout, that sets it: the policy's own where the default holds, else the use case's. `meaning`
    is the sentence that stands at the field.
    """

    section: str
    name: str
    value: Any
    unit: str
    is_default: bool
    set_in: str
    meaning: str

    def describe(self) -> str:
        """The value in one line."""
        unit = f" {self.unit}" if self.unit else ""
        origin = f"default, {self.set_in}" if self.is_default else self.set_in
        return f"{self.section}.{self.name} = {_shown(self.value)}{unit} ({origin}): {self.meaning}"


def policy_values(use_case: UseCase) -> list[PolicyValue]:
    """Every value of every policy, in the order in which they are declared."""
    values: list[PolicyValue] = []
    for section in POLICIES:
        policy = getattr(use_case, section)
        kind: Any = type(policy)
        types = field_types(kind)
        sentences = field_sentences(kind)
        for field in fields(kind):
            value = getattr(policy, field.name)
            made = field.default if field.default_factory is MISSING else field.default_factory()
            is_default = value == made
            own = kind.__module__ if is_default else f"pipelines.usecases.{use_case.name}"
            values.append(
                PolicyValue(
                    section=section,
                    name=field.name,
                    value=_plain(value),
                    unit=unit_of(types[field.name]),
                    is_default=is_default,
                    set_in=f"{own.replace('.', '/')}.py",
                    meaning=sentences.get(field.name, ""),
                )
            )
    return values


@cache
def field_sentences(kind: Any) -> Mapping[str, str]:
    """The sentence that stands below each field of a class, by the field's name; read from its
    source.
    """
    source = ast.parse(inspect.getsource(sys.modules[kind.__module__]))
    for statement in source.body:
        if isinstance(statement, ast.ClassDef) and statement.name == kind.__name__:
            return _sentences_below(statement)
    return {}


def _sentences_below(declared: ast.ClassDef) -> dict[str, str]:
    sentences: dict[str, str] = {}
    field = ""
    for statement in declared.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            field = statement.target.id
            continue
        text = statement.value if isinstance(statement, ast.Expr) else None
        if field and isinstance(text, ast.Constant) and isinstance(text.value, str):
            sentences[field] = " ".join(text.value.split())
        field = ""
    return sentences


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def _shown(value: Any) -> str:
    """A plain value for people: named parts by their names alone, as a line has no room for
    more.
    """
    if isinstance(value, Mapping):
        if isinstance(value.get("name"), str):
            return str(value["name"])
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items()) or "none"
    if isinstance(value, list):
        return "; ".join(_shown(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
