"""The sections of a first page in, where they stand and how large their letters can be out, so that it fits on one A4.

What is read first comes first in every form: the left column before the right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Final

from kyber.document import Block, Bullets, Chart, Column, Line, Paragraph, Section, Table
from kyber.render.picture import size as picture_size

WIDE: Final = 4
"""From how many columns on a table takes the whole width."""
SIZES: Final = (8.6, 8.0, 7.5, 7.0)
"""The sizes of type of a first page, in points, the usual one first: `dense-0` to `dense-3` of the style sheet."""
PAGE: Final = 779.0
"""Points from the top of a page to its end, between the margins, and a bit, as heights are taken too high."""
ACROSS: Final = 516.0
BESIDE: Final = 251.0
"""Points from the left to the right, across the page and in one of two columns."""
_TOP: Final = 62.0
_FACTS: Final = 36
"""The header without its facts, in points; letters of a line of a fact where there are four."""
_WIDTHS: Final = {
    **dict.fromkeys("iljI.,;:!'|()[]-–/ ", 0.34),
    **dict.fromkeys("frt", 0.4),
    **dict.fromkeys("mwMW@%€", 0.9),
    **dict.fromkeys("ABCDEFGHJKLNOPQRSTUVXYZÅÄÖ●○▲▼", 0.72),
}
_LETTER: Final = 0.61
"""How wide letters are, as parts of the size: those of wide type, as not everybody has the same; and every other."""
_BOLD: Final = 1.1
_WHOLE: Final = 1.03
"""How much more a text takes since words are not broken."""
_PICTURE: Final = 187.0
"""How high a picture gets."""


@dataclass(frozen=True, slots=True)
class Band:
    """Sections beside each other, each tuple one column; a single column goes across."""

    columns: tuple[tuple[Section, ...], ...]


def bands(sections: Sequence[Section]) -> tuple[Band, ...]:
    """The sections in their order, in bands from top to bottom."""
    found: list[Band] = []
    for wide, group in groupby(sections, _is_wide):
        together = tuple(group)
        found += [Band((together,))] if wide or len(together) == 1 else [Band(_halves(together))]
    return tuple(found)


def fullness(sections: Sequence[Section], facts: Sequence[tuple[str, str]]) -> int:
    """How small the type of a first page has to be: which of SIZES."""
    fits = (at for at, size in enumerate(SIZES) if page_height(sections, facts, size) <= PAGE)
    return next(fits, len(SIZES) - 1)


def page_height(sections: Sequence[Section], facts: Sequence[tuple[str, str]], size: float) -> float:
    """About how many points a first page takes in this size of type, rather more than less."""
    total = _TOP + 10 * sum(max(ceil(len(value) / _FACTS) for _, value in facts[at : at + 4]) + 1
                            for at in range(0, len(facts), 4))  # fmt: skip
    for band in bands(sections):
        width = ACROSS if len(band.columns) == 1 else BESIDE
        total += max(sum(_section(one, width, size) for one in column) for column in band.columns)
    return total


def _section(section: Section, width: float, size: float) -> float:
    head = _fitted(_long(section.title) * _BOLD, width, 1.12 * size) * 1.12 * size * 1.3 + (8 if size > SIZES[2] else 6)
    return head + sum(height(one, width, size) for one in section.blocks)


def height(block: Block, width: float, size: float) -> float:
    """About how many points a block takes in a column of a width and a size of type, both in points."""
    leading = size * (1.28 if size > SIZES[2] else 1.22)
    match block:
        case Paragraph(line, kind):
            large = 1.12 if kind == "lead" else 1.0
            return _lines(line, width, size * large) * leading * large + (9 if kind == "lead" else 3)
        case Bullets(items):
            return sum(_lines(one, width - 2 * size, size) * leading + 3 for one in items) + 3
        case Chart(svg=svg):
            drawn = picture_size(svg)
            return (min(_PICTURE, width * drawn[1] / drawn[0]) if drawn else 0.0) + 9
        case Table(columns=columns, rows=rows):
            total = sum(_share(one) for one in columns)
            widths = [width * _share(one) / total - 5 for one in columns]
            letters, small, padding = max(7.0, 0.94 * size), max(7.0, 0.88 * size), 4.2
            high = [
                max(
                    (
                        _lines(cell, room, letters, 1.0 if at else _BOLD)
                        for at, (cell, room) in enumerate(zip(row.cells, widths, strict=True))
                    ),
                    default=1,
                )
                for row in rows
            ]
            head = max(
                (_fitted(_long(one.head) * _BOLD, room, small) for one, room in zip(columns, widths, strict=True)),
                default=1,
            )
            if not rows:
                return leading + 3
            return head * small * 1.28 + padding + sum(high) * letters * leading / size + padding * len(rows) + 5


def _share(column: Column) -> int:
    return 2 * column.weight or 1


def _lines(line: Line, width: float, size: float, wider: float = 1.0) -> int:
    return _fitted(sum(_long(piece.text) * (_BOLD if piece.strong else wider) for piece in line), width, size)


def _fitted(letters: float, width: float, size: float) -> int:
    """In how many lines so many sizes of letters fit."""
    return max(1, ceil(letters * _WHOLE * size / max(width, size)))


def _long(text: str) -> float:
    return sum(_WIDTHS.get(one, _LETTER) for one in text)


def _is_wide(section: Section) -> bool:
    lead = any(isinstance(one, Paragraph) and one.kind == "lead" for one in section.blocks)
    return lead or any(isinstance(one, Table) and len(one.columns) >= WIDE for one in section.blocks)


def _halves(sections: tuple[Section, ...]) -> tuple[tuple[Section, ...], ...]:
    """Cut where the two columns are most nearly as long as each other."""
    sizes = [_section(one, BESIDE, SIZES[1]) for one in sections]
    cut = min(range(1, len(sections)), key=lambda at: abs(sum(sizes[:at]) - sum(sizes[at:])))
    return sections[:cut], sections[cut:]
