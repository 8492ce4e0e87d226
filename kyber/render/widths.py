"""A table in, how wide each of its columns is out, for forms whose readers do not work that out themselves."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from kyber.document import Table
from kyber.render.said import line_of, said

WORD: Final = 24
"""Letters of a word that a column makes room for; longer words are broken."""
TEXT: Final = 60
"""Letters beyond which a longer text asks for no wider column."""


def widths(table: Table, room: int, letter: float, padding: int) -> list[int]:
    """The widths, together `room`: each column has its share by weight, at least its longest word, and not more than
    its longest text, as far as that goes. `letter` is the width of one, `padding` what a cell has beside its text."""
    texts = [
        [said(column.head), *(line_of(row.cells[at]) for row in table.rows)] for at, column in enumerate(table.columns)
    ]
    least = [padding + letter * min(WORD, max(_longest_word(one) for one in column)) for column in texts]
    most = [padding + letter * min(TEXT, max(map(len, column))) for column in texts]
    if sum(least) >= room:
        return _together(least, room)
    weights = [max(one.weight, 0) or 0.5 for one in table.columns]
    fair = [room * weight / sum(weights) for weight in weights]
    wanted = [min(max(one, low), max(low, high)) for one, low, high in zip(fair, least, most, strict=True)]
    over = sum(wanted) - room
    spare = [one - low for one, low in zip(wanted, least, strict=True)]
    lacking = [max(0.0, high - one) for one, high in zip(wanted, most, strict=True)]
    if over > 0:
        wanted = [one - over * part / sum(spare) for one, part in zip(wanted, spare, strict=True)]
    elif any(lacking):
        much = min(1.0, -over / sum(lacking))
        wanted = [one + much * part for one, part in zip(wanted, lacking, strict=True)]
    return _together(wanted, room)


def _longest_word(text: str) -> int:
    return max(map(len, text.split(" ")), default=0)


def _together(found: Sequence[float], room: int) -> list[int]:
    """The same in proportion, as whole numbers that are `room` together."""
    ends = [0]
    for at in range(len(found)):
        ends.append(round(room * sum(found[: at + 1]) / sum(found)))
    return [end - begin for begin, end in pairwise(ends)]
