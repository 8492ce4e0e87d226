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
_SIDE: Final = 138
_HIGH: Final = 94
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
_LETTER: Final = 8.2
"""About how wide a letter of an id is in the large picture."""
_LANES: Final = 4
"""How many arrows run beside each other before they run over each other."""
_ARROW_HEAD: Final = (
    '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
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
    parts += _arrows(map_)
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
    for n, move in enumerate(_real(map_)):
        home, other = _ends(map_, move)
        (x, y), (to_x, to_y) = corner(home), corner(other)
        lines = _last_line_moved(map_, home, _SMALL_LINES * in_line, in_line)
        last = lines[-1].split(" ") if lines else []
        under = last.index(move.id) - (len(last) - 1) / 2 if move.id in last else 0.0
        lane = (n % 3 - 1) * 2.5
        right = other[1] > home[1] or (other[1] == home[1] < columns)
        edge = x + side * right + lane
        inward = 12 if other[1] > home[1] or (other[1] == home[1] and not right) else side - 12
        below = (y + 1 + 14 * len(lines) + 4, y + _SMALL_HIGH - 5 + lane)
        points = [(x + side / 2 + under * _SMALL_ID, below[0]), (x + side / 2 + under * _SMALL_ID, below[1])]
        across = to_y + _SMALL_HIGH - 5 + lane
        points += [(edge, below[1]), (edge, across), (to_x + inward, across)]
        parts.append(_way(points if home == move.start else points[::-1], 1.3))
    for at in cells:
        x, y = corner(at)
        for n, line in enumerate(_last_line_moved(map_, at, _SMALL_LINES * in_line, in_line)):
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
        f'stroke-width="2"/><text x="{x + _SIDE / 2}" y="{y + 17}" font-size="11" fill="#333" text-anchor="middle">'
        f"{_text(map_.names[level - 1])}</text>"
    )


def _ids(map_: HeatMap, at: Cell) -> str:
    x, y = _corner(map_, at)
    lines = _facing(map_, at)
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


def _real(map_: HeatMap) -> list[Move]:
    return [one for one in map_.moves if one.start != one.end]


def _ends(map_: HeatMap, move: Move) -> tuple[Cell, Cell]:
    """The cell in which the risk's id stands, and the other one."""
    at_start = move.id in map_.risks.get(move.start, ())
    return (move.start, move.end) if at_start else (move.end, move.start)


def _facing(map_: HeatMap, at: Cell) -> list[str]:
    """The ids of a cell in lines; of two beside each other the one whose arrow goes to the left stands left."""
    goes = {move.id: _ends(map_, move)[1][1] - at[1] for move in _real(map_) if at in (move.start, move.end)}
    found = []
    for line in _lines(map_.risks.get(at, ()), _LINES):
        ids = line.split(" ")
        plain_line = len(ids) == _IDS_IN_LINE and not ids[-1].startswith("+")
        found.append(" ".join(sorted(ids, key=lambda one: goes.get(one, 0))) if plain_line else line)
    return found


def _last_line_moved(map_: HeatMap, at: Cell, most: int, in_line: int) -> list[str]:
    """The ids of a cell in lines, those that moved on the last one, below which their arrows have room."""
    ids, moved = map_.risks.get(at, ()), {move.id for move in _real(map_)}
    shown = most if len(ids) <= most else most - in_line + 1
    kept = sorted(ids, key=lambda one: one not in moved)[:shown]
    kept = sorted((one for one in ids if one in kept), key=lambda one: one in moved)
    first = len(kept) % in_line if len(ids) == len(kept) and moved & {*kept} else 0
    lines = [" ".join(kept[:first])] * bool(first)
    lines += [" ".join(kept[n : n + in_line]) for n in range(first, len(kept), in_line)]
    return lines if len(ids) == len(kept) else [*lines[:-1], f"{lines[-1]} +{len(ids) - len(kept)}"]


def _arrows(map_: HeatMap) -> list[str]:
    """Of each risk that moves, on the side of its id that has room, in a lane of its own as far as there are any."""
    used: dict[tuple[int, bool], int] = {}
    found = []
    for move in _real(map_):
        home, other = _ends(map_, move)
        lines = [line.split(" ") for line in _facing(map_, home)]
        ids = next((line for line in lines if move.id in line), [])
        if len(ids) == _IDS_IN_LINE:
            is_right = ids.index(move.id) > 0
        elif other[1] != home[1]:
            is_right = other[1] > home[1]
        else:
            is_right = used.get((home[1], True), 0) <= used.get((home[1], False), 0)
        lane = used.get((home[1], is_right), 0)
        used[home[1], is_right] = lane + 1
        found.append(_arrow(map_, move, is_right, lane % _LANES))
    return found


def _arrow(map_: HeatMap, move: Move, is_right: bool, lane: int) -> str:
    """From beside the id along the edges of cells to the other cell, or from there to the id: over no other id."""
    home, other = _ends(map_, move)
    (x, y), (to_x, to_y) = _corner(map_, home), _corner(map_, other)
    lines = _facing(map_, home)
    n = next((n for n, line in enumerate(lines) if move.id in line.split(" ")), max(0, len(lines) - 1))
    half = len(plain(lines[n])) * _LETTER / 2 + 4 if lines else 0
    level = y + 33 + n * 17
    away = 4 + 4.5 * lane
    edge = x + _SIDE - away if is_right else x + away
    points = [(x + _SIDE / 2 + (half if is_right else -half), level), (edge, level)]
    if other[1] == home[1]:
        points.append((edge, to_y + _HIGH - 34 + 8 * lane))
    else:
        across = to_y + _HIGH - 4 - 4.5 * lane
        points += [(edge, across), (to_x + (28 if other[1] > home[1] else _SIDE - 28), across)]
    points = points if home == move.start else points[::-1]
    dot = f'<circle cx="{points[0][0]:.1f}" cy="{points[0][1]:.1f}" r="2.6" fill="#222"/>'
    return f"{_way(points, 1.3)}{dot}"


def _way(points: Sequence[tuple[float, float]], width: float) -> str:
    """A line through points with a head at its end."""
    way = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<path d="M{way}" fill="none" stroke="#222" stroke-width="{width}" marker-end="url(#a)"/>'


def _corner(map_: HeatMap, at: Cell) -> tuple[float, float]:
    return _LEFT + (at[1] - 1) * _SIDE, _TOP + (len(map_.levels) - at[0]) * _HIGH


def _text(value: str) -> str:
    return escape(plain(value))
