"""A Document in, one page of HTML out that loads nothing, runs nothing, and prints on A4, its first page on one."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Final

from kyber.document import Chart, Column, Document, Section, Table
from kyber.render.html import environment
from kyber.render.picture import clean
from kyber.render.placed import bands, fullness
from kyber.render.said import Places, broken, said
from kyber.text import words_for

FOLDER: Final = Path(__file__).parent
SHORT: Final = 20
"""Up to how many letters a cell of a narrow column stays on one line."""
SCROLLED: Final = 5
"""From how many columns on a table can be moved sideways on a small screen."""


def page(document: Document) -> str:
    """The whole page; every text is made plain and escaped, every picture cleaned."""
    words = words_for(document.language)
    style = (FOLDER / "document.css").read_text(encoding="utf-8")
    foot = " · ".join(one for one in (document.organisation, document.title, document.label) if one)
    style += f"@page {{ @bottom-left {{ content: {_quoted(foot)}; }} }}\n"
    digest = b64encode(sha256(style.encode()).digest()).decode()
    first, annexes, last = (
        [one for one in document.sections if one.place == place] for place in ("first", "annex", "last")
    )
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
            annexes=annexes,
            last=last,
            parts=_parts(first, annexes, last),
            places=Places(document),
            said=said,
            broken=broken,
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


def _looks(table: Table) -> list[str]:
    """For each column the classes of its cells: to the right, on one line."""
    looks = []
    for at, column in enumerate(table.columns):
        texts = [column.head, *("".join(piece.text for piece in row.cells[at]) for row in table.rows)]
        short = max(map(len, texts)) <= SHORT and (column.weight == 0 or column.right)
        looks.append(" ".join(("n" if column.right else "", "tight" if short else f"w{_share(column, table)}")).strip())
    return looks


def _share(column: Column, table: Table) -> int:
    """Its share of the width, in tenths."""
    total = sum(max(one.weight, 0) or 1 for one in table.columns)
    return min(9, max(1, round(10 * (max(column.weight, 0) or 1) / total)))


def _quoted(text: str) -> str:
    """A text as CSS has it: all but letters, digits and spaces of ASCII as numbers, each ended by a blank."""
    return '"' + "".join(one if _is_simple(one) else f"\\{ord(one):06x} " for one in said(text)) + '"'


def _is_simple(letter: str) -> bool:
    return letter == " " or (letter.isascii() and letter.isalnum())
