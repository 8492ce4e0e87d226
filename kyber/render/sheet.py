"""A plain table in; text for a terminal, CSV, Markdown or a workbook out. What is in it is made plain here."""

import csv
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from rich.cells import cell_len

from kyber.render.safe import cell, plain
from kyber.render.xlsx import sheet_name


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, and how it is shown on a terminal."""

    head: str
    right: bool = False
    weight: int = 0
    """Its share in the room that the others leave; where it is not 0, the column wraps."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table: its columns, and rows as long as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


GAP: Final = 2
"""Letters between two columns."""
WIDEST: Final = 60
"""Letters that a column of a workbook has at most."""
LEAST: Final = 10
"""Letters that a wide column has at least."""
_MARKED: Final = re.compile(r"([\\`*_{}\[\]<>|#])")


def csv_of(sheet: Sheet) -> str:
    """The table as CSV with a heading; no cell is taken for a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(column.head for column in sheet.columns)
    writer.writerows([cell(value) for value in row] for row in sheet.rows)
    return stream.getvalue()


def markdown_of(sheet: Sheet) -> str:
    """The table as Markdown; nothing in it is taken for markup."""

    def line(cells: Sequence[str]) -> str:
        marked = (_MARKED.sub(r"\\\1", plain(one)) for one in cells)
        return f"| {' | '.join(marked)} |\n"

    rule = "|".join("---:" if column.right else "---" for column in sheet.columns)
    return line([column.head for column in sheet.columns]) + f"|{rule}|\n" + "".join(map(line, sheet.rows))


def xlsx_of(sheet: Sheet, name: str) -> bytes:
    """The table as a workbook of one sheet, with a heading that stays and can be filtered by; every cell is text."""
    import xlsxwriter

    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        page = book.add_worksheet(sheet_name(name))
        head, wrapped = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
        for at, column in enumerate(sheet.columns):
            longest = max(map(cell_len, (column.head, *(row[at] for row in sheet.rows))))
            page.set_column(at, at, min(longest, WIDEST) + GAP, wrapped)
            page.write_string(0, at, column.head, head)
        for number, row in enumerate(sheet.rows, 1):
            for at, value in enumerate(row):
                page.write_string(number, at, plain(value), wrapped)
        page.freeze_panes(1, 0)
        page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)
    return stream.getvalue()


def text_of(sheet: Sheet, width: int) -> str:
    """The table as lines of at most `width` letters, where its narrow columns leave the wide ones any room."""
    rows = [tuple(column.head for column in sheet.columns), *(tuple(map(plain, row)) for row in sheet.rows)]
    widths = _widths(sheet.columns, rows, width)
    return "".join(f"{line}\n" for row in rows for line in _lines(row, sheet.columns, widths))


def _widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> Sequence[int]:
    """As wide as the longest cell; those with a weight share what is left, and take no more than they need."""
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    room = width - sum(needed + GAP for needed, column in zip(widths, columns, strict=True) if not column.weight)
    sharing = sorted(
        (at for at, one in enumerate(columns) if one.weight), key=lambda at: widths[at] / columns[at].weight
    )
    weights = sum(columns[at].weight for at in sharing)
    for at in sharing:
        least = max(LEAST, *map(cell_len, columns[at].head.split()))
        widths[at] = min(widths[at], max(least, room * columns[at].weight // weights - GAP))
        room -= widths[at] + GAP
        weights -= columns[at].weight
    return widths


def _lines(row: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> Iterator[str]:
    cells = [
        [value] if cell_len(value) <= width else textwrap.wrap(value, width) or [""]
        for value, width in zip(row, widths, strict=True)
    ]
    for parts in zip_longest(*cells, fillvalue=""):
        placed = (
            " " * (width - cell_len(part)) + part if column.right else part + " " * (width - cell_len(part))
            for part, width, column in zip(parts, widths, columns, strict=True)
        )
        yield (" " * GAP).join(placed).rstrip()
