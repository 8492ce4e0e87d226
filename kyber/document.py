"""A report as data: what it says, in the words of one language, before it becomes HTML, PDF, DOCX or Markdown.

Everything is text and pictures by now: nothing here is looked up, counted or translated any more, so that an old report
can be rendered again, unchanged. Texts are data: whoever renders them escapes them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

LONGEST: Final = 20_000
"""Letters of one text: of a longer one the rest stays out."""

Place = Literal["first", "annex", "last"]
"""Where a section stands: on the first page, among the annexes, or on the last page."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Some letters of a line."""

    text: str
    to: str = ""
    """The anchor within the document that it leads to; empty: none."""
    strong: bool = False


Line = tuple[Piece, ...]
"""A text with its links."""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One paragraph."""

    line: Line
    kind: Literal["text", "lead", "note"] = "text"
    """`lead`: the sentence that says it all; `note`: small print."""


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list, numbered or not."""

    items: tuple[Line, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table."""

    head: str
    right: bool = False
    """Numbers stand to the right."""
    weight: int = 1
    """Its share of the width; 0: as narrow as it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table; the first cell is its head."""

    cells: tuple[Line, ...]
    """As many as there are columns."""
    anchor: str = ""
    """What links lead to; unique in the document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; without rows it says `empty`."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A picture, and the same in words for who does not see it."""

    title: str
    svg: str
    """One SVG element without scripts, links and anything from elsewhere."""
    described: str


Block = Paragraph | Bullets | Table | Chart


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of a report."""

    id: str
    """Stable, and the anchor of its heading: `top-risks`."""
    title: str
    place: Place
    blocks: tuple[Block, ...]
    confidential: bool = False
    """Whether it is left out where not everybody may read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A report of one organisation, for one period, as of one day, in one language."""

    title: str
    organisation: str
    language: str
    """fi, sv or en."""
    label: str
    """How confidential it is, in words."""
    as_of: date
    start: date
    end: date
    """The period's first and last day."""
    commit: str
    """The commit of the workspace that it was made from, and whether anything was changed since; empty without git."""
    facts: tuple[tuple[str, str], ...]
    """The header: label and value."""
    sections: tuple[Section, ...]
    """In the order of reading: the first page, the annexes, the last page."""
    values: tuple[tuple[str, str], ...] = ()
    """What the next report compares itself with, by stable keys: level.R-001 = major."""


def said(text: str, to: str = "", *, strong: bool = False) -> Line:
    """A line of one piece."""
    return (Piece(text, to, strong),)


def row(*cells: str | Line, anchor: str = "") -> Row:
    """A row whose cells are texts or lines."""
    return Row(cells=tuple(said(cell) if isinstance(cell, str) else cell for cell in cells), anchor=anchor)


def linked(ids: Iterable[tuple[str, str]]) -> Line:
    """Texts with what each leads to, as one line with commas between."""
    found: list[Piece] = []
    for text, to in ids:
        found += ([Piece(", ")] if found else []) + [Piece(text, to)]
    return tuple(found) or (Piece("–"),)


def lines(block: Block) -> Iterator[Line]:
    """Every line of a block, in its order."""
    match block:
        case Paragraph(line):
            yield line
        case Bullets(items):
            yield from items
        case Table(rows=rows):
            for one in rows:
                yield from one.cells


def amount(block: Block) -> int:
    """How much of it there is: itself, its lines, and their pieces."""
    return 1 + sum(1 + len(line) for line in lines(block))
