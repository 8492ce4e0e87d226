"""A table in, how wide its columns are on paper out, so that its rows take few lines and words stay whole."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from kyber.document import Line, Table
from kyber.render.said import LONG, line_of, parted, said

WORD: Final = 13
"""Letters of a word that every column makes room for; a longer one may have to be hyphenated."""
ROWS: Final = 24
"""Of how many rows it is looked at how long their texts are."""
STEP: Final = 2
"""By how many letters at once columns are made wider."""
BESIDE: Final = 2
"""Letters that the space beside a column takes."""
_WORD: Final = re.compile(r"[^ ]+")
"""What stays together: a space that does not break, as within a day, is a part of it."""
_SIGN: Final = re.compile(r"[^\W\d]-(?=.)|[._/@\\=](?=.)")
_BROAD: Final = re.compile("[●○▲▼→]")
_LARGE: Final = re.compile("[A-ZÅÄÖmwMW●○▲▼→%@]")


@dataclass(frozen=True, slots=True)
class Room:
    """What a column has room for."""

    letters: int
    whole: bool
    """Whether each of its words surely fits."""


def rooms(table: Table, letters: int) -> tuple[Room, ...]:
    """The room of each column; together about `letters`, the space between them told off."""
    words = [_widest(table, at) for at in range(len(table.columns))]
    found = _shared(table, letters, words)
    return tuple(Room(wide, word <= wide) for wide, word in zip(found, words, strict=True))


def _shared(table: Table, letters: int, words: Sequence[int]) -> Sequence[int]:
    many = range(len(table.columns))
    left = max(letters - BESIDE * len(table.columns), len(table.columns))
    found = [min(word, WORD) for word in words]
    if sum(found) > left:
        return [max(1, left * one // sum(found)) for one in found]
    rows = table.rows[:: max(1, len(table.rows) // ROWS)]
    sizes = [[_size(table.columns[at].head) for at in many]]
    sizes += [[_size(line_of(row.cells[at])) for at in many] for row in rows]

    def paper(wide: list[int]) -> float:
        """How much of it the rows take, and a little for each word that has to be hyphenated."""
        cells = ([max(1.0, size / room) for size, room in zip(row, wide, strict=True)] for row in sizes)
        cut = sum(word > room for word, room in zip(words, wide, strict=True))
        return sum(max(row) + sum(row) / 10 for row in cells) + cut * len(sizes) / 3

    def wider(at: int) -> list[int]:
        return [one + STEP * (at == other) for other, one in enumerate(found)]

    while sum(found) + STEP <= left:
        best = min(many, key=lambda at: paper(wider(at)))
        if paper(wider(best)) >= paper(found):
            break
        found = wider(best)
    spare, total = left - sum(found), sum(found)
    return [one + spare * one // total for one in found]


def lines(line: Line, wide: int) -> int:
    """About how many lines a cell of that many letters takes."""
    return ceil(sum(len(piece.text) for piece in line) / wide)


def fitted(text: str, wide: int) -> str:
    """A text as one line, with U+200B where a word that is longer than the column may be broken: after the signs that
    paths and addresses have, and anywhere in what is very long without them. The rest is left to hyphenation."""
    return _WORD.sub(lambda word: _parted(word[0]) if len(word[0]) > min(wide, LONG - 1) else word[0], said(text))


def _parted(word: str) -> str:
    return parted(_SIGN.sub("\\g<0>\u200b", word))


def _texts(table: Table, at: int) -> Iterator[str]:
    yield said(table.columns[at].head)
    yield from (line_of(row.cells[at]) for row in table.rows)


def _size(text: str) -> int:
    return ceil(len(text) * 1.1) + len(_BROAD.findall(text)) + 1


def _widest(table: Table, at: int) -> int:
    """The longest word of a column; heads are bold."""
    head, *texts = _texts(table, at)
    return max([_longest(head) + 1, *map(_longest, texts)]) + 1


def _longest(text: str) -> int:
    words = [one for one in _parted(text).replace("\u200b", " ").split(" ") if one]
    return max((len(word) + len(_LARGE.findall(word)) // 2 for word in words), default=1)
