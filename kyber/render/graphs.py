"""Boxes that need each other, as an SVG picture: what all rests on at the left, what serves people at the right.

How a box is marked is told by colour, by sign and by the line around it. Nothing in the picture is loaded or runs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape
from typing import Final

from rich.cells import cell_len

from kyber.render.layered import Layout, Point, Sizes, layered
from kyber.render.safe import plain


class Mark(StrEnum):
    """How a box stands."""

    GAP = "gap"
    DOUBT = "doubt"
    FINE = "fine"
    NONE = "none"


class Link(StrEnum):
    """What a line between boxes says."""

    NEED = "need"
    EITHER = "either"
    LATEST = "latest"
    """The need that keeps a box waiting."""
    CIRCLE = "circle"
    """A need that closes a circle."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its name, and lines of text below it."""

    id: str
    name: str
    lines: tuple[str, ...]
    mark: Mark


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from what is needed to who needs it."""

    need: str
    consumer: str
    link: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Boxes and lines, and the words around them."""

    title: str
    described: str
    """The same as text, for who does not see the picture."""
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]
    marks: tuple[tuple[Mark, str], ...]
    links: tuple[tuple[Link, str], ...]
    """What marks and lines mean."""
    left: str
    right: str
    """What stands at the left and at the right."""
    notes: tuple[str, ...] = ()


SIGNS: Final = {Mark.GAP: "▲", Mark.DOUBT: "?", Mark.FINE: "✓", Mark.NONE: "–"}
_FRAMES: Final = {
    Mark.GAP: 'fill="#fbe3e4" stroke="#a3182b" stroke-width="3.5"',
    Mark.DOUBT: 'fill="#fdf3d3" stroke="#8a6100" stroke-width="2" stroke-dasharray="7 4"',
    Mark.FINE: 'fill="#e6f2ea" stroke="#2c6e49" stroke-width="1.2"',
    Mark.NONE: 'fill="#f2f2f2" stroke="#777" stroke-width="1" stroke-dasharray="2 3"',
}
_INKS: Final = {Mark.GAP: "#a3182b", Mark.DOUBT: "#8a6100", Mark.FINE: "#2c6e49", Mark.NONE: "#555"}
_STROKES: Final = {
    Link.NEED: 'stroke="#8a8f98" stroke-width="1.3"',
    Link.EITHER: 'stroke="#5b6b8c" stroke-width="1.3" stroke-dasharray="6 4"',
    Link.LATEST: 'stroke="#222" stroke-width="2.6"',
    Link.CIRCLE: 'stroke="#a3182b" stroke-width="2.2" stroke-dasharray="2 4"',
}
_SIZES: Final = Sizes(wide=224, high=112, between=42, apart=16, line=16)
_MARGIN: Final = 24
_TOP: Final = 84
_LETTERS: Final = 24
"""Letters of a name in one line of a box."""
_SMALL_LETTERS: Final = 30
_ROW: Final = 22
_LEAST: Final = 900


def svg(drawing: Drawing) -> str:
    """The picture. Its width grows with the layers, its height with the largest of them."""
    known = {box.id for box in drawing.boxes}
    edges = [edge for edge in drawing.edges if {edge.need, edge.consumer} <= known and edge.need != edge.consumer]
    layout = layered([box.id for box in drawing.boxes], [_line(edge) for edge in edges], _SIZES)
    width = max(layout.width + 2 * _MARGIN, _LEAST)
    legend = list(_legend(drawing, _TOP + layout.height + 44, width))
    height = _TOP + layout.height + 44 + (_rows(drawing) + len(drawing.notes)) * _ROW + 8
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'height="{height:.0f}" role="img" aria-labelledby="t d" font-family="system-ui, sans-serif" '
            'font-size="14">'
        ),
        f'<title id="t">{_text(drawing.title)}</title><desc id="d">{_text(drawing.described)}</desc>',
        "<defs>",
        *(_arrowhead(link) for link in Link),
        "</defs>",
        f'<rect width="{width:.0f}" height="{height:.0f}" fill="#fff"/>',
        f'<text x="{_MARGIN}" y="34" font-size="18" font-weight="600">{_text(drawing.title)}</text>',
        f'<text x="{_MARGIN}" y="60" fill="#555">← {_text(drawing.left)}</text>',
        f'<text x="{width - _MARGIN:.0f}" y="60" fill="#555" text-anchor="end">{_text(drawing.right)} →</text>',
        f'<g transform="translate({_MARGIN} {_TOP})">',
        *(_edge(edge, layout) for edge in sorted(edges, key=lambda edge: list(Link).index(edge.link))),
        *(_box(box, layout.boxes[box.id]) for box in drawing.boxes),
        "</g>",
        *legend,
    ]
    return "\n".join((*parts, "</svg>\n"))


def _line(edge: Edge) -> tuple[str, str]:
    """A need that closes a circle runs from right to left."""
    return (edge.consumer, edge.need) if edge.link is Link.CIRCLE else (edge.need, edge.consumer)


def _edge(edge: Edge, layout: Layout) -> str:
    points = layout.lines[_line(edge)]
    if edge.link is Link.CIRCLE:
        points = points[::-1]
    ahead = -7 if points[0][0] < points[-1][0] else 7  # the head of the arrow ends at the box
    points = (*points[:-1], (points[-1][0] + ahead, points[-1][1]))
    path = f"M{_at(points[0])}"
    for one, other in zip(points[::2], points[1::2], strict=True):
        middle = (one[0] + other[0]) / 2
        path += f" C{_at((middle, one[1]))} {_at((middle, other[1]))} {_at(other)}"
        if other is not points[-1]:
            path += f" L{_at(points[points.index(other) + 1])}"
    return f'<path d="{path}" fill="none" {_STROKES[edge.link]} marker-end="url(#{edge.link})"/>'


def _box(box: Box, at: Point) -> str:
    x, y = at
    names = _wrapped(box.name, _LETTERS)
    lines = [part for line in box.lines for part in _wrapped(line, _SMALL_LETTERS)]
    first = y + 21
    parts = [
        f"<g><title>{_text('; '.join((box.name, *box.lines)))}</title>",
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{_SIZES.wide}" height="{_SIZES.high}" rx="6" {_FRAMES[box.mark]}/>',
        (
            f'<text x="{x + _SIZES.wide - 10:.1f}" y="{y + 21:.1f}" text-anchor="end" font-size="16" font-weight="700" '
            f'fill="{_INKS[box.mark]}">{SIGNS[box.mark]}</text>'
        ),
    ]
    for n, name in enumerate(names):
        place = f'x="{x + 10:.1f}" y="{first + n * 17:.1f}"'
        parts.append(f'<text {place} font-size="13.8" font-weight="600">{_text(name)}</text>')
    below = y + _SIZES.high - 11 - (len(lines) - 1) * 16
    for n, line in enumerate(lines):
        parts.append(
            f'<text x="{x + 10:.1f}" y="{below + n * 16:.1f}" font-size="12.8" fill="#333">{_text(line)}</text>'
        )
    return "".join((*parts, "</g>"))


def _wrapped(name: str, letters: int) -> Sequence[str]:
    """A name on one line or two, broken between words where it can be."""
    name = plain(name)
    if cell_len(name) <= letters:
        return (name,)
    words, first = name.split(" "), ""
    while words and cell_len(f"{first} {words[0]}".strip()) <= letters:
        first = f"{first} {words.pop(0)}".strip()
    rest = " ".join(words)
    if not first:
        first = rest[: letters // 2]
        rest = rest[len(first) :]
    return first, _cut(rest, letters)


def _cut(text: str, letters: int) -> str:
    """What fits into so many letters; wide ones count twice."""
    if cell_len(text) <= letters:
        return text
    while cell_len(text) >= letters:
        text = text[:-1]
    return f"{text}…"


def _rows(drawing: Drawing) -> int:
    return max(len(drawing.marks), len(drawing.links))


def _legend(drawing: Drawing, top: float, width: float) -> Iterator[str]:
    for n, (mark, words) in enumerate(drawing.marks):
        y = top + n * _ROW
        yield (
            f'<rect x="{_MARGIN}" y="{y - 12:.1f}" width="30" height="16" rx="3" {_FRAMES[mark]}/>'
            f'<text x="{_MARGIN + 15}" y="{y + 1:.1f}" text-anchor="middle" font-size="12" font-weight="700" '
            f'fill="{_INKS[mark]}">{SIGNS[mark]}</text><text x="{_MARGIN + 40}" y="{y:.1f}">{_text(words)}</text>'
        )
    half = width / 2
    for n, (link, words) in enumerate(drawing.links):
        y = top + n * _ROW
        yield (
            f'<line x1="{half:.1f}" y1="{y - 4:.1f}" x2="{half + 33:.1f}" y2="{y - 4:.1f}" {_STROKES[link]} '
            f'marker-end="url(#{link})"/><text x="{half + 50:.1f}" y="{y:.1f}">{_text(words)}</text>'
        )
    for n, note in enumerate(drawing.notes, _rows(drawing)):
        yield f'<text x="{_MARGIN}" y="{top + n * _ROW:.1f}" fill="#555">{_text(note)}</text>'


def _arrowhead(link: Link) -> str:
    colour = _STROKES[link].split('"')[1]
    return (
        f'<marker id="{link}" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
    )


def _at(point: Point) -> str:
    return f"{point[0]:.1f},{point[1]:.1f}"


def _text(value: str) -> str:
    return escape(plain(value))
