"""A Document in, a tagged PDF of A4 pages (PDF/UA-1) out: the same bytes for the same Document, on any machine.

Its first page is one sheet wherever the smallest type that can be read makes it so; else it goes on on the next one.
A picture that cannot be drawn becomes its description.
"""

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final

from kyber.document import Block, Bullets, Chart, Document, Line, Paragraph, Row, Section, Table, amount
from kyber.document import lines as text_lines
from kyber.errors import UsageError
from kyber.render import picture
from kyber.render.fitting import fitted, lines, rooms
from kyber.render.placed import bands
from kyber.render.said import Places, broken, parted, parts, said, short
from kyber.render.strips import Strip, strips
from kyber.render.typst import FONT, Undrawn, pdf
from kyber.text import words_for

LETTERS: Final = 118
"""Letters of a line across the page, about."""
TALL: Final = 30
"""From about how many lines on a row of a table may be cut by the end of a page."""
TOGETHER: Final = 8
"""Up to how many rows a table is not cut by the end of a page."""
TALLEST: Final = 1.32
"""From what height on, its width being 1, a picture goes on on another page."""

ROWS: Final = 6_000
ALL: Final = 2_000_000
MOST: Final = 100_000
"""How many rows of tables, letters, and lines with their pieces a PDF holds that is to be set before one gives up."""

Drawn = Callable[[Chart], tuple[Strip, ...]]


def document(made: Document) -> bytes:
    """The whole report. Raises UsageError for one that is too long to be set."""
    _check(made)
    try:
        return pdf("document.typ", _data(made, _drawn))
    except Undrawn:
        return pdf("document.typ", _data(made, _drawn_alone))


def _check(made: Document) -> None:
    blocks = [block for section in made.sections for block in section.blocks]
    rows = sum(len(block.rows) for block in blocks if isinstance(block, Table))
    letters = sum(len(piece.text) for block in blocks for line in text_lines(block) for piece in line)
    many = len(made.facts) + len(made.sections) + sum(map(amount, blocks))
    for found, most, what in ((rows, ROWS, "rows"), (letters, ALL, "letters"), (many, MOST, "lines and pieces")):
        if found > most:
            raise UsageError(f"too long for PDF: {found:,} {what}, {most:,} at most; HTML, DOCX and Markdown hold it")


def _drawn(chart: Chart) -> tuple[Strip, ...]:
    cleaned = picture.clean(chart.svg, "p-", said(chart.title), said(chart.described), font=FONT)
    return strips(cleaned.replace('font-weight="600"', 'font-weight="bold"'), TALLEST)


def _drawn_alone(chart: Chart) -> tuple[Strip, ...]:
    """The picture, if it can be drawn on a page of its own."""
    found = _drawn(chart)
    try:
        pdf("picture.typ", [one.svg for one in found])
    except Undrawn:
        return ()
    return found


def _data(made: Document, drawn: Drawn) -> dict[str, Any]:
    places, words = Places(made), words_for(made.language)

    def sections(found: Sequence[Section], letters: int) -> list[dict[str, Any]]:
        return [
            {
                "at": places.take(one.id),
                "title": _named(one.title),
                "blocks": [_block(block, one, letters, places, drawn) for block in one.blocks],
            }
            for one in found
        ]

    first, annexes, last = parts(made)
    return {
        "language": made.language,
        "organisation": broken(made.organisation),
        "title": _named(made.title),
        "label": broken(made.label),
        "facts": [[broken(name), broken(value)] for name, value in made.facts],
        "foot": parted(" · ".join(one for one in map(short, (made.organisation, made.title, made.label)) if one)),
        "empty": words("document.empty"),
        "bands": [[sections(one, LETTERS // len(band.columns)) for one in band.columns] for band in bands(first)],
        "parts": [
            {"title": words(key), "sections": sections(part, LETTERS)}
            for key, part in (("document.annexes", annexes), ("document.last", last))
            if part
        ],
    }


def _block(block: Block, section: Section, letters: int, places: Places, drawn: Drawn) -> dict[str, Any]:
    match block:
        case Paragraph(line, kind):
            return {"kind": kind, "line": _line(line, places)}
        case Bullets(items, numbered):
            return {"kind": "list", "numbered": numbered, "items": [_line(one, places) for one in items]}
        case Table():
            return {"kind": "table", "title": _title(block, section), **_table(block, letters, places)}
        case Chart():
            found = drawn(block)
            return {
                "kind": "chart",
                "title": "" if found and _tells(found[0].svg, block.title) else _title(block, section),
                "described": broken(block.described),
                "strips": [
                    {
                        "svg": one.svg,
                        "width": one.width,
                        "height": one.height,
                        "said": said(f"{block.title}: {block.described}") if at == 1
                        else said(f"{block.title} ({at}/{len(found)})"),
                    }
                    for at, one in enumerate(found, 1)
                ],
            }  # fmt: skip


def _named(title: str) -> str:
    """A title, or a sign where there is none: a heading without letters is not accessible."""
    return broken(title) if said(title).replace("\u200b", "").strip() else "–"


def _title(block: Table | Chart, section: Section) -> str:
    """Empty where the heading above says the same."""
    return "" if said(block.title).casefold() == said(section.title).casefold() else broken(block.title)


def _tells(svg: str, title: str) -> bool:
    """Whether a picture bears its title."""
    return re.search(rf"<text[^>]*>{re.escape(escape(said(title)))}", svg) is not None


def _table(table: Table, letters: int, places: Places) -> dict[str, Any]:
    room = rooms(table, letters)

    def row(found: Row) -> dict[str, Any]:
        pairs = tuple(zip(found.cells, (one.letters for one in room), strict=True))
        return {
            "at": places.take(found.anchor),
            "tall": max((lines(cell, wide) for cell, wide in pairs), default=0) > TALL,
            "cells": [_line(cell, places, wide) for cell, wide in pairs],
        }

    return {
        "columns": [
            {"head": fitted(one.head, found.letters), "right": one.right, "width": found.letters, "whole": found.whole}
            for one, found in zip(table.columns, room, strict=True)
        ],
        "rows": [row(one) for one in table.rows],
        "short": len(table.rows) <= TOGETHER,
        "empty": broken(table.empty),
    }


def _line(line: Line, places: Places, wide: int = LETTERS) -> list[list[Any]]:
    return [[fitted(one.text, wide), places.link(one.to), one.strong] for one in line if one.text]
