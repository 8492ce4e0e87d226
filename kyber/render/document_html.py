"""A Document in, one page of HTML out that loads nothing, runs nothing, and prints on A4, its first page on one."""

import re
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final

from kyber.document import Chart, Column, Document, Line, Section, Table
from kyber.document import said as as_line
from kyber.render.html import environment
from kyber.render.picture import clean, size
from kyber.render.placed import bands, fullness
from kyber.render.said import Places, broken, parts, said
from kyber.text import words_for

FOLDER: Final = Path(__file__).parent
SHORT: Final = 20
"""Up to how many letters a cell of a narrow column stays on one line."""
SCROLLED: Final = 3
"""From how many columns on a table can be moved sideways on a small screen."""
ROOM: Final = (96, 44)
"""Letters of a line across the page, and in one of two columns."""
LEAST: Final = 8
"""Letters that the narrowest column has room for."""
BROAD: Final = 1200
"""From what width on a picture has a printed page of its own, turned."""
_TOKEN: Final = re.compile(r"(?<![\w-])(?=[\w-]*\d)\w{1,8}(?:-\w{1,8}){1,2}(?![\w-])(?: !(?!\S))?")
"""A date or an id, with a sign that it is late."""


def page(document: Document) -> str:
    """The whole page; every text is made plain and escaped, every picture cleaned."""
    words = words_for(document.language)
    style = (FOLDER / "document.css").read_text(encoding="utf-8")
    foot = " · ".join(one for one in (document.organisation, document.title, document.label) if one)
    style += f"@page {{ @bottom-left {{ content: {_quoted(foot)}; }} }}\n"
    digest = b64encode(sha256(style.encode()).digest()).decode()
    first, annexes, last = parts(document)
    numbers = count(1)
    return (
        environment()
        .get_template("document.html.j2")
        .render(
            document=document,
            words=words,
            style=style,
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            bands=bands(first),
            dense=fullness(first, document.facts),
            behind=[(name, part) for name, part in (("annexes", annexes), ("last", last)) if part],
            parts=_parts(first, annexes, last),
            places=Places(document),
            said=said,
            broken=broken,
            kept=_kept,
            repeats=_repeats,
            broad=_broad,
            number=lambda: next(numbers),
            picture=_picture,
            looks=_looks,
            scrolled=lambda table: len(table.columns) >= SCROLLED,
        )
    )


def _parts(*parts: Sequence[Section]) -> list[tuple[str, Sequence[Section]]]:
    keys = ("document.first", "document.annexes", "document.last")
    return [(key, part) for key, part in zip(keys, parts, strict=True) if part]


def _picture(chart: Chart, number: int) -> str:
    return clean(chart.svg, f"picture-{number}-", said(chart.title), said(chart.described))


def _kept(text: str) -> list[tuple[str, bool]]:
    """The parts of a text, and whether one has to stay on one line though there are hyphens in it: dates, ids."""
    shown, made, end = broken(text), [], 0
    for found in _TOKEN.finditer(shown):
        made += [(shown[end : found.start()], False), (found[0], True)]
        end = found.end()
    return [part for part in (*made, (shown[end:], False)) if part[0]]


def _repeats(section: Section, block: Table) -> bool:
    """Whether a table's title says no more than the heading above it."""
    alone = sum(isinstance(one, Table | Chart) for one in section.blocks) == 1
    return block.title == section.title or (alone and section.place == "first")


def _broad(chart: Chart) -> bool:
    return (size(chart.svg) or (0,))[0] >= BROAD


def _looks(table: Table, narrow: bool) -> list[str]:
    """For each column the classes of its cells: to the right, on one line, with its words whole."""
    looks, whole = [], _whole(table, ROOM[narrow] + 3 * len(table.columns))
    for at, column in enumerate(table.columns):
        texts = [column.head, *("".join(piece.text for piece in row.cells[at]) for row in table.rows)]
        short = max(map(len, texts)) <= SHORT and (column.weight == 0 or column.right)
        names = (
            "n" if column.right else "",
            "tight" if short else f"w{_share(column, table)}",
            "words" * (at in whole),
        )
        looks.append(" ".join(filter(None, names)))
    return looks


def _whole(table: Table, room: int) -> set[int]:
    """The columns whose words can stay whole: the narrow ones first, as long as every other has a bit of room."""
    longest = {
        at: max(_longest(line) for line in (as_line(column.head), *(row.cells[at] for row in table.rows)))
        for at, column in enumerate(table.columns)
    }
    room -= LEAST * len(longest)
    found = set()
    for at in sorted(longest, key=lambda each: longest[each]):
        room -= max(0, longest[at] + 2 - LEAST)
        if room < 0:
            break
        found.add(at)
    return found


def _longest(line: Line) -> int:
    """Letters of the longest word, as it may be broken."""
    return max(map(len, re.split(r"[\s\u200b]+", "".join(broken(piece.text) for piece in line))))


def _share(column: Column, table: Table) -> int:
    """Its share of the width, in tenths."""
    total = sum(max(one.weight, 0) or 1 for one in table.columns)
    return min(9, max(1, round(10 * (max(column.weight, 0) or 1) / total)))


def _quoted(text: str) -> str:
    """A text as CSS has it: all but letters, digits and spaces of ASCII as numbers, each ended by a blank."""
    return '"' + "".join(one if _is_simple(one) else f"\\{ord(one):06x} " for one in said(text)) + '"'


def _is_simple(letter: str) -> bool:
    return letter == " " or (letter.isascii() and letter.isalnum())
