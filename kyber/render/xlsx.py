"""A workbook described by frozen data in, the bytes of an XLSX file out: drop-downs, colours, frozen headings.

Every text is written as a text: nothing of it becomes a formula, a link or a number.
"""

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from kyber.privacy import shortened
from kyber.render.safe import CELL_LIMIT

Cell = str | int | float | date | None

DIGITS: Final = 12
"""Digits of a number that is no whole one; fewer than a spreadsheet keeps, so that they come back as they were."""
SPARE: Final = 100
"""Empty rows below those that are there which have drop-downs, too."""
SHEET_NAME: Final = 31
"""Characters of the name of a sheet that spreadsheets take."""
_LISTS: Final = "_lists"
_UNFIT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_UNNAMED: Final = re.compile(r"[\[\]:*?/\\']")
_FIRST_DAY: Final = date(1900, 3, 1)
"""Spreadsheets do not agree on days before."""


@dataclass(frozen=True, slots=True)
class Level:
    """A column that the spreadsheet computes: the word in the matrix at the class in one column, and the highest in
    some others, which stand side by side."""

    likelihood: int
    impact: tuple[int, int]
    """The first and the last column of impact."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A column: its heading, how wide it is, and what may be chosen in it."""

    text: str
    width: int = 16
    choices: tuple[str | int, ...] = ()
    suggested: bool = False
    """Whether something else than the choices may stand there as well."""
    level: Level | None = None
    locked: bool = False
    """Whether it is shown as not to be edited."""


_PLAIN: Final = Heading("")


@dataclass(frozen=True, slots=True)
class Page:
    """A sheet. A level's cell holds the word that its formula comes to."""

    name: str
    headings: tuple[Heading, ...]
    rows: tuple[tuple[Cell, ...], ...]
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A workbook."""

    pages: tuple[Page, ...]
    matrix: tuple[tuple[str, ...], ...]
    """The words for levels: rows by likelihood, columns by impact, from the lowest."""
    none: str
    """The word for no level."""
    colours: Mapping[str, str]
    """Word -> colour, as #rrggbb."""
    made: datetime


def fitting(cell: Cell) -> Cell:
    """A cell as a spreadsheet keeps it: cut or rounded where it is too long, without what XLSX cannot hold."""
    if isinstance(cell, str):
        return shortened(_UNFIT.sub("\N{REPLACEMENT CHARACTER}", cell), CELL_LIMIT)
    if isinstance(cell, date) and cell < _FIRST_DAY:
        return cell.isoformat()
    return float(f"{cell:.{DIGITS}g}") if isinstance(cell, float) else cell


def sheet_name(text: str) -> str:
    """A text as the name of a sheet."""
    return _UNNAMED.sub(" ", text)[:SHEET_NAME].strip() or "x"


def bytes_of(book: Book) -> bytes:
    """The file."""
    import xlsxwriter

    stream = io.BytesIO()
    workbook = xlsxwriter.Workbook(stream, {"in_memory": True})
    workbook.set_properties({"created": book.made.astimezone(UTC).replace(tzinfo=None)})
    styles = {
        "head": workbook.add_format(
            {"bold": True, "bg_color": "#DDE3EA", "border": 1, "text_wrap": True, "valign": "top"}
        ),
        "text": workbook.add_format({"text_wrap": True, "valign": "top"}),
        "day": workbook.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"}),
        "locked": workbook.add_format({"text_wrap": True, "valign": "top", "font_color": "#5A6470"}),
    }
    colours = {
        word: workbook.add_format({"bg_color": colour, "font_color": "#000000"})
        for word, colour in book.colours.items()
    }
    lists = _Lists(book)
    for page in book.pages:
        sheet = workbook.add_worksheet(page.name)
        _write(sheet, page, lists, styles, colours, book)
    hidden = workbook.add_worksheet(_LISTS)
    for column, values in enumerate(lists.columns):
        for row, value in enumerate(values):
            _put(hidden, row, column, value, styles)
    hidden.hide()
    workbook.close()
    return stream.getvalue()


class _Lists:
    """The hidden sheet with the matrix, and right of it a column for each list to choose from."""

    def __init__(self, book: Book) -> None:
        rows = len(book.matrix)
        self.columns: list[tuple[str | int, ...]] = [tuple(column) for column in zip(*book.matrix, strict=True)]
        self.matrix = f"{_LISTS}!$A$1:${_letters(len(self.columns) - 1)}${rows}"
        self._known: dict[tuple[str | int, ...], str] = {}

    def range(self, choices: tuple[str | int, ...]) -> str:
        if choices not in self._known:
            letters = _letters(len(self.columns))
            self.columns.append(choices)
            self._known[choices] = f"={_LISTS}!${letters}$1:${letters}${len(choices)}"
        return self._known[choices]


def _write(
    sheet: Any, page: Page, lists: _Lists, styles: Mapping[str, Any], colours: Mapping[str, Any], book: Book
) -> None:
    for at, head in enumerate(page.headings):
        sheet.set_column(at, at, head.width, styles["locked" if head.locked or head.level else "text"])
        sheet.write_string(0, at, head.text, styles["head"])
    for row, cells in enumerate(page.rows, 1):
        for at, cell in enumerate(cells):
            own = page.headings[at] if at < len(page.headings) else _PLAIN
            if own.level is not None:
                sheet.write_formula(row, at, _formula(own.level, row, lists, book), styles["locked"], str(cell))
            else:
                _put(sheet, row, at, cell, styles, locked=own.locked)
    if page.hidden:
        sheet.very_hidden()
        return
    last = len(page.rows) + SPARE
    for at, head in enumerate(page.headings):
        if head.choices:
            rule = {"validate": "list", "source": lists.range(head.choices), "ignore_blank": True}
            sheet.data_validation(1, at, last, at, {**rule, "error_type": "warning" if head.suggested else "stop"})
        if head.level is not None:
            for row in range(len(page.rows) + 1, last + 1):
                sheet.write_formula(row, at, _formula(head.level, row, lists, book), styles["locked"], "")
            for word, style in colours.items():
                rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": style}
                sheet.conditional_format(1, at, last, at, rule)
    sheet.freeze_panes(1, 2)
    if page.headings:
        sheet.autofilter(0, 0, max(len(page.rows), 1), len(page.headings) - 1)


def _formula(level: Level, row: int, lists: _Lists, book: Book) -> str:
    likelihood = f"{_letters(level.likelihood)}{row + 1}"
    impact = f"{_letters(level.impact[0])}{row + 1}:{_letters(level.impact[1])}{row + 1}"
    none = f'IF($A{row + 1}&$B{row + 1}="","","{book.none}")'
    found = f"IFERROR(INDEX({lists.matrix},{likelihood},MAX({impact})),{none})"
    return f'=IF(OR({likelihood}="",MAX({impact})=0),{none},{found})'


def _put(sheet: Any, row: int, at: int, cell: Cell, styles: Mapping[str, Any], *, locked: bool = False) -> None:
    cell = fitting(cell)
    style = styles["locked" if locked else "text"]
    if cell is None or cell == "":
        return
    if isinstance(cell, str):
        sheet.write_string(row, at, cell, style)
    elif isinstance(cell, date):
        sheet.write_datetime(row, at, datetime(cell.year, cell.month, cell.day), styles["day"])
    else:
        sheet.write_number(row, at, cell, style)


def _letters(at: int) -> str:
    """The name of a column, from 0: A, B, … AA."""
    made, at = "", at + 1
    while at:
        at, rest = divmod(at - 1, 26)
        made = chr(ord("A") + rest) + made
    return made
