"""A risk matrix with the risks in it: a table for a terminal, a picture as SVG; levels are words as well as colours."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from kyber.render.safe import plain

Cell = tuple[int, int]
"""A class of likelihood and one of impact, from 1."""

FILLS: Final = ("#dfe9e2", "#c6dcf0", "#f6e3a1", "#f2b07b", "#e68a92")
STYLES: Final = ("dim", "cyan", "yellow", "red", "bold red")
"""From the lowest level."""
_SIDE: Final = 118
_HIGH: Final = 84
_LEFT: Final = 190
_TOP: Final = 64
_LABEL: Final = 24
_HALO: Final = 'paint-order="stroke" stroke="#fff" stroke-width="2.5" stroke-opacity="0.7"'
_IDS_IN_LINE: Final = 2
_LINES: Final = 3
_SMALL_WIDTH: Final = 428
_SMALL_HIGH: Final = 46
_SMALL_LEFT: Final = 18
_SMALL_TOP: Final = 22
_SMALL_LINES: Final = 2
_SMALL_ID: Final = 36
"""About how wide an id of five letters is."""
_ARROW_HEAD: Final = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0,0 L8,4 L0,8 z" fill="#222"/></marker></defs>'
)


@dataclass(frozen=True, slots=True)
class Move:
    """A risk that goes from one cell to another."""

    id: str
    start: Cell
    end: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A matrix, what stands in it, and the words for all of it."""

    title: str
    levels: tuple[tuple[int, ...], ...]
    """Rows by likelihood, columns by impact, from the lowest; cells from 1."""
    names: tuple[str, ...]
    """The words for the levels, from the lowest."""
    likelihoods: tuple[str, ...]
    impacts: tuple[str, ...]
    likelihood: str
    impact: str
    """What the classes and the axes are called."""
    risks: Mapping[Cell, tuple[str, ...]]
    """The ids in each cell."""
    moves: tuple[Move, ...] = ()
    described: str = ""
    """The same as text, for who does not see the picture."""


def show(map_: HeatMap, console: Console) -> None:
    """Print the matrix, the highest likelihood on top; each cell has its level as dots and the ids in it."""
    table = Table(title=Text(plain(map_.title)), show_lines=True, title_justify="left", title_style="bold")
    table.add_column(Text(f"{map_.likelihood} ↓  {map_.impact} →"), overflow="fold", min_width=12)
    for name in map_.impacts:
        table.add_column(Text(name), overflow="fold", min_width=9)
    for row in range(len(map_.levels), 0, -1):
        cells = [Text(map_.likelihoods[row - 1])]
        for column in range(1, len(map_.impacts) + 1):
            level = map_.levels[row - 1][column - 1]
            text = Text("●" * level, STYLES[level - 1])
            if ids := map_.risks.get((row, column)):
                text.append("\n" + " ".join(map(plain, ids)), "bold not dim default")
            cells.append(text)
        table.add_row(*cells)
    console.print(table, highlight=False)
    legend = (Text(f"{'●' * at} {name}", STYLES[at - 1]) for at, name in enumerate(map_.names, 1))
    console.print(Text("  ").join(legend), highlight=False)


def svg(map_: HeatMap) -> str:
    """The matrix as an SVG picture, with an arrow for each risk that moves; nothing in it is loaded or runs."""
    rows, columns = len(map_.levels), len(map_.impacts)
    width, height = _LEFT + columns * _SIDE + 24, _TOP + rows * _HIGH + 76
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
            f'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="13">'
        ),
        f'<title id="t">{_text(map_.title)}</title><desc id="d">{_text(map_.described)}</desc>',
        _ARROW_HEAD,
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        f'<text x="16" y="30" font-size="18" font-weight="600">{_text(map_.title)}</text>',
        f'<text x="16" y="{_TOP - 8}" fill="#555">{_text(map_.likelihood)}</text>',
        (
            f'<text x="{_LEFT + columns * _SIDE / 2}" y="{height - 14}" fill="#555" text-anchor="middle">'
            f"{_text(map_.impact)}</text>"
        ),
    ]
    cells = [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]
    parts += [_likelihood(map_, row) for row in range(1, rows + 1)]
    parts += [_cell(map_, at) for at in cells]
    for column, name in enumerate(map_.impacts):
        x = _LEFT + column * _SIDE + _SIDE / 2
        parts.append(f'<text x="{x}" y="{_TOP + rows * _HIGH + 24}" text-anchor="middle">{_text(name)}</text>')
    parts += [_arrow(map_, move, at) for at, move in enumerate(one for one in map_.moves if one.start != one.end)]
    parts += [_ids(map_, at) for at in cells]  # last, so that no arrow runs over them
    return "\n".join((*parts, "</svg>\n"))


def small_svg(map_: HeatMap) -> str:
    """The matrix for a narrow column: its letters can be read where it is 88 mm wide. Classes are numbers, levels are
    dots, told below."""
    rows, columns = len(map_.levels), len(map_.impacts)
    side, bottom = (_SMALL_WIDTH - _SMALL_LEFT) / columns, _SMALL_TOP + rows * _SMALL_HIGH
    in_line = max(1, min(_IDS_IN_LINE, int(side / _SMALL_ID)))
    legend = _legend(map_.names)
    height = bottom + 22 + 17 * (1 + max(line for _, line, _ in legend))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_SMALL_WIDTH} {height}" role="img" '
            'aria-labelledby="t d" font-family="system-ui, sans-serif" font-size="12.4">'
        ),
        f'<title id="t">{_text(map_.title)}</title><desc id="d">{_text(map_.described)}</desc>{_ARROW_HEAD}',
        f'<rect width="{_SMALL_WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="0" y="14" fill="#333">↑ {_text(map_.likelihood)}, → {_text(map_.impact)}</text>',
    ]

    def corner(at: Cell) -> tuple[float, float]:
        return _SMALL_LEFT + (at[1] - 1) * side, _SMALL_TOP + (rows - at[0]) * _SMALL_HIGH

    cells = [(row, column) for row in range(1, rows + 1) for column in range(1, columns + 1)]
    for at in cells:
        (x, y), level = corner(at), map_.levels[at[0] - 1][at[1] - 1]
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{side:.1f}" height="{_SMALL_HIGH}" fill="{FILLS[level - 1]}" '
            f'stroke="#fff" stroke-width="2"/>{_dots(level, x + 7, y + _SMALL_HIGH - 7)}'
        )
    for row in range(1, rows + 1):
        parts.append(f'<text x="2" y="{corner((row, 1))[1] + _SMALL_HIGH / 2 + 4}">{row}</text>')
    for column in range(1, columns + 1):
        x = corner((1, column))[0] + side / 2
        parts.append(f'<text x="{x:.1f}" y="{bottom + 15}" text-anchor="middle">{column}</text>')
    for n, move in enumerate(one for one in map_.moves if one.start != one.end):
        (ax, ay), (bx, by) = corner(move.start), corner(move.end)
        beside = (n % 5 - 2) * 6
        parts.append(
            f'<line x1="{ax + side / 2 + beside:.1f}" y1="{ay + _SMALL_HIGH - 10}" x2="{bx + side / 2 + beside:.1f}" '
            f'y2="{by + _SMALL_HIGH - 10}" stroke="#222" stroke-width="1.3" marker-end="url(#a)"/>'
        )
    for at in cells:
        (x, y), ids = corner(at), map_.risks.get(at, ())
        for n, line in enumerate(_lines(ids, _SMALL_LINES, in_line)):
            parts.append(
                f'<text x="{x + side / 2:.1f}" y="{y + 15 + n * 14}" text-anchor="middle" {_HALO}>{_text(line)}</text>'
            )
    for x, at_line, level in legend:
        y = bottom + 34 + 17 * at_line
        parts.append(f'<rect x="{x}" y="{y - 11}" width="{level * 6 + 6}" height="13" fill="{FILLS[level - 1]}"/>')
        parts.append(f'{_dots(level, x + 6, y - 4.5)}<text x="{x + level * 6 + 10}" y="{y}">')
        parts.append(f"{_text(map_.names[level - 1])}</text>")
    return "\n".join((*parts, "</svg>\n"))


def _dots(level: int, x: float, y: float) -> str:
    return "".join(f'<circle cx="{x + 6 * n:.1f}" cy="{y}" r="2" fill="#222"/>' for n in range(level))


def _legend(names: Sequence[str]) -> list[tuple[float, int, int]]:
    """Where each level is told: from the left, the line, the level."""
    found: list[tuple[float, int, int]] = []
    x, line = 0.0, 0
    for level, name in enumerate(names, 1):
        width = level * 6 + 20 + 7.6 * len(plain(name))
        if x and x + width > _SMALL_WIDTH:
            x, line = 0.0, line + 1
        found.append((round(x, 1), line, level))
        x += width
    return found


def _likelihood(map_: HeatMap, row: int) -> str:
    """The name of a class of likelihood beside its row, on as many lines as it takes."""
    middle = _corner(map_, (row, 1))[1] + _HIGH / 2 + 4
    lines = textwrap.wrap(map_.likelihoods[row - 1], _LABEL)
    return "".join(
        f'<text x="{_LEFT - 12}" y="{middle + (n - (len(lines) - 1) / 2) * 16}" text-anchor="end">{_text(line)}</text>'
        for n, line in enumerate(lines)
    )


def _cell(map_: HeatMap, at: Cell) -> str:
    x, y = _corner(map_, at)
    level = map_.levels[at[0] - 1][at[1] - 1]
    return (
        f'<rect x="{x}" y="{y}" width="{_SIDE}" height="{_HIGH}" fill="{FILLS[level - 1]}" stroke="#fff" '
        f'stroke-width="2"/><text x="{x + 8}" y="{y + 17}" font-size="11" fill="#333">{_text(map_.names[level - 1])}'
        "</text>"
    )


def _ids(map_: HeatMap, at: Cell) -> str:
    x, y = _corner(map_, at)
    ids = map_.risks.get(at, ())
    lines = _lines(ids, _LINES)
    return "".join(
        f'<text x="{x + _SIDE / 2}" y="{y + 37 + n * 17}" text-anchor="middle" font-weight="600" {_HALO}>'
        f"{_text(line)}</text>"
        for n, line in enumerate(lines)
    )


def _lines(ids: Sequence[str], most: int, in_line: int = _IDS_IN_LINE) -> list[str]:
    """The ids in so many lines; how many more there are stands at the end."""
    lines = [" ".join(ids[n : n + in_line]) for n in range(0, len(ids), in_line)]
    if len(lines) > most:
        shown = (most - 1) * in_line + 1
        lines = [*lines[: most - 1], f"{ids[shown - 1]} +{len(ids) - shown}"]
    return lines


def _arrow(map_: HeatMap, move: Move, at: int) -> str:
    """From the middle of one cell to that of another, a little beside the arrow before, so that both are seen."""
    beside = (at % 5 - 2) * 9
    (x1, y1), (x2, y2) = _corner(map_, move.start), _corner(map_, move.end)
    ax, ay = x1 + _SIDE / 2 + beside, y1 + _HIGH - 9
    bx, by = x2 + _SIDE / 2 + beside, y2 + _HIGH / 2 + beside
    return (
        f'<line x1="{ax}" y1="{ay}" x2="{bx}" y2="{by}" stroke="#222" stroke-width="1.3" stroke-opacity="0.75" '
        f'marker-end="url(#a)"/><circle cx="{ax}" cy="{ay}" r="2.6" fill="#222"/>'
        f'<text x="{bx - 7}" y="{by + 4}" font-size="10" text-anchor="end" {_HALO}>{_text(move.id)}</text>'
    )


def _corner(map_: HeatMap, at: Cell) -> tuple[float, float]:
    return _LEFT + (at[1] - 1) * _SIDE, _TOP + (len(map_.levels) - at[0]) * _HIGH


def _text(value: str) -> str:
    return escape(plain(value))
