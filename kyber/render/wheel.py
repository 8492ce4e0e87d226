"""A year as a wheel: months as sectors, rings, what falls where, and the day as a hand; a picture as SVG.

Numbers in the wheel stand for entries of the list below it. Each state has a shape of its own besides its colour, so
that the picture can be read in black and white.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import cos, pi, sin
from typing import Final

from kyber.privacy import shortened
from kyber.render.safe import plain

MONTHS: Final = 12
_WIDTH: Final = 960
_CENTRE: Final = (480.0, 476.0)
_INNER: Final = 102.0
_RING: Final = 48.0
_SPACE: Final = 22.0
"""From one mark to the next."""
_PADDING: Final = 12.0
"""Between a mark's place and the edge of its sector."""
_LIST: Final = 945.0
_COLUMN: Final = 470.0
_LINE: Final = 17.0
_LETTERS: Final = 60
_LINES: Final = 5
"""How long an entry of the list may be; `desc` has the whole of it."""
_TITLE: Final = 84
_FILLS: Final = ("#f3f6f9", "#e6ecf2")
SHAPES: Final[Mapping[str, tuple[str, str, str]]] = {
    "done": ('<circle r="9.5"', "#b7dcc4", "#000"),
    "due": ('<rect x="-9" y="-9" width="18" height="18"', "#f6d365", "#000"),
    "late": ('<path d="M0,-12.5 L12.5,0 L0,12.5 L-12.5,0 z"', "#a4161a", "#fff"),
    "coming": ('<circle r="9.5" stroke-dasharray="3 2"', "#fff", "#000"),
    "missed": ('<path d="M-9,-9 L9,9 M-9,9 L9,-9 M-9,-9 H9 V9 H-9 z"', "#fff", "#000"),
}
"""State -> its shape, what it is filled with, and the colour of the number in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One mark in the wheel, and its entry in the list."""

    month: int
    """From 1."""
    ring: int
    """From 0, the outermost."""
    state: str
    """One of SHAPES."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheel:
    """A year, what stands in it, and the words for all of it."""

    title: str
    months: tuple[str, ...]
    rings: tuple[str, ...]
    states: Mapping[str, str]
    """The words for the states, in the order of the legend."""
    spots: tuple[Spot, ...]
    """By month."""
    today: float | None = None
    """How much of the year is over, from 0 to 1; None in another year."""
    hand: str = ""
    """What the hand is called."""
    described: str = ""
    """The same as text, for who does not see the picture."""


def room(ring: int, rings: int) -> int:
    """How many marks a sector of a ring has room for."""
    return sum(_in_row(radius) for radius in _rows(ring, rings))


def svg(wheel: Wheel, *, listed: bool = True) -> str:
    """The picture; nothing in it is loaded or runs. `listed`: with the list of what its numbers stand for."""
    entries = [(number, spot, _wrapped(spot.text)) for number, spot in enumerate(wheel.spots, 1)] if listed else []
    columns = _columns(wheel, entries)
    height = _LIST + (_LINE * max(sum(lines for _, lines in column) for column in columns) + 30 if listed else -20)
    x, y = _CENTRE
    return "\n".join(
        (
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:.0f}" role="img" '
                'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">'
            ),
            f'<title id="t">{_text(wheel.title)}</title><desc id="d">{_text(wheel.described)}</desc>',
            f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#fff"/>',
            f'<text x="20" y="34" font-size="20" font-weight="600">{_text(shortened(wheel.title, _TITLE))}</text>',
            *_sectors(wheel),
            *_hand(wheel),
            *_names(wheel),
            f'<g transform="translate({x} {y})" font-size="10.5" font-weight="600" text-anchor="middle">',
            *_marks(wheel),
            "</g>",
            *_legend(wheel),
            *(part for at, column in enumerate(columns) for part in _listed(at, column)),
            "</svg>\n",
        )
    )


def _sectors(wheel: Wheel) -> Iterator[str]:
    """The rings, the lines between months, and the names of the months around."""
    x, y = _CENTRE
    outer = _outer(len(wheel.rings))
    for ring in range(len(wheel.rings)):
        yield (
            f'<circle cx="{x}" cy="{y}" r="{outer - ring * _RING}" fill="{_FILLS[ring % 2]}" stroke="#8696a7" '
            'stroke-width="0.8"/>'
        )
    yield f'<circle cx="{x}" cy="{y}" r="{_INNER}" fill="#fff" stroke="#8696a7"/>'
    for month, name in enumerate(wheel.months):
        (ax, ay), (bx, by) = _at(month / MONTHS, _INNER), _at(month / MONTHS, outer)
        yield f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" stroke="#8696a7" stroke-width="0.8"/>'
        turn = (month + 0.5) / MONTHS
        tx, ty = _at(turn, outer + 14)
        anchor = "start" if turn < 0.5 else "end"
        yield f'<text x="{tx:.1f}" y="{ty + 5:.1f}" text-anchor="{anchor}" font-weight="600">{_text(name)}</text>'


def _names(wheel: Wheel) -> Iterator[str]:
    """A letter for each ring where the year begins, and in the middle what it stands for."""
    x, y = _CENTRE
    outer, count = _outer(len(wheel.rings)), len(wheel.rings)
    for ring, name in enumerate(wheel.rings):
        letter, middle = chr(ord("A") + ring), y - outer + (ring + 0.5) * _RING
        yield (
            f'<circle cx="{x}" cy="{middle}" r="7.5" fill="#fff" stroke="#8696a7"/><text x="{x}" y="{middle + 4}" '
            f'font-size="11" text-anchor="middle">{letter}</text>'
            f'<text x="{x - 76}" y="{y + (ring - (count - 1) / 2) * 19 + 4:.1f}">'
            f'<tspan font-weight="600">{letter}</tspan> {_text(name)}</text>'
        )


def _hand(wheel: Wheel) -> Iterator[str]:
    if wheel.today is not None:
        (ax, ay), (bx, by) = _at(wheel.today, _INNER), _at(wheel.today, _outer(len(wheel.rings)) + 10)
        yield (
            f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" stroke="#000" stroke-width="3" '
            f'class="hand"/><circle cx="{bx:.1f}" cy="{by:.1f}" r="4.5"/>'
        )


def _marks(wheel: Wheel) -> Iterator[str]:
    cells: dict[tuple[int, int], list[tuple[int, Spot]]] = {}
    for number, spot in enumerate(wheel.spots, 1):
        cells.setdefault((spot.month, spot.ring), []).append((number, spot))
    for (month, ring), found in cells.items():
        for (number, spot), (turn, radius) in zip(
            found, _places(month, ring, len(wheel.rings), len(found)), strict=True
        ):
            angle = 2 * pi * turn
            yield mark(spot.state, str(number), radius * sin(angle), -radius * cos(angle))


def mark(state: str, text: str, x: float, y: float) -> str:
    """One mark: the shape of its state with a number in it."""
    shape, fill, ink = SHAPES[state]
    halo = ' paint-order="stroke" stroke="#fff" stroke-width="3"' if state == "missed" else ""
    return (
        f'<g transform="translate({x:.1f} {y:.1f})" class="{state}">{shape} fill="{fill}" stroke="#000" '
        f'stroke-width="1.1"/><text y="3.8" fill="{ink}"{halo}>{_text(text)}</text></g>'
    )


def _places(month: int, ring: int, rings: int, count: int) -> Iterator[tuple[float, float]]:
    """Where the marks of a sector stand, as parts of a turn and radii: one row in the middle, or two; the rest of what
    does not fit in is spread over the outer one."""
    rows = _rows(ring, rings)
    middle = (rows[0] + rows[1]) / 2
    if count <= _in_row(middle):
        shared = [(middle, count)]
    else:
        inner = min(count // 2, _in_row(rows[1]))
        shared = [(rows[0], count - inner), (rows[1], inner)]
    for radius, number in shared:
        step = min(_SPACE * 1.2, (_arc(radius) - 2 * _PADDING) / max(number - 1, 1)) / (2 * pi * radius)
        for at in range(number):
            yield (month - 0.5) / MONTHS + (at - (number - 1) / 2) * step, radius


def _rows(ring: int, rings: int) -> tuple[float, float]:
    middle = _outer(rings) - (ring + 0.5) * _RING
    return middle + _SPACE / 2, middle - _SPACE / 2


def _in_row(radius: float) -> int:
    return int((_arc(radius) - 2 * _PADDING) / _SPACE) + 1


def _arc(radius: float) -> float:
    return 2 * pi * radius / MONTHS


def _outer(rings: int) -> float:
    return _INNER + rings * _RING


def _at(turn: float, radius: float) -> tuple[float, float]:
    return _CENTRE[0] + radius * sin(2 * pi * turn), _CENTRE[1] - radius * cos(2 * pi * turn)


def _legend(wheel: Wheel) -> Iterator[str]:
    x, y = 30.0, _LIST - 50
    for state, name in wheel.states.items():
        yield f'<g font-size="10.5" font-weight="600" text-anchor="middle">{mark(state, "", x, y)}</g>'
        yield f'<text x="{x + 18:.1f}" y="{y + 4.5}">{_text(name)}</text>'
        x += 50 + 7.4 * len(name)
    if wheel.today is not None:
        yield f'<line x1="{x:.1f}" y1="{y}" x2="{x + 24:.1f}" y2="{y}" stroke="#000" stroke-width="3"/>'
        yield f'<circle cx="{x + 24:.1f}" cy="{y}" r="4.5"/>'
        yield f'<text x="{x + 36:.1f}" y="{y + 4.5}">{_text(wheel.hand)}</text>'


Entry = tuple[int, Spot, Sequence[str]]


def _columns(wheel: Wheel, entries: Sequence[Entry]) -> tuple[Sequence[tuple[str | Entry, float]], ...]:
    """Headings and entries with how many lines they take, in two columns of about the same length; months stay whole
    where that does not make one much longer."""
    items: list[tuple[str | Entry, float]] = []
    for month, name in enumerate(wheel.months, 1):
        found = [entry for entry in entries if entry[1].month == month]
        if found:
            items.append((name, 1.8))
            items += [(entry, len(entry[2]) + 0.5) for entry in found]
    half, length = sum(lines for _, lines in items) / 2, 0.0
    for at, (item, lines) in enumerate(items):
        if (length >= half - 6 and isinstance(item, str)) or length > half + 6:
            return items[:at], items[at:]
        length += lines
    return items, []


def _listed(at: int, column: Sequence[tuple[str | Entry, float]]) -> Iterator[str]:
    x, y = 20 + at * _COLUMN, _LIST
    for item, lines in column:
        if isinstance(item, str):
            yield f'<text x="{x}" y="{y + _LINE * 1.2:.1f}" font-weight="600" font-size="14">{_text(item)}</text>'
        else:
            number, spot, texts = item
            marked = mark(spot.state, str(number), x + 13, y + _LINE * 0.62)
            yield f'<g font-size="10.5" font-weight="600" text-anchor="middle">{marked}</g>'
            for line, text in enumerate(texts):
                yield f'<text x="{x + 32}" y="{y + _LINE * (line + 0.9):.1f}" font-size="12.5">{_text(text)}</text>'
        y += _LINE * lines


def _wrapped(text: str) -> Sequence[str]:
    return textwrap.wrap(plain(text), _LETTERS, max_lines=_LINES, placeholder=" …") or [""]


def _text(value: str) -> str:
    return escape(plain(value))
