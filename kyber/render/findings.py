"""A ScanResult in, its findings in the form that was asked for out: for a terminal, a page, a spreadsheet or a program.

Each form shows the same findings. Personal identity codes are masked in every text from logs and rules, unless the
caller says `reveal`; asking the reader for the purpose and recording it is the caller's.
"""

import io
from collections.abc import Callable, Mapping
from typing import Final

from rich.console import Console

from kyber.finding import ScanResult
from kyber.privacy import mask
from kyber.render import html, rows, sarif, table
from kyber.render.safe import every_text
from kyber.text import Words

TABLE_WIDTH: Final = 100
"""Columns of the table form where there is no terminal to fit."""

Form = Callable[[ScanResult, Words, bool], str]
"""A result, the words of the reader's language, and whether to reveal personal identity codes -> the whole output."""


def show(result: ScanResult, words: Words, console: Console, *, reveal: bool = False, verbose: bool = False) -> None:
    """Print the table form on a console, as wide as it is; `verbose` shortens no list."""
    table.show(_shown(result, reveal), words, console, verbose=verbose)


def _table(result: ScanResult, words: Words, reveal: bool) -> str:
    out = io.StringIO()
    # An environment of its own, so that the same result gives the same text everywhere.
    console = Console(file=out, width=TABLE_WIDTH, color_system=None, force_terminal=False, _environ={})
    show(result, words, console, reveal=reveal, verbose=True)
    return "".join(line.rstrip() + "\n" for line in out.getvalue().split("\n")[:-1])


def _html(result: ScanResult, words: Words, reveal: bool) -> str:
    return html.page(_shown(result, reveal), words, revealed=reveal)


def _rows(form: Callable[[ScanResult, Words], str]) -> Form:
    return lambda result, words, reveal: form(_shown(result, reveal), words)


def _shown(result: ScanResult, reveal: bool) -> ScanResult:
    return result if reveal else every_text(result, mask)


FORMS: Final[Mapping[str, Form]] = {
    "table": _table,
    "jsonl": _rows(rows.jsonl),
    "csv": _rows(rows.csv_rows),
    "ecs": _rows(rows.ecs),
    "html": _html,
    "sarif": _rows(sarif.log),
    "timesketch": _rows(rows.timesketch),
}
"""Each form by the name that `--format` takes; a terminal gets `show` for `table`."""
