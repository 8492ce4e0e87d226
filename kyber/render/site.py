"""Pages of an intranet in, HTML out: no script, nothing from elsewhere, links to each other alone.

The texts must be masked before they come here; every text is made plain and escaped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from kyber.render.safe import every_text, plain
from kyber.render.sheet import Sheet
from kyber.text import words_for

if TYPE_CHECKING:
    from jinja2 import Template

SHORT: Final = 10
"""Up to how many letters the cells of a column stay on one line: a date, an id, two numbers."""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A table of a page. `linked`: the columns, from 0, in which ids of `Site.links` become links; the first column of
    a table with `anchored` holds the ids that others lead to. `files`: the page that each row's first cell leads to,
    in a table of pages."""

    title: str
    sheet: Sheet
    linked: tuple[int, ...] = ()
    anchored: bool = False
    files: tuple[str, ...] = ()
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture, drawn by kyber itself, and what it shows in words."""

    svg: str
    described: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page: the name of its file without the ending, its title, what it says, its pictures and tables."""

    name: str
    title: str
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Listed, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """All pages. `links`: id -> the name of the page that it stands on. `skip`: the words of the link to the content;
    `navigation`: what the list of pages is called; `others`: pages that are there already, as file and title."""

    organisation: str
    language: str
    foot: str
    skip: str
    navigation: str
    pages: tuple[Page, ...]
    links: Mapping[str, str]
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some letters of a cell, and where they lead; empty: nowhere."""

    text: str
    to: str = ""


def files_of(site: Site) -> dict[str, bytes]:
    """The site's files: name -> content. The same site gives the same bytes."""
    found = {f"{page.name}.html": _page(site, page).encode() for page in site.pages}
    return dict(sorted(found.items()))


def _page(site: Site, page: Page) -> str:
    menu = [(f"{one.name}.html", plain(one.title), one is page) for one in site.pages]
    menu += [(file, plain(title), False) for file, title in site.others]
    return _template().render(
        site=every_text(site, plain),
        page=every_text(page, plain),
        svgs=[one.svg for one in page.pictures],
        tables=[(one, _rows(one, site.links), _short(one.sheet)) for one in every_text(page.tables, plain)],
        menu=menu,
        begun=lambda text: text[:1].upper() + text[1:],
        described=words_for(site.language)("document.described"),
        policy=POLICY,
    )


def _rows(one: Listed, links: Mapping[str, str]) -> list[tuple[str, list[list[Piece]]]]:
    """Each row's anchor and cells."""
    return [
        (
            row[0] if one.anchored else "",
            [
                [Piece(cell, one.files[n])]
                if at == 0 and one.files
                else _linked(cell, links)
                if at in one.linked
                else [Piece(cell)]
                for at, cell in enumerate(row)
            ],
        )
        for n, row in enumerate(one.sheet.rows)
    ]


def _short(sheet: Sheet) -> frozenset[int]:
    """The columns whose cells stay on one line."""
    return frozenset(
        at
        for at, column in enumerate(sheet.columns)
        if all(len(cell) <= SHORT for cell in (column.head, *(row[at] for row in sheet.rows)))
    )


def _linked(cell: str, links: Mapping[str, str]) -> list[Piece]:
    found: list[Piece] = []
    for word in cell.split(" "):
        bare = word.rstrip(",")
        to = f"{links[bare]}.html#{bare}" if bare in links else ""
        found += [Piece(" ")] if found else []
        found += [Piece(bare, to), Piece(word[len(bare) :])] if to else [Piece(word)]
    return [each for each in found if each.text]


@cache
def _template() -> "Template":
    from kyber.render.html import environment

    return environment().get_template("site.html.j2")
