"""The sections of a first page in, where they stand out: across the page, or in two columns beside each other.

What is read first comes first in every form: the left column before the right one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil
from typing import Final

from kyber.document import Block, Bullets, Chart, Column, Line, Paragraph, Section, Table

WIDE: Final = 4
"""From how many columns on a table takes the whole width."""
_LETTERS: Final = 62
"""Letters of a line of one column, about."""
_CHART: Final = 17
"""Lines that a picture takes, about."""
_ROOM: Final = (58, 68, 78)
"""Above how many lines a page needs smaller type, and smaller still."""


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


def height(block: Block) -> int:
    """About how many lines a block takes in one column."""
    match block:
        case Paragraph(line):
            return _lines(line, _LETTERS)
        case Bullets(items):
            return sum(_lines(one, _LETTERS) for one in items)
        case Chart():
            return _CHART + 1
        case Table(columns=columns, rows=rows):
            total = sum(_share(one) for one in columns)
            widths = [max(1, _LETTERS * _share(one) // total) for one in columns]
            return 2 + max(1, sum(max(map(_lines, row.cells, widths), default=1) for row in rows))


def _share(column: Column) -> int:
    return 2 * column.weight or 1


def _lines(line: Line, letters: int) -> int:
    return max(1, ceil(sum(len(piece.text) for piece in line) / letters))


def _is_wide(section: Section) -> bool:
    lead = any(isinstance(one, Paragraph) and one.kind == "lead" for one in section.blocks)
    return lead or any(isinstance(one, Table) and len(one.columns) >= WIDE for one in section.blocks)


def _halves(sections: tuple[Section, ...]) -> tuple[tuple[Section, ...], ...]:
    """Cut where the two columns are most nearly as long as each other."""
    sizes = [2 + sum(map(height, one.blocks)) for one in sections]
    cut = min(range(1, len(sections)), key=lambda at: abs(sum(sizes[:at]) - sum(sizes[at:])))
    return sections[:cut], sections[cut:]


def fullness(sections: Sequence[Section], facts: Sequence[object]) -> int:
    """How small the type of a first page has to be, from 0 (as usual) to 3, by about how many lines it takes."""
    lines = 6 + len(facts) / 3
    for band in bands(sections):
        wide = len(band.columns) == 1
        lines += max(
            sum(2 + sum(_room(one, wide) for one in section.blocks) for section in column) for column in band.columns
        )
    return sum(lines > most for most in _ROOM)


def _room(block: Block, wide: bool) -> float:
    return ceil(height(block) / 2) + 1 if wide and not isinstance(block, Chart) else height(block)
