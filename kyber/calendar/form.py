"""A form for those who use no terminal: what waits, as a workbook with columns to fill in; what was filled in, back."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Final

from kyber.calendar.listing import called, told
from kyber.clock import Due
from kyber.people import People
from kyber.privacy import mask
from kyber.render.safe import plain
from kyber.render.xlsx import Book, Heading, Page, sheet_name
from kyber.text import LANGUAGES, Words, words_for

_RECORD: Final = re.compile(r"([a-z-]+)/(.+)/(\d{4}-\d\d-\d\d)")
_DAY: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_HEADS: Final = (("state", 18), ("due", 12), ("title", 50), ("owner", 24), ("deputy", 24), ("record", 34))
FILLED: Final = (("done-on", 14), ("evidence", 44))
"""The columns that are filled in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A row that was marked done."""

    row: int
    """From 1, as the spreadsheet counts."""
    kind: str
    id: str
    due: date
    on: date | None
    """None where it is no day."""
    evidence: str | None


def form(dues: Sequence[Due], people: People, words: Words, today: date, title: str) -> Book:
    """What waits, with two columns to fill in. Nothing else is read back."""

    def row(one: Due) -> tuple[str | date, ...]:
        owner, deputy = (mask(people.shown(who)) if who else "" for who in (one.owner, one.deputy))
        cells = (told(one.state(today), words), one.due, called(one, words), owner, deputy, key_of(one))
        return tuple(plain(cell) if isinstance(cell, str) else cell for cell in cells)

    headings = (
        *(Heading(words(f"clock.head.{name}"), width, locked=True) for name, width in _HEADS),
        *(Heading(words(f"clock.head.{name}"), width) for name, width in FILLED),
    )
    page = Page(sheet_name(plain(title)), headings, tuple(map(row, dues)))
    return Book(pages=(page,), matrix=(), none="", colours={}, made=datetime.combine(today, time(), UTC))


def key_of(one: Due) -> str:
    """What a row of the form is about."""
    return f"{one.kind}/{one.id}/{one.due}"


def marked(rows: Sequence[Sequence[str]]) -> Iterator[Marked]:
    """The rows of a form in which something was filled in, whatever its language and the order of its columns."""
    heads = [cell.strip() for cell in rows[0]] if rows else []
    at = {name: next((heads.index(head) for head in _called(name) if head in heads), None) for name, _ in FILLED}
    for number, row in enumerate(rows[1:], 2):
        record = next((found for cell in row if (found := _RECORD.fullmatch(cell.strip()))), None)
        day, evidence = (
            row[column].strip() if column is not None and column < len(row) else ""
            for column in (at[name] for name, _ in FILLED)
        )
        due = _day(record[3]) if record else None
        if record is not None and due is not None and (day or evidence):
            yield Marked(row=number, kind=record[1], id=record[2], due=due, on=_day(day), evidence=evidence or None)


def is_form(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a sheet is such a form: it has a column for the day."""
    return bool(rows) and bool({cell.strip() for cell in rows[0]} & set(_called("done-on")))


def _called(name: str) -> Sequence[str]:
    return [words_for(language)(f"clock.head.{name}") for language in LANGUAGES]


def _day(text: str) -> date | None:
    """A day as 2026-03-31, also with a time of day behind it, or as 31.3.2026."""
    try:
        if written := _DAY.fullmatch(text):
            return date(int(written[3]), int(written[2]), int(written[1]))
        return date.fromisoformat(text[:10])
    except ValueError:
        return None
