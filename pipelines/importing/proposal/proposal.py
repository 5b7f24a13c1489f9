"""A mapping proposed from a sample of a file: which column becomes what, as a commented TOML file
to be looked over.

Columns are found by their names (tokens, and words that commonly mean the same), by what their
values are, and by whether they repeat. What cannot be told from a sample is said in comments; what
cannot be found is left to be filled in, and `load_mapping` says so.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

import pyarrow as pa

from pipelines.base.arrow_types import arrow_type
from pipelines.base.column_types import parse_column_type
from pipelines.base.errors import UsageError
from pipelines.base.printable import shown
from pipelines.importing.conversion.ids import card_number_share
from pipelines.importing.landed.judgement import CARD_NUMBER_SHARE
from pipelines.importing.mapping.declared_columns import IdColumn, NumberColumn, column_model
from pipelines.importing.mapping.definition import FILL_IN
from pipelines.importing.mapping.keyed_ids import KINDS
from pipelines.importing.mapping.label_values import label_value, opposite
from pipelines.importing.proposal.file_form import FileForm, SampleColumn, form_of
from pipelines.importing.proposal.value_forms import TimeForm, number_form, time_form
from pipelines.usecases.definition import Column, UseCase

SCHEMA_FILE = Path(__file__).parents[1] / "mapping.schema.json"

_SYNONYMS = (
    {"transaction", "trans", "tx", "trx", "txn", "event", "payment", "booking", "order"},
    {
        "customer",
        "card",
        "cc",
        "client",
        "account",
        "acct",
        "user",
        "payer",
        "cardholder",
        "holder",
        "orig",
    },
    {"terminal", "merchant", "shop", "store", "device", "pos", "vendor", "payee", "dest", "seller"},
    {"amount", "amt", "value", "price", "sum", "total", "betrag"},
    {"time", "date", "datetime", "timestamp", "ts", "when", "at", "dt", "zeit", "datum"},
    {"id", "num", "number", "nr", "no", "key", "code", "uuid", "ref"},
)
_AN_ID = min(_SYNONYMS[-1])
_OTHER_TIMES = {
    "dob",
    "birth",
    "birthday",
    "expiry",
    "expires",
    "created",
    "updated",
    "open",
    "opened",
    "valid",
}
_LABEL_WORDS = {"label", "target", "class", "outcome", "chargeback", "y"}
_LABEL_VALUES = {"1", "yes", "y", "t", "true"}
_NAME, _LITTLE = 0.45, 0.08
_SHOWN_OTHERS = 4
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Proposal:
    """`text`: the mapping as TOML.

    `to_fill_in`: its keys that have to be filled in before it can be used.
    """

    text: str
    to_fill_in: tuple[str, ...]


@dataclass
class _Draft:
    """What is being put together: lines of the events, keyed columns, what is left open."""

    events: list[str] = field(default_factory=list)
    keyed: list[str] = field(default_factory=list)
    to_fill_in: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)


def propose(
    path: Path,
    use_case: UseCase,
    *,
    time: Sequence[str] = (),
    key: str = "",
    label: str = "",
    chosen: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> Proposal:
    """A mapping for a file and the files like it.

    `time`, `key`, `label` and `chosen` (by column of the events) name columns of the file that are
    known. Raises `UsageError` where one of them is not there, and what `form_of` raises.
    """
    form = form_of(path)
    given = {**(chosen or {}), **({use_case.events.key[0]: key} if key else {})}
    _require(form, use_case, [*time, *given.values(), *([label] if label else [])], list(given))

    draft = _Draft()
    draft.taken |= {*time, *given.values(), *([label] if label else [])}
    label_column, label_others = _label(form, use_case, label, draft)

    lines: dict[str, list[str]] = {}
    time_name = use_case.events.time
    zoned, lines[time_name] = _time(form, use_case, list(time), draft)
    for column in _in_order(use_case):
        if column.name != time_name:
            lines[column.name] = _column(form, use_case, column, given.get(column.name, ""), draft)
    for column in use_case.events.columns:
        draft.events += lines[column.name]

    label_lines = _label_lines(label_column, label_others, use_case, draft)
    text = "\n".join(
        [
            *_head(form, use_case, draft, output),
            "",
            *_source(path, form, zoned=zoned),
            "",
            "[events]",
            *draft.events,
            "",
            "[labels]",
            *label_lines,
            "",
        ]
    )

    return Proposal(text, tuple(draft.to_fill_in))


def _head(form: FileForm, use_case: UseCase, draft: _Draft, output: Path | None) -> list[str]:
    lines = []
    if output is not None and use_case.name == "fraud" and _beside_the_schema(output):
        lines.append(
            f"#:schema {Path(os.path.relpath(SCHEMA_FILE, output.absolute().parent)).as_posix()}"
        )
    else:
        lines.append(
            "# For editors: tollgate mapping schema > mapping.schema.json, and here: #:schema"
            " ./mapping.schema.json"
        )
    lines += [
        (
            f"# A mapping proposed from a sample, for the {use_case.name} use case: look it over,"
            " above all what stands in"
        ),
        (
            "# comments. All keys: docs/importing.md. Try it: tollgate import --check --mapping"
            " THIS --path FOLDER"
        ),
    ]
    if draft.to_fill_in:
        lines.append(f"# To be filled in: {', '.join(draft.to_fill_in)}")
    if form.left_out:
        names = ", ".join(shown(name) for name in form.left_out)
        lines.append(
            f"# Columns that cannot be used (nested, or a name that occurs twice): {names}"
        )
    if draft.keyed:
        lines.append(
            "# These take a keyed hash in the place of ids that are text, or look like card"
            " numbers."
        )
        lines.append(f"keyed = {_toml(draft.keyed)}")
    return lines


def _beside_the_schema(output: Path) -> bool:
    """Whether the file lies in the checkout, so that a relative path to the schema stays right."""
    return output.absolute().resolve().is_relative_to(SCHEMA_FILE.resolve().parents[2])


def _source(path: Path, form: FileForm, *, zoned: bool) -> list[str]:
    name = path.name
    if _DAY.search(name):
        files = f"files = {_toml(_DAY.sub('{day}', name, count=1))}"
        hint = "  # {day} stands for YYYY-MM-DD: a file for each day"
    else:
        plain = re.sub(r"[{}]", "?", name)
        pattern = re.sub(r"\d+", "*", plain) if re.search(r"\d", plain) else f"*{path.suffix}"
        files, hint = f"files = {_toml(plain)}", f"  # or all that fit a pattern: {_toml(pattern)}"
    lines = ["[source]", files + hint, f"format = {_toml(form.format)}"]
    if form.format == "csv":
        lines += [f"delimiter = {_toml(form.delimiter)}", f"encoding = {_toml(form.encoding)}"]
        if form.encoding == "cp1252":
            lines[-1] += (
                "  # unsure: the bytes are no UTF-8; or another encoding of Windows, or iso8859-15"
            )
        if form.quote != '"':
            lines.append(f"quote = {_toml(form.quote)}")
    if not zoned:
        lines.append(
            'time_zone = "UTC"  # unsure: the times name no zone; for local times for instance'
            ' "Europe/Berlin"'
        )
    return lines


def _in_order(use_case: UseCase) -> list[Column]:
    """The event's key first, then numbers, then other ids: what is easiest to tell takes its column
    first.
    """
    key = use_case.events.key[0]

    def rank(column: Column) -> int:
        return 0 if column.name == key else 1 if column_model(column.type) is NumberColumn else 2

    return sorted(use_case.events.columns, key=rank)


def _column(
    form: FileForm, use_case: UseCase, column: Column, given: str, draft: _Draft
) -> list[str]:
    model = column_model(column.type)
    is_key = column.name == use_case.events.key[0]
    matches = [sample for sample in form.columns if sample.name == given]
    others: list[str] = []
    if not matches:
        ranked = _ranked(form, column, draft, model, is_key=is_key)
        matches, others = [sample for _, sample in ranked[:1]], _close(ranked)
    if not matches:
        return [_open(f"events.{column.name}", column.name, draft, _usable(form, draft))]
    draft.taken.add(matches[0].name)
    hint = _alternatives(others)
    if model is IdColumn:
        return _id_lines(column, matches[0], draft, hint, is_key=is_key)
    if model is NumberColumn:
        return _number_lines(column, matches[0], hint)
    return [f"{column.name} = {_toml(matches[0].name)}{hint}"]


def _ranked(
    form: FileForm, column: Column, draft: _Draft, model: type, *, is_key: bool
) -> list[tuple[float, SampleColumn]]:
    """Columns that may be meant, the likeliest first: by name, among those whose values fit."""
    ranked = []
    for sample in form.columns:
        if sample.name in draft.taken or not _fits(sample, column, model, is_key=is_key):
            continue
        score = likeness(column.name, sample.name)
        if is_key and _meanings(sample.name) == {_AN_ID}:
            score = max(score, _NAME)
        if score >= _NAME:
            ranked.append((score, sample))
    return sorted(ranked, key=lambda item: -item[0])


def _fits(sample: SampleColumn, column: Column, model: type, *, is_key: bool) -> bool:
    values = sample.there
    if not values:
        return False
    if model is NumberColumn:
        return number_form(values, sample.kind) is not None
    if model is IdColumn:
        if sample.kind.startswith(("timestamp", "date", "bool", "decimal")):
            return False
        fractions = any(re.fullmatch(r"[+-]?\d+[.,]0*[1-9]\d*", text) for text in values)
        return not fractions and (
            not is_key or len(set(values)) == len(values) == len(sample.values)
        )
    return not sample.kind.startswith("timestamp") or parse_column_type(column.type).kind == "date"


def _id_lines(
    column: Column, sample: SampleColumn, draft: _Draft, hint: str, *, is_key: bool
) -> list[str]:
    values = sample.there
    whole = all(re.fullmatch(r"-?\d{1,18}(\.0*)?", text) for text in values)
    zeros = any(re.match(r"-?0\d", text) for text in values)
    cards, different = card_number_share(pa.array(values, pa.string()))
    is_text = not whole or zeros
    kind = parse_column_type(column.type).kind
    if kind in KINDS and ((is_text and kind == "bigint") or cards > CARD_NUMBER_SHARE * different):
        draft.keyed.append(column.name)
    lines = []
    if zeros and whole:
        lines.append(
            "# unsure: ids with leading zeros are taken for text; where they are whole numbers:"
        )
        lines.append(
            f'#   {column.name} = {{ column = {_toml(sample.name)}, kind = "whole", leading_zeros ='
            ' "drop" }'
        )
    if any(re.fullmatch(r"[+-]?\d+(\.\d+)?[eE][+-]\d+", text) for text in values):
        lines.append(
            "# Some ids are in scientific notation: their last digits are lost. Export them as"
            " text."
        )
    if is_key:
        hint = hint or "  # different in every row of the sample"
    if is_text and column.name in draft.keyed:
        return [*lines, f'{column.name} = {{ column = {_toml(sample.name)}, kind = "text" }}{hint}']
    return [*lines, f"{column.name} = {_toml(sample.name)}{hint}"]


def _number_lines(column: Column, sample: SampleColumn, hint: str) -> list[str]:
    form = number_form(sample.there, sample.kind)
    assert form is not None
    keys = [f"column = {_toml(sample.name)}"]
    keys += [f"decimal = {_toml(form.decimal)}"] if form.decimal != "." else []
    keys += [f"thousands = {_toml(form.thousands)}"] if form.thousands else []
    keys += [f"currency = {_toml(form.currency)}"] if form.currency else []
    lines = []
    wanted = arrow_type(column.type)
    scale = wanted.scale if pa.types.is_decimal(wanted) else None
    if scale is not None and form.decimals > scale:
        lines.append(
            f"# unsure: some have {form.decimals} decimals, and {scale} are kept; without round"
            " they are refused."
        )
        keys.append('round = "half_up"')
    if form.decimal == "." and form.thousands == "," and form.decimals == 0:
        lines.append(
            "# unsure: the comma is taken for a sign between thousands; or is it the decimal sign?"
        )
    if scale and form.decimals == 0:
        hint = (
            hint or '  # whole numbers: where they are hundredths, { column = "…", unit = "cents" }'
        )
    value = _toml(sample.name) if len(keys) == 1 else f"{{ {', '.join(keys)} }}"
    return [*lines, f"{column.name} = {value}{hint}"]


def _time(
    form: FileForm, use_case: UseCase, given: list[str], draft: _Draft
) -> tuple[bool, list[str]]:
    """Whether the times name their zone, and the lines of the time column."""
    name = use_case.events.time
    forms: dict[str, TimeForm] = {}
    for sample in form.columns:
        if (sample.name not in draft.taken or sample.name in given) and (
            sample_form := time_form(sample.there, sample.kind)
        ):
            forms[sample.name] = sample_form

    if given:
        if any(column not in forms for column in given):
            return True, [_open(f"events.{name}", name, draft, given)]
        return _time_lines(name, given, forms, draft, [])

    likely = {
        column: likeness(name, column) for column in forms if not _tokens(column) & _OTHER_TIMES
    }
    ranked = sorted(likely, key=lambda column: -likely[column])
    alone = [column for column in ranked if forms[column].kind in {"timestamp", "text"}]
    dates = [column for column in ranked if forms[column].kind == "date"]
    clocks = [
        column for column in ranked if forms[column].kind == "clock" and likely[column] >= _LITTLE
    ]
    hours = [
        column
        for column in ranked
        if forms[column].kind == "hour" and _tokens(column) & {"hour", "hr", "hh", "stunde"}
    ]
    epochs = [
        column for column in ranked if forms[column].kind == "epoch" and likely[column] >= _NAME
    ]

    ways = [[column] for column in alone]
    ways += [[dates[0], clocks[0]]] if dates and clocks else []
    ways += [[column] for column in epochs]
    ways += [[dates[0], hours[0]]] if dates and hours else []

    if not ways and dates:
        draft.to_fill_in.append(f"events.{name}")
        return True, [
            f"# {shown(dates[0])} is a date without an hour: which column holds the time of day?",
            f"{name} = {{ columns = [{_toml(dates[0])}, {_toml(FILL_IN)}] }}"
            f'  # or midnight is meant: {{ column = {_toml(dates[0])}, date_only = "midnight" }}',
        ]
    if not ways:
        numbers = [
            sample.name
            for sample in form.columns
            if number_form(sample.there, sample.kind) and likeness(name, sample.name) > 0
        ]
        line = _open(f"events.{name}", name, draft, numbers or _usable(form, draft))
        return True, [
            line,
            (
                f'# numbers since an origin: {name} = {{ column = "…", unit = "s", origin ='
                ' "2018-04-01T00:00:00" }'
            ),
        ]
    return _time_lines(name, ways[0], forms, draft, [" + ".join(way) for way in ways[1:]])


def _time_lines(
    name: str, columns: list[str], forms: dict[str, TimeForm], draft: _Draft, others: list[str]
) -> tuple[bool, list[str]]:
    draft.taken |= set(columns)
    hint, first = _alternatives(others), forms[columns[0]]
    lines = _day_or_month_first([forms[column] for column in columns])
    if len(columns) == 1:
        keys = [f"column = {_toml(columns[0])}"]
        keys += [f"format = {_toml(first.format)}"] if first.format else []
        keys += [f"unit = {_toml(first.unit)}"] if first.unit else []
        if first.kind == "date":
            keys.append('date_only = "midnight"')
            lines.append(
                "# unsure: dates without an hour; all events of a day are put at midnight."
            )
        value = _toml(columns[0]) if len(keys) == 1 else f"{{ {', '.join(keys)} }}"
        return first.zoned or first.kind == "epoch", [*lines, f"{name} = {value}{hint}"]
    second = forms[columns[1]]
    day = first.format or "%Y-%m-%d"
    if second.kind == "hour":
        written = f", format = {_toml(day)}" if day != "%Y-%m-%d" else ""
        return False, [
            *lines,
            (
                f"{name} = {{ column = {_toml(columns[0])}, hour = {_toml(columns[1])}{written}"
                f" }}{hint}"
            ),
        ]
    clock = second.format or "%H:%M:%S"
    usual = day == "%Y-%m-%d" and clock in {"%H:%M:%S", "%H:%M", "%H:%M:%S.%f"}
    written = "" if usual else f", format = {_toml(f'{day} {clock}')}"
    return False, [*lines, f"{name} = {{ columns = {_toml(columns)}{written} }}{hint}"]


def _day_or_month_first(forms: list[TimeForm]) -> list[str]:
    """A comment where the sample reads in two ways, each another day: 03/04/2026."""
    swapped: list[str] = []
    for form in forms:
        if not form.format:
            continue
        for other in form.others:
            both_named = {"%d", "%m"} <= set(re.findall("%[dm]", other))
            if both_named and other.index("%d") != form.format.find("%d"):
                swapped.append(other)

    return (
        [f"# unsure: the sample also reads as {swapped[0]}: is the day or the month first?"]
        if swapped
        else []
    )


def _label(
    form: FileForm, use_case: UseCase, given: str, draft: _Draft
) -> tuple[SampleColumn | None, list[str]]:
    if given:
        return next(sample for sample in form.columns if sample.name == given), []
    words = _LABEL_WORDS | _tokens(use_case.labels.name) | _tokens(use_case.name)
    words -= {"reports", "reported", "at", "id"}
    ranked = []
    for sample in form.columns:
        different = {label_value(text) for text in sample.there}
        if sample.name in draft.taken or not 1 <= len(different) <= 5:
            continue
        named = any(
            token in words or any(len(w) > 3 and w in token for w in words)
            for token in _tokens(sample.name)
        )
        if named:
            score = (
                1.0
                + (len(different) == 2)
                + bool(different & _LABEL_VALUES)
                - ("flagged" in sample.name.lower())
            )
            ranked.append((score, sample))
    ranked.sort(key=lambda item: -item[0])
    if not ranked:
        return None, [sample.name for sample in form.columns if 2 <= len(set(sample.there)) <= 3]
    draft.taken.add(ranked[0][1].name)
    return ranked[0][1], [sample.name for _, sample in ranked[1:]]


def _label_lines(
    sample: SampleColumn | None, others: list[str], use_case: UseCase, draft: _Draft
) -> list[str]:
    hours = use_case.label.delay_days * 24
    delay = (
        f"delay_hours = {hours}  # unsure: how long after the event its report comes; at most what"
        " the use case waits"
    )

    if sample is None:
        return [
            _open("labels.column", "column", draft, others),
            "positive = [1]",
            "negative = [0]",
            delay,
        ]
    lines = [f"column = {_toml(sample.name)}{_alternatives(others)}"]

    by_value = {label_value(text): text for text in sample.there}
    positives = sorted(value for value in by_value if value in _LABEL_VALUES)
    negatives = sorted(
        value
        for value in by_value
        if opposite(value) in _LABEL_VALUES and value not in _LABEL_VALUES
    )
    rest = sorted(set(by_value) - set(positives) - set(negatives))

    if not positives and len(negatives) == 1 and not rest:
        meant = opposite(negatives[0]) or "1"
        lines.append(f"positive = [{_label_text(meant)}]  # unsure: the sample holds no such label")
        return [*lines, f"negative = [{_label_text(by_value[negatives[0]])}]", delay]
    if not positives:
        draft.to_fill_in.append("labels.positive")
        values = ", ".join(_label_text(shown(by_value[value])) for value in sorted(by_value))
        lines.append(f"positive = [{_toml(FILL_IN)}]  # which of {values}?")
        return [
            *lines,
            'negative = "everything else"  # or a list: any other value is an unknown label then',
            delay,
        ]

    lines.append(f"positive = [{', '.join(_label_text(by_value[value]) for value in positives)}]")
    fallback = [opposite(value) or "" for value in positives[:1]]
    written = [by_value[value] for value in negatives] or fallback
    lines.append(f"negative = [{', '.join(map(_label_text, written))}]")

    if rest:
        values = ", ".join(_label_text(shown(by_value[value])) for value in rest)
        lines.append(f"# unsure: neither positive nor negative so far: {values}")
    return [*lines, delay]


def _label_text(value: str) -> str:
    number = label_value(value)
    return (
        number
        if re.fullmatch(r"-?\d{1,9}", number) and value.strip().lower() not in {"true", "false"}
        else _toml(value)
    )


def likeness(wanted: str, name: str) -> float:
    """How much a column's name says that it is what is wanted, 0 to 1: words in common, or of the
    same meaning.
    """
    here, there = _meanings(wanted) - {_AN_ID}, _meanings(name)
    shared = len(here & there)
    weight = shared / max(1, len(here))
    alike = SequenceMatcher(None, wanted.lower(), name.lower()).ratio()
    return min(1.0, 0.8 * weight + 0.2 * alike) if shared else 0.4 * alike


def _meanings(name: str) -> set[str]:
    """The words of a name, each by the first of the words that mean the same."""
    return {
        next((min(group) for group in _SYNONYMS if token in group), token)
        for token in _tokens(name)
    }


def _tokens(name: str) -> set[str]:
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name)
    return {token for token in re.split(r"[^a-z]+", apart.lower()) if token}


def _close(ranked: list[tuple[float, SampleColumn]]) -> list[str]:
    return [sample.name for score, sample in ranked[1:] if ranked[0][0] - score <= 0.25]


def _usable(form: FileForm, draft: _Draft) -> list[str]:
    return [sample.name for sample in form.columns if sample.name not in draft.taken]


def _open(key: str, name: str, draft: _Draft, others: Sequence[str]) -> str:
    draft.to_fill_in.append(key)
    return f"{name} = {_toml(FILL_IN)}{_alternatives(others, 'perhaps')}"


def _alternatives(others: Sequence[str], word: str = "unsure; or") -> str:
    if not others:
        return ""
    more = ", …" if len(others) > _SHOWN_OTHERS else ""
    return f"  # {word}: {', '.join(shown(other) for other in others[:_SHOWN_OTHERS])}{more}"


def _toml(value: str | Sequence[str]) -> str:
    """A text or a list of texts as TOML writes it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _require(
    form: FileForm, use_case: UseCase, names: Sequence[str], columns: Sequence[str]
) -> None:
    there = [sample.name for sample in form.columns]
    declared = [column.name for column in use_case.events.columns]
    problems = [f"no column {shown(name)}" for name in names if name not in there]
    problems += [
        f"{name} is not a column of {use_case.events.name}"
        for name in columns
        if name not in declared
    ]
    if problems:
        raise UsageError(
            "a column that was named is not there",
            where="--time, --id, --label, --column",
            expected=f"columns of the file ({', '.join(shown(name) for name in there[:30])})",
            found="; ".join(problems),
            next_step="correct the name; upper and lower case count",
        )
