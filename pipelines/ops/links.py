"""Where a page is: an address below the plugin's root, or a place inside the one file."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import quote, urlencode

from markupsafe import Markup


class Links(Protocol):
    """Addresses of pages; an empty one where the page is not to be had."""

    def to(self, page: str, key: str = "", **query: str) -> str:
        """The address of a page (of one day, release or feature, where `key` names it)."""
        ...


@dataclass(frozen=True)
class Served:
    """Pages that a server hands out below `root` (without a slash at its end)."""

    root: str

    def to(self, page: str, key: str = "", **query: str) -> str:
        path = "/".join(quote(part, safe="") for part in (page, key) if part)
        query_string = f"?{urlencode(query)}" if query else ""
        return f"{self.root}/{path}{query_string}"


@dataclass(frozen=True)
class OneFile:
    """Sections of one document: those named in `sections` can be reached, other pages cannot."""

    sections: Set[str] = field(default_factory=frozenset)

    def to(self, page: str, key: str = "", **query: str) -> str:
        name = section_name(page, key)
        return f"#{name}" if name in self.sections and not query else ""


def section_name(page: str, key: str = "") -> str:
    """The id of a page's section in the one file."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(part for part in (page or "now", key) if part))


def anchor(links: Links, text: object, page: str, key: str = "", **query: str) -> Markup:
    """The text as a link, or as it is where the page is not to be had."""
    address = links.to(page, key, **query)
    return (
        Markup('<a href="{}">{}</a>').format(address, text)
        if address
        else Markup("{}").format(text)
    )
