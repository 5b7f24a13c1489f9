"""Every value of a declared object against the type, the range and the choices that its field
declares.
"""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from pipelines.usecases.policies.value_types import wanted
from pipelines.usecases.validation.problems import Problems


@cache
def field_types(kind: Any) -> dict[str, Any]:
    """The declared types of a dataclass's fields, with their bounds."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def check_values(declared: Any, problems: Problems) -> bool:
    """Report each field whose value is not what its type says; whether all of them are."""
    good = True
    declared_by: Any = type(declared)
    for name, kind in field_types(declared_by).items():
        value = getattr(declared, name)
        expected = wanted(kind, value)
        if expected:
            problems.at(name).add(expected, value)
            good = False
    return good
