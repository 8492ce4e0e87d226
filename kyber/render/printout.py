"""What a paper is made of, in the words of one language: headings, lists, tables, and room to write in.

A domain says what stands on it; `printout_html`, `printout_pdf` and `printout_markdown` lay it out. Texts are those
that people wrote: a line break in one is a line break on paper, and each renderer makes the rest harmless.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kyber.render.safe import plain


class Use(StrEnum):
    """What a column of a table is for."""

    TEXT = "text"
    LEAD = "lead"
    """Text whose first line says what the row is about; it heads the row."""
    LARGE = "large"
    """Text that is read from afar or in bad light, such as a number to call."""
    TICK = "tick"
    """A box to tick; its cells are empty."""
    ROOM = "room"
    """Room to write in by hand; its cells are empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its heading, its share of the width, and what it is for."""

    head: str
    share: int
    use: Use = Use.TEXT


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs."""

    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table with a heading; no row is cut by the end of a page."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A smaller heading, a text below it, and empty lines to write on."""

    heading: str
    text: str = ""
    ruled: int = 0


Block = Text | Items | Facts | Grid | Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Printout:
    """One paper of any number of pages."""

    language: str
    over: str
    """What kind of paper it is, and whose: a line above the title."""
    title: str
    facts: Facts
    """What is known of it at a glance."""
    sections: tuple[Section, ...]
    foot: str
    """What stands at the foot of each page, beside its number."""


LINES: Final = 200
"""Lines of one text that are kept apart; what comes after them goes on in the last one."""


def lines(text: str, shown: Callable[[str], str] = plain) -> list[str]:
    """The lines of a text, each made harmless."""
    return [shown(line) for line in text.replace("\r\n", "\n").split("\n", LINES - 1)]
