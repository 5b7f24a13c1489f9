"""A document of headed sections (text, tables, pictures, links), rendered as Markdown and as a
self-contained page.

All text is data: it is escaped in both renderings, so that a value never becomes markup.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.errors import PermanentError

_MARKUP = re.compile(r"([\\`*_\[\]<>|#!])")
_STYLE = (Path(__file__).parent / "templates" / "document.css").read_text()


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    text: str


@dataclass(frozen=True)
class Grid:
    """A table: floats are shown with four decimals, integers with thousands separated, None as a
    dash.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Link:
    """A link to another page, by its relative path."""

    text: str
    target: str


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption and the text that says what is seen on it; `path` is where Markdown
    finds it.
    """

    path: str
    png: bytes
    caption: str
    alt: str


Block = Text | Grid | Picture | Link


@dataclass(frozen=True)
class Section:
    """A heading and what is below it; an empty section raises `PermanentError`."""

    heading: str
    blocks: Sequence[Block]

    def __post_init__(self) -> None:
        if not any(_has_content(block) for block in self.blocks):
            raise PermanentError(
                "a document's section is empty",
                where=self.heading,
                expected="text, a table with rows or a picture",
                found="nothing",
                next_step="fill the section or leave it out",
            )


@dataclass(frozen=True)
class Document:
    """A title and its sections."""

    title: str
    sections: Sequence[Section]

    def to_markdown(self) -> str:
        """The document as Markdown; pictures are linked by their path."""
        parts = [f"# {_plain(self.title)}"]
        for section in self.sections:
            parts.append(f"## {_plain(section.heading)}")
            parts.extend(_markdown(block) for block in section.blocks if _has_content(block))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """The document as one HTML page; pictures are inside."""
        title = html.escape(self.title)
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
            f"<body><h1>{title}</h1>\n{sections_html(self.sections)}\n</body></html>\n"
        )


def sections_html(sections: Sequence[Section]) -> str:
    """The sections as HTML, without the page around them."""
    return "\n".join(
        f"<section><h2>{html.escape(section.heading)}</h2>\n"
        + "\n".join(_html(block) for block in section.blocks if _has_content(block))
        + "</section>"
        for section in sections
    )


def _has_content(block: Block) -> bool:
    if isinstance(block, Text | Link):
        return bool(block.text.strip())
    return bool(block.rows) if isinstance(block, Grid) else bool(block.png)


def _markdown(block: Block) -> str:
    if isinstance(block, Text):
        return _plain(block.text)
    if isinstance(block, Link):
        return f"[{_plain(block.text)}]({block.target})"
    if isinstance(block, Picture):
        return f"![{_plain(block.alt)}]({block.path})\n\n{_plain(block.caption)}"
    head = [block.columns, ["---"] * len(block.columns)]
    body = [[_plain(_shown(value)) for value in row] for row in block.rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in [*head, *body])


def _html(block: Block) -> str:
    if isinstance(block, Text):
        return f"<p>{html.escape(block.text)}</p>"
    if isinstance(block, Link):
        return f'<p><a href="{html.escape(block.target)}">{html.escape(block.text)}</a></p>'
    if isinstance(block, Picture):
        source = f"data:image/png;base64,{base64.b64encode(block.png).decode()}"
        caption = html.escape(block.caption)
        return (
            f'<figure><img src="{source}"'
            f' alt="{html.escape(block.alt)}"><figcaption>{caption}</figcaption></figure>'
        )
    head = "".join(f"<th>{html.escape(column)}</th>" for column in block.columns)
    body = "".join(f"<tr>{''.join(_html_cell(value) for value in row)}</tr>" for row in block.rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _html_cell(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    opening = '<td class="number">' if number else "<td>"
    return f"{opening}{html.escape(_shown(value))}</td>"


def _shown(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4f}" if value == value else "–"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))
