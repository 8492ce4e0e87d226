"""A workbook's bytes in, the texts of its sheets out; run as a program, the same from standard input to JSON.

It is a program of its own because a small workbook may claim to hold billions of cells, or one long text in each of
them: whoever runs it bounds its memory and time, and loses nothing when it is stopped.
"""

import json
import sys
from datetime import date, datetime, time
from io import BytesIO
from typing import Final

MAX_ROWS: Final = 5_000
"""Rows of a sheet; a longer one is refused."""
MAX_COLUMNS: Final = 200
"""Columns of a sheet; a wider one is refused."""
MAX_CELL: Final = 32_767
"""Characters of a cell, as many as a spreadsheet keeps; a longer one is refused."""
MAX_SHEETS: Final = 50
"""Sheets of a workbook."""


class TooLargeError(Exception):
    """A sheet, or a text in it, is beyond a bound."""


def opened(content: bytes) -> list[tuple[str, list[list[str]]]]:
    """The sheets of a workbook (XLSX, ODS) by name, and their rows, the first row first.

    Numbers and days are texts as well: `3`, `2026-01-31`. Raises TooLargeError, and what calamine raises.
    """
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_filelike(BytesIO(content))
    if len(book.sheet_names) > MAX_SHEETS:
        raise TooLargeError(f"more than {MAX_SHEETS} sheets")
    found = []
    for name in book.sheet_names:
        sheet = book.get_sheet_by_name(name)
        last_row, last_column = sheet.end or (0, 0)
        if last_row >= MAX_ROWS or last_column >= MAX_COLUMNS:
            raise TooLargeError(f"more than {MAX_ROWS} rows or {MAX_COLUMNS} columns in one sheet")
        rows = [[text_of(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
        if any(len(cell) > MAX_CELL for row in rows for cell in row):
            raise TooLargeError(f"more than {MAX_CELL} characters in one cell")
        found.append((name, rows))
    return found


def text_of(cell: object) -> str:
    """A cell as a text: whole numbers without a fraction, days as ISO 8601 has them."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float | int):
        return str(int(cell)) if cell == cell and abs(cell) < 1e15 and cell == int(cell) else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(sep=" ")
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).replace("\r\n", "\n").replace("\r", "\n").strip()


if __name__ == "__main__":
    try:
        json.dump({"sheets": opened(sys.stdin.buffer.read())}, sys.stdout)
    except TooLargeError as error:
        json.dump({"too_large": str(error)}, sys.stdout)
