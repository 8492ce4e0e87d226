"""A file of tables (CSV, XLSX, ODS) in, its sheets as plain texts out. It may be anybody's: everything is bounded."""

import csv
import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyber.errors import UsageError
from kyber.risks import opening
from kyber.risks.opening import MAX_CELL, MAX_COLUMNS, MAX_ROWS

MAX_BYTES: Final = 16 * 1024 * 1024
"""Bytes of a file."""
MAX_UNPACKED: Final = 128 * 1024 * 1024
"""Bytes of a workbook once its parts are decompressed, as they say."""
MAX_PARTS: Final = 2_000
"""Parts of a workbook."""
MEMORY: Final = 1024 * 1024 * 1024
"""Bytes of memory that reading a workbook may take, whatever its parts say."""
SECONDS: Final = 30
"""How long reading a workbook may take."""
SUFFIXES: Final = (".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".ods")

_TEXT: Final = frozenset((".csv", ".tsv", ".txt"))
_SEPARATOR: Final = re.compile(r"sep=(.)\r?\n?")


class TableError(UsageError):
    """A file is no table that can be read."""


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet: its name, empty for CSV, and the texts of its cells; row 1 is `rows[0]`."""

    name: str
    rows: Sequence[Sequence[str]]


def tables_in(content: bytes, file: str) -> tuple[Table, ...]:
    """The sheets of a file, by the end of its name. Raises TableError, which says the reason and the cure."""
    if len(content) > MAX_BYTES:
        raise TableError(f"{file}: larger than {MAX_BYTES} bytes: divide it")
    suffix = Path(file).suffix.lower()
    if suffix not in SUFFIXES:
        raise TableError(f"{file}: not a table that kyber reads: save it as CSV, XLSX or ODS")
    if suffix in _TEXT:
        return (Table("", _bounded(_csv(_decoded(content, file), file), file)),)
    _check_parts(content, file)
    return tuple(Table(name, rows) for name, rows in _opened(content, file))


def _decoded(content: bytes, file: str) -> str:
    encodings = ["utf-16"] if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise TableError(f"{file}: neither UTF-8 nor Windows-1252: save it as CSV in UTF-8")


def _csv(text: str, file: str) -> list[list[str]]:
    said = _SEPARATOR.match(text)
    separator = said[1] if said else _separator(text)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise TableError(f"{file}: not CSV: {error}") from None
    if said:
        rows[0] = []
    return [[opening.text_of(cell) for cell in row] for row in rows]


def _separator(text: str) -> str:
    """What parts the first line into most cells: a semicolon, a comma or a tab."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max((";", ",", "\t"), key=lambda one: len(next(csv.reader([first[:MAX_CELL]], delimiter=one), [])))


def _bounded(rows: list[list[str]], file: str) -> list[list[str]]:
    if len(rows) > MAX_ROWS or max(map(len, rows), default=0) > MAX_COLUMNS:
        raise TableError(f"{file}: more than {MAX_ROWS} rows or {MAX_COLUMNS} columns in one sheet: divide it")
    if any(len(cell) > MAX_CELL for row in rows for cell in row):
        raise TableError(f"{file}: more than {MAX_CELL} characters in one cell: shorten it")
    return rows


def _check_parts(content: bytes, file: str) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        raise _damaged(file) from None
    if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED:
        raise TableError(
            f"{file}: more than {MAX_PARTS} parts, or {MAX_UNPACKED} bytes once decompressed: copy the list"
            " into a new workbook"
        )


def _opened(content: bytes, file: str) -> Sequence[tuple[str, list[list[str]]]]:
    """What `opening` makes of it, in a process whose memory and time are bounded: parts may say what is not so."""
    try:
        run = subprocess.run(  # noqa: S603 - this interpreter, and a program of this package
            [sys.executable, "-I", opening.__file__],
            input=content,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            preexec_fn=_bound if sys.platform != "win32" else None,
        )
    except subprocess.TimeoutExpired:
        raise _too_much(file) from None
    if run.returncode < 0 or b"MemoryError" in run.stderr or b"memory allocation" in run.stderr:
        raise _too_much(file)
    if run.returncode:
        raise _damaged(file)
    answer = json.loads(run.stdout)
    if "too_large" in answer:
        raise TableError(
            f"{file}: {answer['too_large']}: divide it, or remove empty rows and columns that have a layout"
        )
    return [(name, rows) for name, rows in answer["sheets"]]


def _bound() -> None:
    import resource

    for what, most in ((resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_CPU, SECONDS), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def _damaged(file: str) -> TableError:
    return TableError(f"{file}: not a workbook that can be read, or one with a password: save it anew as XLSX or ODS")


def _too_much(file: str) -> TableError:
    return TableError(
        f"{file}: reading it takes more than {SECONDS} s or {MEMORY} bytes of memory: copy the list into a new workbook"
    )
