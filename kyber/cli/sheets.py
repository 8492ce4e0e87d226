"""Lists in their forms: a table, and the same as records, onto standard output or into a file."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kyber.cli.desk import json_record, table
from kyber.cli.files import form_of, write_out, write_whole
from kyber.errors import UsageError

if TYPE_CHECKING:
    from kyber.render.sheet import Sheet


class Form(StrEnum):
    """The forms in which a list is shown."""

    TABLE = "table"
    CSV = "csv"
    MARKDOWN = "markdown"
    XLSX = "xlsx"
    JSONL = "jsonl"


BY_ENDING: Final = {".csv": "csv", ".xlsx": "xlsx", ".md": "markdown", ".jsonl": "jsonl", ".txt": "table"}


def chosen(form: Form | None, json: bool, output: Path | None) -> Form:
    """The form that was asked for: by name, by `--json`, by the ending of the file; else a table. Raises UsageError."""
    return Form(form_of(form, json, output, BY_ENDING))


def write_list(
    form: Form, sheet: "Callable[[], Sheet]", records: Callable[[], Iterable[Any]], output: Path | None, name: str
) -> None:
    """Write a list in one of its forms; only what that form needs is made. `name` is that of a workbook's sheet.

    Raises UsageError for a workbook without a file.
    """
    from kyber.render.sheet import csv_of, markdown_of, xlsx_of

    if form is Form.JSONL:
        write_out(output, "".join(f"{json_record(one)}\n" for one in records()))
    elif form is Form.XLSX:
        if output is None:
            raise UsageError("a workbook needs a file: -o FILE.xlsx")
        write_whole(output, xlsx_of(sheet(), name))
    elif form is Form.TABLE:
        write_out(output, table(sheet(), output))
    else:
        write_out(output, csv_of(sheet()) if form is Form.CSV else markdown_of(sheet()))
